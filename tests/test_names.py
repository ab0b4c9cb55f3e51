"""A module's tests are where its name leads: `engine/sweep.py` to `tests/engine/test_sweep.py`."""

import re
from collections import Counter
from pathlib import Path

from workflow import ROOT

TESTS, PACKAGES = ROOT / "tests", (ROOT / "stade_nb", ROOT / "stade_book")
# What no one module does: a machine, a hub, and what is shipped.
SCENARIOS = {
    "engine/test_cuda.py",
    "models/test_hub.py",
    "models/test_model_names.py",
    "models/test_real_models.py",
    "beyond/test_symwanda_and_stade.py",
    "training/test_embedded_models.py",
}


def names_of(module: Path) -> set[str]:
    """The test files that a module may have; the folder's name in front where two share one."""
    room = module.relative_to(ROOT).parts[1]
    return {f"{room}/test_{module.stem}.py", f"{room}/test_{module.parent.name}_{module.stem}.py"}


def test_every_test_file_of_a_room_has_the_name_of_a_module_there():
    rooms = {path.parent.name for package in PACKAGES for path in package.glob("*/__init__.py")}
    there = {
        path.relative_to(TESTS).as_posix() for room in rooms for path in TESTS.glob(f"{room}/*.py")
    }
    modules = (module for package in PACKAGES for module in package.glob("*/**/*.py"))
    known = {name for module in modules for name in names_of(module)}
    assert there - known == SCENARIOS


def test_no_two_test_files_have_one_name():
    """Without packages pytest tells them apart by it alone."""
    counted = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in counted.items() if count > 1] == []


def test_no_test_file_imports_another():
    imports = re.compile(r"^\s*(?:from|import) test_\w+", re.M)
    found = {path.name: imports.findall(path.read_text("utf-8")) for path in TESTS.rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}
