"""The manifests and settings for Kubernetes, and what its own schemas have against an object."""

import subprocess
from pathlib import Path

import pytest
import yaml
from cluster_stage import SNAKEMAKE

from workflow import ROOT

MANIFESTS = sorted((ROOT / "workflow" / "kubernetes").glob("*.yaml"))
SETTINGS = yaml.safe_load((ROOT / "workflow/executors/kubernetes/config.yaml").read_text("utf-8"))
CLAIM, MOUNTED = SETTINGS["kubernetes-shared-persistent-volumes"][0].split(":")
VERSIONS = ("1.29", "1.37")  # the first in which every field is settled, and the newest
_PYTHON = SNAKEMAKE and str(Path(SNAKEMAKE).with_name("python"))


def objects(kind: str | None = None) -> list[dict]:
    """What the manifests describe, all or of one kind."""
    found = [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text("utf-8"))]
    return [one for one in found if kind in (None, one["kind"])]


def refused(one: dict, folder: Path, version: str) -> str:
    """What a version of Kubernetes has against an object, be it an unknown field; "" for none."""
    if _PYTHON is None or subprocess.run([_PYTHON, "-c", "import kubernetes_validate"]).returncode:
        pytest.skip("needs workflow/kubernetes/requirements.txt in Snakemake's environment")
    path = folder / "object.yaml"
    path.write_text(yaml.safe_dump(one))
    words = [_PYTHON, "-m", "kubernetes_validate", "--strict", "-k", version, path]
    asked = subprocess.run(words, capture_output=True, text=True)
    return asked.stdout + asked.stderr if asked.returncode else ""
