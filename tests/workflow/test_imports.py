"""The rooms of both packages import each other downwards only, and a step upwards is caught."""

import os
import shutil
import subprocess
import sys

import grimp
import pytest

from workflow import ROOT

PACKAGES = ("stade_nb", "stade_book")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder):
    """What lint-imports says of the packages in a folder, and how it ends."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def test_every_contract_is_kept():
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout
    assert "0 broken" in found.stdout


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("stade_nb.numerics.a", "import numpy", "numerics is not allowed to import numpy"),
        ("stade_nb.numerics.a", "from stade_nb.models import loading", "not allowed to import"),
        ("stade_nb.evaluation.a", "from stade_nb.engine import cell", "not allowed to import"),
        ("stade_nb.beyond.a", "from stade_nb.engine import cell", "not allowed to import"),
        ("stade_nb.cli.a", "from stade_book.claims import paper", "not allowed to import"),
        ("stade_nb.engine.a", "import matplotlib", "stade_nb is not allowed to import matplotlib"),
        (
            "stade_book.claims.a",
            "from matplotlib import pyplot",
            "not allowed to import matplotlib",
        ),
        ("stade_book.theory.a", "from stade_book.pages import html", "not allowed to import"),
        ("stade_book.pages.a", "from workflow import ROOT", "not allowed to import workflow"),
    ],
)
def test_a_forbidden_import_is_named(tmp_path, module, line, said):
    ignore = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / f"{module.replace('.', '/')}.py").write_text(f"{line}\n")
    found = lint(tmp_path)
    assert found.returncode == 1
    assert said in found.stdout and module in found.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_the_readme_has_a_line_for_each_room(package):
    tree = (ROOT / "README.md").read_text("utf-8").split(f"\n{package}/")[1].split("\n```")[0]
    rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    named = {line.split()[0] for line in tree.splitlines() if line.startswith("  ")}
    assert {f"{room}/" for room in rooms} <= named


def test_the_numerics_import_torch_and_the_standard_library_alone():
    graph = grimp.build_graph("stade_nb", include_external_packages=True, cache_dir=None)
    room = graph.find_descendants("stade_nb.numerics")
    imported = {name for module in room for name in graph.find_modules_directly_imported_by(module)}
    others = imported - room - {"stade_nb.numerics", "stade_nb.errors"}
    assert {"torch"} <= others <= {"torch", *sys.stdlib_module_names}
