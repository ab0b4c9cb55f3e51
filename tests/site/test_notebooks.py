"""The notebook sources: one `parameters` cell, no stored output but of check cells, short cells."""

from pathlib import Path

import nbformat
import pytest
import yaml

from workflow import ROOT, profiles
from workflow.check_cells import MARK

NOTEBOOKS = sorted(profiles.NOTEBOOKS.glob("*.ipynb"))
MOST_LINES = 15
MOST_PARAMETERS = 25  # a line for each

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@each_notebook
def test_is_valid_and_names_its_kernel(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


@each_notebook
def test_has_one_parameters_cell(notebook):
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert tagged[0] is code_cells(notebook)[0], "nothing is computed before the parameters"


@each_notebook
def test_stores_output_of_check_cells_only(notebook):
    for cell in code_cells(notebook):
        checked = MARK in cell.source.splitlines()
        assert bool(cell.outputs) == checked, cell.source
        # nbval takes a cell without a count as one that never ran.
        assert (cell.execution_count is not None) == checked, cell.source


@each_notebook
def test_cells_are_short(notebook):
    for cell in code_cells(notebook):
        most = MOST_PARAMETERS if "parameters" in cell.metadata.get("tags", []) else MOST_LINES
        assert len(cell.source.splitlines()) <= most, cell.source


@each_notebook
def test_begins_with_its_title_and_its_answer(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    _, box = notebook.cells[0].source.split("\n\n")[:2]
    assert box.startswith(":::{admonition} In short\n") and box.endswith("\n:::")


def test_every_notebook_is_a_chapter():
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    listed = {Path(file).name for file in files if file.startswith("notebooks/")}
    assert listed == {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("profile", sorted(path.stem for path in profiles.PROFILES.glob("*.yaml")))
def test_profile_names_only_what_notebooks_take(profile):
    assert profiles.load(profile).keys() == {path.stem for path in NOTEBOOKS}
