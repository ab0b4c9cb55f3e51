"""A bias of medians on other texts: what is kept, and the rule on made-up cells."""

import json
import math

import pandas
import pytest

from stade_book.studies import helpful, measured, medians
from stade_nb.engine import records
from workflow import medians as workflow_medians

TEXTS = ("C4", "WikiText", "documentation")


def cell(method, pattern, calibration, level, pruning=1.0):
    losses = {text: [math.log(level)] * 3 for text in TEXTS}
    about = {"method": method, "pattern": pattern, "calibration": calibration}
    return about | {"losses": losses, "pruning": pruning}


def kept(folder, cells, model="one"):
    records.write(
        folder, {"study": medians.STUDY, "model": model}, {"model": model, "cells": cells}
    )


def grid(stade):
    rows = [
        ("stade", pattern, calibration, evaluation, 0, stade)
        for pattern in medians.PATTERNS
        for calibration in TEXTS
        for evaluation in TEXTS
    ]
    columns = ["method", "pattern", "calibration", "evaluation", "seed", "perplexity"]
    return pandas.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(("level", "stade", "lower"), [(90.0, 95.0, 11), (97.0, 95.0, 0)])
def test_success_is_below_wanda_and_stade_in_four_cells_of_five(tmp_path, level, stade, lower):
    cells = [
        cell(method, pattern, text, value, seconds)
        for pattern in medians.PATTERNS
        for text in TEXTS
        for method, value, seconds in (
            (medians.PLAIN, 100.0, 1.0),
            (medians.CANDIDATE, level, 0.5),
        )
    ]
    kept(tmp_path, cells)
    (row,) = medians.outcome({"one": grid(stade), "other": grid(stade)}, tmp_path).itertuples()
    assert (row.model, row.lower, row.cells, row.success) == ("one", lower, 11, lower == 11)
    assert row.median == pytest.approx(level / 95 - 1) and row.than_wanda == 11
    assert row.times == 1.5
    # As good, but in twice Wanda's time or more: no success.
    kept(tmp_path, [one | {"pruning": 1.0} for one in cells], model="slow")
    slow = medians.outcome({"slow": grid(stade)}, tmp_path)
    assert (slow["times"].item(), slow["lower"].item(), slow["success"].item()) == (2, lower, False)
    # Without STADE there is no cell, and without a record no model.
    assert medians.outcome({"one": grid(stade).iloc[:0]}, tmp_path)["cells"].tolist() == [0]
    empty = medians.outcome({"other": grid(stade)}, tmp_path)
    assert empty.empty and list(empty) == [
        *("model", *helpful.COLUMNS, "than_wanda", "times"),
    ]


def test_wanda_on_two_machines_is_held_side_by_side(tmp_path):
    kept(
        tmp_path, [cell(medians.PLAIN, "2:4", "C4", 110.0), cell(medians.PLAIN, "0.5", "C4", 98.0)]
    )
    wanda = grid(100.0).assign(method=medians.PLAIN)
    assert medians.apart({"one": wanda, "other": wanda}, tmp_path) == pytest.approx(0.1)
    assert math.isnan(medians.apart({"other": wanda}, tmp_path))


def test_time_is_wandas_and_the_biass_over_wandas(tmp_path):
    plain = [cell(medians.PLAIN, "2:4", "C4", 1.5, 40.0), cell(medians.PLAIN, "0.5", "C4", 1.5, 60)]
    cells = [*plain, cell(medians.CANDIDATE, "2:4", "C4", 1.5, 10.0)]
    kept(tmp_path, cells)
    (row,) = medians.times(["one", "none such"], tmp_path).itertuples()
    assert (row.wanda, row.bias, row.times) == (40.0, 10.0, 1.25)


def test_a_run_keeps_each_model_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(workflow_medians, "WINDOWS", 2)
    monkeypatch.setattr(workflow_medians, "LENGTH", 32)
    monkeypatch.setattr(workflow_medians, "EVALUATIONS", {"documentation": "embedded"})
    monkeypatch.setattr(medians, "CALIBRATIONS", ("documentation",))
    path = workflow_medians.measure("llama-230k", tmp_path, "auto")
    found = medians.recorded("llama-230k", tmp_path)
    assert found["method"].tolist() == [medians.PLAIN, medians.CANDIDATE] * 2
    assert found["perplexity"].nunique() == 4
    content = json.loads(path.read_text())
    assert {cell["pattern"] for cell in content["result"]["cells"]} == set(medians.PATTERNS)
    plain = content["result"]["cells"][0]["losses"]
    del content["result"]["cells"][-1]  # a run that ended between the two
    records.write(tmp_path, content["fields"], content["result"])
    assert workflow_medians.measure("llama-230k", tmp_path) == path
    again = measured.of(medians.STUDY, "llama-230k", "", tmp_path)["cells"]
    assert len(again) == 4 and again[0]["losses"] == plain
