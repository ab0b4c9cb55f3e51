"""A folder with a plan of jobs, where Snakemake can run them as `make cluster` has it done."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workflow import ROOT, jobs

# `make cluster` has it in an environment of its own.
_HERE = ROOT / "build" / "cluster" / "venv" / "bin" / "snakemake"
SNAKEMAKE = (
    os.environ.get("STADE_NB_SNAKEMAKE")
    or shutil.which("snakemake")
    or (str(_HERE) if _HERE.exists() else None)
)
needs_snakemake = pytest.mark.skipif(
    SNAKEMAKE is None, reason="Snakemake is installed by `make cluster`"
)
# In place of the project's python: `-m workflow.jobs run PROFILE NAME`; one dies the first time.
_PYTHON = """\
#!/bin/sh
echo $5 >>ran
if [ $5 = {dying} ] && [ ! -e died ]; then touch died; kill -9 {killed}; fi
mkdir -p build/cluster/$4/done && echo '{{}}' >build/cluster/$4/done/$5.json
"""


def stage(folder: Path, plan: dict, dying: str, killed: str = "$$") -> None:
    """Make `folder` a checkout with a plan of the smoke profile, whose jobs only write their notes.

    dying: the job that is killed the first time that it runs; killed: the process, "0" for all that
    its pod has.
    """
    written = jobs.folder_of("smoke", folder)
    written.mkdir(parents=True)
    (written / "plan.json").write_text(json.dumps(plan))
    (folder / "notebooks").mkdir()
    for job in plan.values():
        (folder / "notebooks" / f"{job['notebook']}.ipynb").touch()
    (folder / "workflow").mkdir()
    shutil.copy(ROOT / "workflow" / "Snakefile", folder / "workflow")
    shutil.copytree(ROOT / "workflow" / "executors", folder / "workflow" / "executors")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(_PYTHON.format(dying=dying, killed=killed))
    python.chmod(0o755)
    (folder / "build" / "cluster" / "venv" / "bin").mkdir(parents=True)
    (folder / "build" / "cluster" / "venv" / "bin" / "snakemake").symlink_to(SNAKEMAKE)


def command(executor: str, words: str) -> str:
    """What `make cluster` says to Snakemake, as one line for the shell in a staged folder."""
    given = [f"EXECUTOR={executor}", "PROFILE=smoke", "VENV=.venv", f"WORDS={words}"]
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    planned = subprocess.run(
        ["make", "-n", "cluster", *given],
        **{"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "check": True},
    ).stdout.replace("\\\n", " ")
    (line,) = (line for line in planned.splitlines() if "bin/snakemake " in line)
    return line
