"""What `pip install .` installs works from any folder, and writes nothing beside itself."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from stade_book.claims import paper
from stade_nb import paths
from stade_nb.corpus import questions
from workflow import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("stade_nb", "stade_book")
SOURCES = (*PACKAGES, "data", "pyproject.toml", "setup.py", "README.md", "LICENSE")
TEXTS = {"STADE_CORPUS": str(paths.CORPUS)}  # which need not be built once more
WINDOWS = ["--window-length", "32", "--evaluation-windows", "4", "--quiet"]
MADE = ("corpus", "results")  # in data/
# Which folders a process that runs elsewhere knows, and what it makes of them.
QUESTIONS = """\
import json
from stade_nb import paths
from stade_nb.corpus import questions
from stade_nb.evaluation import tasks
from stade_book.pages import provenance
loaded = tasks.load("embedded_rte", None, 2)
facts = {
    "module": paths.__file__, "home": str(paths.HOME), "checkout": paths.CHECKOUT,
    "hash": questions.sha256("embedded_rte"), "loaded": len(loaded),
    "commit": provenance.commit(), "results": str(paths.results("results")),
}
print(json.dumps(facts))
"""
TEXT = """\
from stade_nb.corpus import documents
documents.PACKAGES = {"evaluation": ("tqdm",)}  # seconds instead of a minute
documents.part("evaluation")
"""
TABLE = """\
from stade_book.claims import paper
print(paper.table(3).to_csv(index=False), end="")
"""
RECORD = """\
from stade_nb.corpus import documents
documents.describe = lambda name: {}
documents.record()
"""


def run(command: list, **options) -> subprocess.CompletedProcess:
    """Run a command and keep what it prints; show that where it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def pip(*arguments) -> None:
    """pip, asking no index."""
    run([sys.executable, "-m", "pip", *arguments, "--no-index", "--no-deps", "--quiet"])


def made_by_a_run(folder: str, names: list[str]) -> set[str]:
    """What is not to be copied of a folder of the checkout."""
    return {"__pycache__", *(MADE if Path(folder) == ROOT / "data" else ())}.intersection(names)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel made of a copy of the sources, in which a run has left its files."""
    folder, made = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=made_by_a_run)
        else:
            shutil.copy(source, folder)
    for name in ("data/corpus/evaluation.txt", "data/results/record.json", "build/lib/old.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("made by a run")
    before = set((folder / "build").rglob("*"))
    pip("wheel", folder, "--no-build-isolation", "-w", made)
    assert set((folder / "build").rglob("*")) == before
    (found,) = made.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """Run Python in an environment with the wheel, in a folder of its own."""
    place = tmp_path_factory.mktemp("elsewhere")
    run([sys.executable, "-m", "venv", "--without-pip", place / "venv"])
    python = place / "venv" / "bin" / "python"
    (packages,) = (place / "venv").glob("lib/python*/site-packages")
    present = sysconfig.get_paths()
    (packages / "present.pth").write_text(f"{present['purelib']}\n{present['platlib']}\n")
    pip("--python", python, "install", wheel)
    (place / "home").mkdir()
    (place / "folder").mkdir()
    unset = ("PYTHONPATH", "STADE_NB_HOME", "STADE_CORPUS", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}

    def start(*words, **variables) -> str:
        return run([python, *words], cwd=place / "folder", env=environment | variables).stdout

    start.place, start.packages = place, packages
    before = state(packages)
    yield start
    assert state(packages) == before, "something was written beside the installed package"


def state(folder: Path) -> dict[Path, int]:
    """The files below a folder, compiled ones apart, and when they were written."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }


def test_the_wheel_has_every_module_and_the_data_but_nothing_that_a_run_made(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    modules = {str(path.relative_to(ROOT)) for path in found}
    assert modules == {name for name in names if name.endswith(".py")}
    files = (path.relative_to(ROOT / "data") for path in (ROOT / "data").rglob("*.*"))
    data = {f"stade_nb/_data/{path}" for path in files if path.parts[0] not in MADE}
    assert data == {name for name in names if "/_data/" in name}


def test_prunes_and_evaluates_an_embedded_model_by_the_command_line(elsewhere):
    options = ["--evaluation", "embedded", *WINDOWS]
    prune = ["--model", "llama-230k", "--prune-method", "stade", "--sparsity-type", "2:4"]
    prune += ["--windows", "4", "--save", "pruned"]
    elsewhere("-m", "stade_nb", "prune", *prune, *options, **TEXTS)
    evaluate = ["--model", "pruned", "--out", "again.json"]
    elsewhere("-m", "stade_nb", "evaluate", *evaluate, *options, **TEXTS)
    pruned, again = (
        json.loads((elsewhere.place / "folder" / name).read_text())["perplexity"]
        for name in ("pruned/pruning.json", "again.json")
    )
    assert 1 < pruned == pytest.approx(again, rel=1e-6)


def test_reads_a_printed_table(elsewhere):
    assert elsewhere("-c", TABLE) == paper.table(3).to_csv(index=False)


def test_builds_the_embedded_questions_and_texts_in_the_users_cache(elsewhere):
    facts = json.loads(elsewhere("-c", QUESTIONS, **TEXTS).splitlines()[-1])
    assert Path(facts["module"]).parent == elsewhere.packages / "stade_nb"
    assert facts["checkout"] is None and "installed as a package" in facts["commit"]
    assert facts["loaded"] == 1 and facts["hash"] == questions.sha256("embedded_rte")
    home = Path(facts["home"])
    assert home.is_relative_to(elsewhere.place / "home")
    assert (home / "tasks" / "embedded_rte").is_dir()
    elsewhere("-c", TEXT)
    assert (home / "corpus" / "evaluation.txt").stat().st_size > 1000
    assert Path(facts["results"]) == elsewhere.place / "folder" / "results"


def test_folders_can_be_named(elsewhere, tmp_path):
    ask = "from stade_nb import paths; print(paths.HOME, paths.CORPUS)"
    given = {"STADE_NB_HOME": str(tmp_path)}
    assert elsewhere("-c", ask, **given).split() == [str(tmp_path), str(tmp_path / "corpus")]
    given["STADE_CORPUS"] = str(tmp_path / "texts")
    assert elsewhere("-c", ask, **given).split() == [str(tmp_path), str(tmp_path / "texts")]


def test_a_maintainers_step_is_refused(elsewhere):
    refused = RECORD.replace("documents.record()", "try:\n    documents.record()")
    refused += "except ValueError as error:\n    print(error)\n"
    assert elsewhere("-c", refused) == (
        "'corpus.json' of an installed package is not to be written: run this step in a checkout "
        "of the project\n"
    )
