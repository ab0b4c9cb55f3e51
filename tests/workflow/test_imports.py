"""The rooms of the package import each other downwards only, and a step upwards is caught."""

import os
import shutil
import subprocess
import sys

import grimp
import pytest

from workflow import ROOT

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder):
    """What lint-imports says of the package in a folder, and how it ends."""
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
    ("room", "line", "said"),
    [
        ("numerics", "import numpy", "stade_nb.numerics is not allowed to import numpy"),
        ("numerics", "from stade_nb.models import loading", "numerics is not allowed to import"),
        ("evaluation", "from stade_nb.engine import cell", "evaluation is not allowed to import"),
        ("engine", "from stade_nb.theory import synthetic", "engine is not allowed to import"),
        ("engine", "from stade_nb.studies import methods", "engine is not allowed to import"),
        ("cli", "from stade_nb.claims import paper", "cli is not allowed to import"),
        ("claims", "from matplotlib import pyplot", "claims is not allowed to import matplotlib"),
        ("pages", "from workflow import ROOT", "stade_nb is not allowed to import workflow"),
    ],
)
def test_a_forbidden_import_is_named(tmp_path, room, line, said):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "stade_nb", tmp_path / "stade_nb", ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "stade_nb" / room / "added.py").write_text(f"{line}\n")
    found = lint(tmp_path)
    assert found.returncode == 1
    assert said in found.stdout and f"stade_nb.{room}.added" in found.stdout


def test_the_readme_has_a_line_for_each_room():
    tree = (ROOT / "README.md").read_text("utf-8").split("```\nstade_nb/")[1].split("```")[0]
    rooms = {path.parent.name for path in (ROOT / "stade_nb").glob("*/__init__.py")}
    named = {line.split()[0] for line in tree.splitlines() if line.startswith("  ")}
    assert {f"{room}/" for room in rooms} <= named


def test_the_numerics_import_torch_and_the_standard_library_alone():
    graph = grimp.build_graph("stade_nb", include_external_packages=True, cache_dir=None)
    room = graph.find_descendants("stade_nb.numerics")
    imported = {name for module in room for name in graph.find_modules_directly_imported_by(module)}
    others = imported - room - {"stade_nb.numerics", "stade_nb.errors"}
    assert {"torch"} <= others <= {"torch", *sys.stdlib_module_names}
