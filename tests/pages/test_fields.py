"""What the notebooks say to methods that they do not show."""

import pytest

from stade_book.pages.fields import MethodName, Parameters, Several
from stade_book.pages.notebooks import NOTEBOOKS
from stade_book.pages.parameters import checked
from stade_nb.errors import StadeError


class Chosen(Parameters):
    methods: Several[MethodName]


@pytest.fixture(autouse=True)
def small_notebook(monkeypatch):
    monkeypatch.setitem(NOTEBOOKS, "small", Chosen)


@pytest.mark.parametrize("name", ["ria", "nowag_with_bias"])
def test_a_method_beyond_the_paper_is_said_to_be_one(name):
    with pytest.raises(StadeError) as caught:
        checked({"methods": ["wanda", name]}, "small")
    said = str(caught.value)
    assert f"unknown value {name!r}: a method beyond the paper" in said and len(said) < 220
    assert "python -m stade_nb" in said and "newer_methods" in said and "did you mean" not in said


def test_the_list_of_methods_is_given_once():
    with pytest.raises(StadeError, match="did you mean 'wanda'") as caught:
        checked({"methods": ["wnda"]}, "small")
    assert str(caught.value).count("sparsegpt_without_update") == 1
