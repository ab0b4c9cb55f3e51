"""A profile as jobs: which, in what order, with what; and Snakemake runs each of them once."""

import json
import os
import re
import subprocess
from datetime import date

import pytest
from cluster_stage import command, needs_snakemake, stage

from stade_nb.errors import StadeError
from workflow import jobs, profiles, resources

VALUES = {
    **{"methods": ["wanda", "stade"], "patterns": ["0.5", "2:4"], "windows": 128},
    **{"evaluation_windows": None, "window_length": None, "batch_size": 4},
}


@pytest.fixture(scope="module")
def planned():
    return jobs.plan(
        "embedded", ["table3_perplexity", "table5_without_bias", "problem", "scorecard"]
    )


def test_a_notebook_of_many_cells_waits_for_a_job_of_each_model_and_seed(planned):
    values = profiles.defaults(profiles.NOTEBOOKS / "table3_perplexity.ipynb")
    parts = planned["table3_perplexity"]["after"]
    assert len(parts) == 4 * len(values["seeds"]) > 4  # four embedded models
    part = planned["table3_perplexity--llama-230k--0"]
    assert part["part"] == {"models": ["llama-230k"], "seeds": [0]} and part["after"] == []


def test_later_tables_wait_for_the_one_whose_cells_they_share(planned):
    for name, job in planned.items():
        if name.startswith("table5_without_bias--"):
            assert job["after"] == ["table3_perplexity"]


def test_other_notebooks_are_one_job_and_the_scorecard_is_last(planned):
    assert planned["problem"]["part"] is None and planned["problem"]["after"] == []
    others = ["problem", "table3_perplexity", "table5_without_bias"]
    assert sorted(planned["scorecard"]["after"]) == others


def test_an_unknown_notebook_or_job_is_named_with_the_nearest(tmp_path):
    with pytest.raises(StadeError, match="unknown notebook 'problm': did you mean 'problem'"):
        jobs.plan("embedded", ["problm"])
    folder = jobs.folder_of("smoke", tmp_path)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text('{"problem": {}}')
    with pytest.raises(StadeError, match="unknown job 'problm': did you mean 'problem'"):
        jobs.run("smoke", "problm", tmp_path)


def test_a_larger_model_needs_more_memory_and_time_and_a_gpu_where_the_page_has_one():
    on_gpu = {"device": "cuda", "dtype": "float16"}
    small = resources.needed(VALUES | on_gpu | {"models": ["meta-llama/Llama-3.2-1B"]})
    large = resources.needed(VALUES | on_gpu | {"models": ["meta-llama/Llama-2-13b-hf"]})
    assert small["gpu"] == large["gpu"] == 1
    assert large["mem_mb"] > 26_000 > small["mem_mb"] > 2_500
    assert large["runtime"] > small["runtime"]
    here = resources.needed(
        VALUES | {"device": "cpu", "dtype": "float32", "models": ["llama-230k"]}
    )
    assert here["gpu"] == 0 and here["mem_mb"] < small["mem_mb"]


def test_a_page_that_finds_all_records_still_loads_its_largest_model():
    planned = jobs.plan("paper", ["table3_perplexity", "table4_zero_shot"])
    parts = [job["resources"] for job in planned.values() if job["part"]]
    page, asked = (planned[name]["resources"] for name in ("table3_perplexity", "table4_zero_shot"))
    assert 26_000 < page["mem_mb"] < max(part["mem_mb"] for part in parts)
    assert resources.BASE["runtime"] < page["runtime"] < max(part["runtime"] for part in parts)
    # Table 4 has no parts: it prunes and questions its nine models in one job.
    assert asked["mem_mb"] > 13_000 and asked["runtime"] > 600


def test_models_that_follow_each_other_take_the_memory_of_one_and_the_time_of_all():
    given = VALUES | {"device": "cuda", "dtype": "float16"}
    names = ["meta-llama/Llama-3.2-1B", "meta-llama/Llama-2-13b-hf"]
    one, other = (resources.needed(given | {"models": [name]}) for name in names)
    both = resources.needed(given | {"models": names})
    assert both["mem_mb"] == max(one["mem_mb"], other["mem_mb"])
    extra = [each["runtime"] - resources.BASE["runtime"] for each in (one, other, both)]
    assert abs(extra[2] - extra[0] - extra[1]) <= 1


def test_table_2_has_a_cell_for_each_layer_type_metric_and_share():
    assert resources.cells({"sparsities": ["0.1", "0.5"]}, types=7) == 2 * 7 * 2 + 1
    assert resources.cells(VALUES, types=7) == 2 * 2 + 1


def test_what_is_not_known_gets_what_any_notebook_needs():
    unknown = VALUES | {"device": "cpu", "dtype": "float32", "models": ["someone/unheard-of"]}
    assert resources.needed(unknown) == resources.needed({"seed": 0}) == resources.BASE


def test_the_report_has_every_finished_job_in_order(tmp_path):
    folder = jobs.folder_of("smoke", tmp_path) / "done"
    folder.mkdir(parents=True)
    for name, started in (("b", "2026-01-01T00:00:02"), ("a", "2026-01-01T00:00:09")):
        note = {"job": name, "host": "n1", "scheduler": "7", "started": started, "seconds": 1.5}
        (folder / f"{name}.json").write_text(json.dumps(note))
    assert [note["job"] for note in jobs.report("smoke", tmp_path)] == ["b", "a"]
    lines = (folder.parent / "report.csv").read_text().splitlines()
    assert lines[0] == "job,host,scheduler,started,seconds" and lines[1].startswith("b,n1,7,")


def test_a_value_that_a_notebook_would_refuse_ends_the_plan(monkeypatch, capsys):
    for given, said in (
        ({"dtype": "flaot16"}, "dtype = 'flaot16' of table3_perplexity.ipynb: .*'float16'"),
        ({"windows": "many"}, "windows = 'many' of table3_perplexity.ipynb: expected a whole"),
        ({"seeds": [date(2026, 1, 1)]}, "seeds = .*2026.* of table3_perplexity.ipynb: expected"),
    ):
        run = {"profile": "smoke", "offline": True, "parameters": given}
        monkeypatch.setattr(profiles, "load", lambda *_, run=run: {"table3_perplexity": run})
        assert jobs.main(["plan", "smoke"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(f"jobs: profile smoke: parameter {said}", line), line


def test_values_count_as_the_notebook_reads_them(monkeypatch):
    given = {"models": "llama-230k, opt-340k", "seeds": "0,1"}
    run = {"profile": "smoke", "offline": True, "parameters": given}
    monkeypatch.setattr(profiles, "load", lambda *_: {"table3_perplexity": run})
    assert list(jobs.plan("smoke"))[:2] == [
        "table3_perplexity--llama-230k--0",
        "table3_perplexity--llama-230k--1",
    ]


@pytest.mark.parametrize("content", [None, "", '{"problem": {"notebook"', "[]", '{"problem": {}}'])
def test_without_a_whole_plan_there_is_the_command_that_writes_one(tmp_path, content):
    folder = jobs.folder_of("smoke", tmp_path)
    with pytest.raises(StadeError, match=r"no folder .*`python -m workflow.jobs plan smoke` wr"):
        jobs.report("smoke", tmp_path)
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "plan.json").write_text(content)
    with pytest.raises(StadeError, match=r"plan.json' .*`python -m workflow.jobs plan smoke` wr"):
        jobs.run("smoke", "problem", tmp_path)


@pytest.mark.parametrize("content", ["", '{"job": "a"', "[]", "{}"])
def test_a_note_that_is_not_whole_is_named(tmp_path, content):
    folder = jobs.folder_of("smoke", tmp_path) / "done"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(content)
    with pytest.raises(StadeError, match=r"a.json' is missing or damaged: remove it, and"):
        jobs.report("smoke", tmp_path)


@needs_snakemake
def test_snakemake_runs_each_job_once_in_order_and_a_killed_one_again(tmp_path):
    needs = {"mem_mb": 10, "runtime": 1, "gpu": 0}
    after = {"problem": [], "table--m--0": [], "table--m--1": []}
    after["table"] = ["table--m--0", "table--m--1"]
    plan = {
        name: {"notebook": name.partition("--")[0], "after": before, "resources": needs}
        for name, before in after.items()
    }
    stage(tmp_path, plan, dying="table--m--0")
    line = command("local", "--cores 1")
    environment = os.environ | {"HOME": str(tmp_path)}
    for _ in range(2):  # the second time nothing is left to do
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    ran = (tmp_path / "ran").read_text().split()
    assert sorted(ran) == sorted([*after, "table--m--0"]) and ran[-1] in ("table", "problem")
    assert ran.index("table") > ran.index("table--m--1")
