"""Examples in docstrings are run."""

import doctest
import importlib
from pathlib import Path

import pytest

import stade_nb

FOLDER = Path(stade_nb.__file__).parent
WITH_EXAMPLES = sorted(
    path.stem for path in FOLDER.glob("*.py") if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"stade_nb.{name}"))
    assert result.attempted and not result.failed
