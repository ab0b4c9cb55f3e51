"""The study of OWL: interrupted, it goes on with the next cell, and comes to the same record."""

import json

import pytest

from stade_nb.engine import records
from stade_nb.errors import StadeError
from workflow import growing, owl

TEXTS = ("embedded", "embedded")
WHEN = ("seconds", "computed")


class Killed(BaseException):
    """What no handler of errors catches."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in {"WINDOWS": 4, "EVALUATED": 3, "LENGTH": 32}.items():
        monkeypatch.setattr(growing, name, value)
    monkeypatch.setattr(owl, "SPARSITIES", (0.5,))


def cells(path):
    every = json.loads(path.read_text())["result"]["cells"]
    return [{name: cell[name] for name in cell if name not in WHEN} for cell in every]


def test_a_killed_run_goes_on_with_the_next_cell(tmp_path, monkeypatch):
    whole = owl.measure("llama-230k", TEXTS, tmp_path / "whole")
    prune, seen = owl.pruning.prune_model, []

    def third(*what, **how):
        seen.append(what)
        if len(seen) == 3:
            raise Killed
        return prune(*what, **how)

    monkeypatch.setattr(owl.pruning, "prune_model", third)
    with pytest.raises(Killed):
        owl.measure("llama-230k", TEXTS, tmp_path / "cut")
    found = owl.measure("llama-230k", TEXTS, tmp_path / "cut")
    assert cells(found) == cells(whole) and len(cells(whole)) == 6
    # The third is the only one that was begun twice; what is complete is not computed again.
    assert len(seen) == 7
    assert owl.measure("llama-230k", TEXTS, tmp_path / "cut") == found and len(seen) == 7


def test_a_cell_says_when_it_was_computed_and_an_older_one_keeps_its_day(tmp_path):
    path = owl.measure("llama-230k", TEXTS, tmp_path)
    content = records.checked(path)
    *rest, last = content["result"]["cells"]
    for cell in rest:
        del cell["computed"], cell["versions"]
    content["result"] |= {"cells": rest, "versions": {"torch": "2.0"}}
    content["result"]["computed"]["date"] = "2026-01-02"
    records.write(tmp_path, content["fields"], content["result"])
    owl.measure("llama-230k", TEXTS, tmp_path)
    *before, after = records.checked(path)["result"]["cells"]
    assert {cell["computed"]["date"] for cell in before} == {"2026-01-02"}
    assert [cell["versions"] for cell in before] == [{"torch": "2.0"}] * len(rest)
    assert after["computed"]["date"] != "2026-01-02" and after["versions"] == last["versions"]


def test_a_text_that_is_missing_is_refused(tmp_path):
    with pytest.raises(StadeError, match=r"nowhere\.txt"):
        owl.measure("llama-230k", ("nowhere.txt", "embedded"), tmp_path)
