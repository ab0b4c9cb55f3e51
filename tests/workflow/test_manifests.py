"""The manifests for Kubernetes: each object by the schema, and all of them name the same things."""

import copy
import subprocess

import pytest
from kubernetes_objects import CLAIM, MANIFESTS, MOUNTED, SETTINGS, VERSIONS, objects, refused

from workflow import ROOT


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_of_kubernetes(tmp_path, version):
    assert {path.name for path in MANIFESTS} == {"base.yaml", "door.yaml", "run.yaml"}
    for one in objects():
        assert not refused(one, tmp_path, version), one


def test_a_field_that_is_misspelt_of_another_type_or_missing_is_refused(tmp_path):
    (job,) = objects("Job")
    assert not refused(job, tmp_path, VERSIONS[-1])
    for name, value in (("imagePullPolice", "Always"), ("image", 3), ("name", None)):
        wrong = copy.deepcopy(job)
        container = wrong["spec"]["template"]["spec"]["containers"][0]
        container.pop(name, None)
        container |= {} if value is None else {name: value}
        assert refused(wrong, tmp_path, VERSIONS[-1]), name


def test_manifests_and_settings_name_the_same_namespace_claim_and_accounts():
    (space,), (claim,) = objects("Namespace"), objects("PersistentVolumeClaim")
    namespace = space["metadata"]["name"]
    assert SETTINGS["kubernetes-shared-namespace"] == namespace
    assert {one["metadata"].get("namespace", namespace) for one in objects()} == {namespace}
    assert claim["metadata"]["name"] == CLAIM and claim["spec"]["accessModes"] == ["ReadWriteMany"]
    accounts = {one["metadata"]["name"]: one for one in objects("ServiceAccount")}
    of_jobs = accounts[SETTINGS["kubernetes-shared-service-account-name"]]
    assert of_jobs["automountServiceAccountToken"] is False
    (binding,), (role,) = objects("RoleBinding"), objects("Role")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    (run,) = objects("Job")
    assert run["spec"]["template"]["spec"]["serviceAccountName"] == subject["name"]
    assert subject["name"] in accounts and subject["namespace"] == namespace


def test_the_pods_of_the_manifests_have_the_image_and_the_folder_of_the_jobs():
    (door,), (run,) = objects("Pod"), objects("Job")
    for pod in (door["spec"], run["spec"]["template"]["spec"]):
        (container,) = pod["containers"]
        assert container["image"] == SETTINGS["container-image"]
        (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
        assert mount == {"name": volume["name"], "mountPath": MOUNTED}
        assert volume["persistentVolumeClaim"]["claimName"] == CLAIM


def test_the_run_starts_the_door_of_the_makefile_in_the_checkout_on_the_volume():
    (run,) = objects("Job")
    (container,) = run["spec"]["template"]["spec"]["containers"]
    assert container["workingDir"].startswith(MOUNTED + "/")
    make, *words = container["command"]
    planned = subprocess.run([make, "-n", *words], cwd=ROOT, capture_output=True, text=True)
    assert planned.returncode == 0
    assert "--workflow-profile workflow/executors/kubernetes" in planned.stdout
