"""What Snakemake's executor asks of Kubernetes for our jobs, and that it brings them to their end.

The executor is the real one, started as `make cluster` starts it. A stand-in answers in place of a
cluster, writes down what it is asked, and runs the jobs' commands here.
"""

import base64
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_stage import SNAKEMAKE, command, needs_snakemake, stage
from kubernetes_objects import CLAIM, VERSIONS, objects, refused
from kubernetes_stand_in import answering

from workflow import jobs

pytestmark = needs_snakemake
ON_GPU = "table3_perplexity--meta-llama-Llama-3.2-1B--0"
ON_CPU = "bias"


@pytest.fixture(scope="module")
def plan() -> dict:
    """A job of the paper's profile with a model whose shape is known, and one without a GPU."""
    large = jobs.plan("paper", ["table3_perplexity"])[ON_GPU]
    return {ON_GPU: large} | jobs.plan("smoke", [ON_CPU])


def start(volume: Path, words: str = "", **environment: str) -> subprocess.Popen:
    """Snakemake, as `make cluster` starts it, in the checkout on a volume."""
    shared = f"--kubernetes-shared-persistent-volumes {CLAIM}:{volume}"
    line = command("kubernetes", f"{shared} --seconds-between-status-checks 1 {words}")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    return subprocess.Popen(
        ["bash", "-c", line],
        **{"cwd": volume / "project", "env": outer | {"HOME": str(volume.parent)} | environment},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True},
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def run(plan, tmp_path_factory):
    """Both jobs to their end, the one with a GPU killed once with all that its pod has."""
    folder = tmp_path_factory.mktemp("kubernetes")
    volume = folder / "volume"
    stage(volume / "project", plan, dying=ON_GPU, killed="0")
    with answering(folder) as seen:
        given = {"KUBECONFIG": str(seen.kubeconfig), "HF_TOKEN": "geheim"}
        snakemake = start(volume, **given)
        seen.output, _ = snakemake.communicate(timeout=300)
    assert snakemake.returncode == 0, seen.output
    return volume, seen


def of(seen, name: str) -> list[dict]:
    """The Kubernetes jobs that were handed in for one of ours."""
    rule = name.replace("-", "_").replace(".", "_")
    return [
        job
        for job in seen.jobs.values()
        if f"'{rule}:'" in job["spec"]["template"]["spec"]["containers"][0]["args"][1]
    ]


def container_of(job: dict) -> dict:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("name", [ON_CPU, ON_GPU])
def test_the_specification_of_a_job(run, plan, name):
    volume, seen = run
    given = {"memory": f"{plan[name]['resources']['mem_mb']}M", "ephemeral-storage": "2000M"}
    on_gpu = {}
    if name == ON_GPU:
        assert plan[name]["resources"]["mem_mb"] > 30_000  # a billion weights, and hidden states
        given["nvidia.com/gpu"] = "1"
        taint = {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present"}
        on_gpu = {"tolerations": [taint | {"effect": "NoSchedule"}]}
    job = of(seen, name)[0]
    container = container_of(job)
    assert job["spec"] == {
        "backoffLimit": 0,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "snakemake",
                        "image": "python:3.11-bookworm",
                        "command": ["/bin/sh"],
                        "args": ["-c", container["args"][1]],
                        "env": container["env"],
                        "workingDir": "/workdir",
                        "volumeMounts": [
                            {"name": "workdir", "mountPath": "/workdir"},
                            {"name": "stade-nb", "mountPath": str(volume)},
                        ],
                        "resources": {
                            "requests": given | {"cpu": "950m"},
                            "limits": given | {"cpu": "1000m"},
                        },
                    }
                ],
                "volumes": [
                    {"name": "workdir", "emptyDir": {}},
                    {"name": "stade-nb", "persistentVolumeClaim": {"claimName": "stade-nb"}},
                ],
                "nodeSelector": {},
                "restartPolicy": "Never",
                "serviceAccountName": "stade-nb-job",
                **on_gpu,
            }
        },
    }


def test_a_job_needs_the_volume_and_no_other_folder(run):
    volume, seen = run
    project = volume / "project"
    for job in seen.jobs.values():
        shell, line = container_of(job)["args"]
        words = shlex.split(line)
        assert shell == "-c" and words[:3] == ["cd", str(project), "&&"]
        # `make cluster` has Snakemake's environment in the project, the tests elsewhere.
        own = Path(words[3]).parent
        assert own == Path(SNAKEMAKE).parent and words[4:6] == ["-m", "snakemake"]
        folders = [Path(word) for word in words if word.startswith("/")]
        assert len(folders) > 3
        for folder in folders:
            assert folder.is_relative_to(volume) or folder.is_relative_to(own), folder
        assert words[words.index("--mode") + 1] == "remote"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_handed_in_is_a_job_of_kubernetes(run, tmp_path, version):
    _, seen = run
    for job in seen.jobs.values():
        named = {"apiVersion": "batch/v1", "kind": "Job"} | job
        assert not refused(named, tmp_path, version)


def test_what_the_notebooks_read_of_the_environment_comes_as_a_secret(run):
    _, seen = run
    (secret,) = seen.secrets.values()
    sent = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert sent["hf_token"] == "geheim" and sent["omp_num_threads"] == "1"
    for job in seen.jobs.values():
        assert {one["name"] for one in container_of(job)["env"]} >= {"HF_TOKEN", "OMP_NUM_THREADS"}
        assert "geheim" not in str(job)


def test_a_job_whose_pod_was_killed_is_tried_again_and_its_notes_are_on_the_volume(run):
    volume, seen = run
    project = volume / "project"
    assert sorted((project / "ran").read_text().split()) == sorted([ON_CPU, ON_GPU, ON_GPU])
    assert len(of(seen, ON_GPU)) == 2 and len(of(seen, ON_CPU)) == 1
    ended = {name: code for name, code in seen.exits.items() if code}
    assert len(ended) == 1
    for name in (ON_CPU, ON_GPU):
        assert (jobs.folder_of("smoke", project) / "done" / f"{name}.json").exists()
    # The first try's log was fetched, and nothing is left behind.
    assert ("stade-nb", "", "pods/log", "get") in seen.asked
    assert seen.asked.count(("stade-nb", "batch", "jobs", "delete")) == len(seen.jobs)
    assert seen.asked[-1] == ("stade-nb", "", "secrets", "delete")


def test_the_account_may_do_what_the_executor_asks_and_nothing_else(run):
    _, seen = run
    (role,) = objects("Role")
    allowed = {
        (role["metadata"]["namespace"], group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert set(seen.asked) == allowed


def test_a_job_that_fails_is_tried_twice_and_no_more(plan, tmp_path):
    volume = tmp_path / "volume"
    stage(volume / "project", {ON_CPU: plan[ON_CPU]}, dying="none")
    (volume / "project" / ".venv/bin/python").write_text("#!/bin/sh\necho $5 >>ran\nexit 1\n")
    with answering(tmp_path) as seen:
        ended = start(volume, KUBECONFIG=str(seen.kubeconfig))
        ended.communicate(timeout=300)
    assert ended.returncode == 1 and len(seen.jobs) == 2
    assert (volume / "project" / "ran").read_text().split() == [ON_CPU] * 2


def waited(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_run_whose_snakemake_was_killed_goes_on_with_what_is_left(plan, tmp_path):
    volume = tmp_path / "volume"
    stage(volume / "project", plan, dying="none")
    with answering(tmp_path) as seen:
        first = start(volume, KUBECONFIG=str(seen.kubeconfig))
        waited(lambda: len(seen.jobs) == len(plan))
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        waited(lambda: len(seen.exits) == len(plan))  # the jobs end, and nobody takes notice
        second = start(volume, KUBECONFIG=str(seen.kubeconfig))
        output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    done = jobs.folder_of("smoke", volume / "project") / "done"
    assert {path.stem for path in done.iterdir()} == set(plan)
    ran = (volume / "project" / "ran").read_text().split()
    assert sorted(ran) == sorted(plan)  # nothing was done twice


def said(volume: Path, words: str = "", **environment: str) -> str:
    """What Snakemake says where it cannot start."""
    ended = start(volume, words, **environment)
    output, _ = ended.communicate(timeout=120)
    assert ended.returncode == 1 and "Traceback" not in output, output
    return output


def test_what_is_missing_is_said_in_one_line_with_the_remedy(plan, tmp_path):
    volume = tmp_path / "volume"
    stage(volume / "project", {ON_CPU: plan[ON_CPU]}, dying="none")
    elsewhere = said(volume, f"--kubernetes-shared-persistent-volumes {CLAIM}:/elsewhere")
    assert f"the jobs would not see {volume / 'project'}: expected a folder of the" in elsewhere
    assert "at /elsewhere; start it there, see book/cluster.md" in elsewhere
    assert "no cluster is known here: expected a pod of it, or KUBECONFIG" in said(volume)
    with answering(tmp_path) as seen:
        nobody = str(seen.kubeconfig)
    assert "no cluster answers at http://127.0.0.1:" in said(volume, KUBECONFIG=nobody)
    with answering(tmp_path, refusing=403) as seen:
        refusal = said(volume, KUBECONFIG=str(seen.kubeconfig))
    assert "refuses jobs in the namespace stade-nb (403 Forbidden): `kubectl apply" in refusal


def test_the_executor_alone_would_not_let_jobs_share_a_folder(plan, tmp_path):
    """Why there is one of ours: where this fails, Snakemake lets them, and ours can go."""
    volume = tmp_path / "volume"
    stage(volume / "project", {ON_CPU: plan[ON_CPU]}, dying="none")
    refusal = said(volume, "--executor kubernetes")
    assert "no shared filesystem is assumed for input and output files" in refusal
