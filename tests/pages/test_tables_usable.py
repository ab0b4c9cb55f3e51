"""Small shares of weights: how far a curve is from the dense model, what is read off it, costs."""

import math

import pandas
import pytest

from stade_book.pages import parameters
from stade_book.pages.tables import perplexity, usable
from stade_book.studies import measured, owl
from stade_nb.engine import records
from stade_nb.engine.cell import DENSE
from workflow.profiles import NOTEBOOKS, defaults


def curve(*cells, model="one", method="wanda"):
    """Rows of `usable.curves`: (share, perplexity over dense)."""
    rows = [(model, method, share, relative) for share, relative in cells]
    return pandas.DataFrame(rows, columns=["model", "method", "pattern", "relative"])


def test_the_room_is_read_off_lines_of_log_perplexity_from_the_dense_model_on():
    drawn = curve(("0.2", 1.1), ("0.4", 1.1**3))
    (row,) = usable.room(drawn, (1.05 - 1, 0.1, 1.1**2 - 1, 0.5)).itertuples(index=False)
    model, method, last, first, second, third, never = row
    assert (model, method, last) == ("one", "wanda", 0.4)
    assert first == pytest.approx(0.2 * math.log(1.05) / math.log(1.1))
    assert second == pytest.approx(0.2) and third == pytest.approx(0.3) and never == math.inf


def test_a_line_that_falls_below_the_dense_model_and_crosses_twice_counts_the_first_time():
    drawn = curve(("0.1", 0.98), ("0.2", 1.2), ("0.3", 1.05), ("0.5", 2.0))
    found = usable.room(drawn, (0.1,))[0.1].item()
    level, low, high = (math.log(x) for x in (1.1, 0.98, 1.2))
    assert found == pytest.approx(0.1 + 0.1 * (level - low) / (high - low))


def test_the_page_says_where_more_may_go_than_was_run():
    drawn = pandas.concat([
        curve(("0.4", 1.02), ("0.5", 1.21)), curve(("0.4", 1.01), ("0.5", 1.05), method="stade"),
        curve(("0.1", 1.21), model="two"),
    ])  # fmt: skip
    found = usable.room(drawn)
    table = usable.shown(found).set_index(["model", "method"])
    assert table.loc[("one", "STADE"), "+10 %"] == "more than 50 %"
    assert table.loc[("two", "Wanda"), "+10 %"] == "5 %"
    assert usable.said(found) == "one: STADE more than 50 %, Wanda 44 %; two: Wanda 5 %"
    assert usable.said(found.iloc[:0]) == "not run here"


def test_wanda_is_run_with_whatever_is_asked_for(monkeypatch):
    given = defaults(NOTEBOOKS / "usable.ipynb")
    given |= {"models": ["llama-230k"], "patterns": ["0.1", "0.5"], "methods": ["stade"]}
    asked = []
    monkeypatch.setattr(perplexity, "run", lambda p, cells: asked.extend(cells))
    usable.run(parameters.checked(given, "usable"))
    assert asked[0] == DENSE and len(asked) == 5
    assert {cell.method.name for cell in asked[1:]} == {"wanda", "stade"}


def test_curves_reach_from_the_least_share_to_the_half_of_what_was_pruned_less():
    ran = usable.recorded(["smollm2-135m", "gemma-3-270m"])
    drawn = usable.curves(ran)
    assert drawn["model"].iloc[0] == "smollm2-135m"  # in the order asked for
    less = ran[pandas.to_numeric(ran["pattern"], errors="coerce") < 0.5]  # neither N:M nor dense
    pairs = set(less[["model", "method"]].itertuples(index=False, name=None))
    assert set(drawn[["model", "method"]].itertuples(index=False, name=None)) == pairs
    for _, rows in drawn.groupby(["model", "method"]):
        assert rows["pattern"].iloc[-1] == "0.5" and rows["pattern"].is_unique
    wanda = drawn.query("method == 'wanda' and model == 'smollm2-135m'")
    assert len(wanda) >= 10 and (wanda["relative"] > 0.99).all()
    assert usable.curves(ran[ran["pattern"] == "0.5"]).empty  # nothing less was pruned
    assert usable.curves(usable.recorded(["llama-230k"])).empty


def test_the_cost_is_held_against_wandas_cell_of_the_same_pattern_and_seed():
    def row(method, seconds, pattern="0.5", processor="a"):
        made = {"processor": processor, "threads": 1}
        return {"model": "one", "method": method, "pattern": pattern, "seed": 0, "computed": made,
                "seconds": {"prune": seconds},
                "calibration_corpus": {"windows": 3, "length": 64}}  # fmt: skip

    rows = [row("wanda", 2.0), row("wanda", 4.0, "2:4"), row("stade", 6.0, "2:4"),
            row("stade", 600.0, processor="b"), row("magnitude", 0.0), row("dense", 0.0),
            row("std", 5.0, "4:8")]  # fmt: skip
    found = usable.cost(pandas.DataFrame(rows)).set_index("method")
    assert found["seconds"].to_dict() == {"wanda": "2.0 to 4.0", "stade": "6.0", "std": "5.0"}
    assert found["times"]["wanda"] == 1.0 and found["times"]["stade"] == 1.5
    assert math.isnan(found["times"]["std"])  # Wanda was not run so
    assert found["cells"].to_dict() == {"wanda": 2, "stade": 1, "std": 1}
    assert set(found["where"]) == {"a, threads: 1, 3 × 64 tokens"}


def test_the_study_of_allocation_is_read_as_it_was_written(tmp_path, monkeypatch):
    cells = [
        {"method": "wanda", "pattern": "0.7", "allocation": allocation, "losses": losses}
        for allocation, losses in (("uniform", [4.0, 5.0, 4.5]), ("owl", [3.9, 4.9, 4.41]))
    ]
    records.write(tmp_path, {"study": owl.STUDY}, {"model": "m", "cells": cells})
    monkeypatch.setattr(measured.cells, "__defaults__", (tmp_path,))
    rows = usable.allocation(["m", "other"])
    assert rows["allocation"].tolist() == ["uniform", "owl"] and set(rows["model"]) == {"m"}
    (found,) = owl.gains(rows).itertuples()
    assert found.owl < found.uniform and found.verdict == "supported"
    assert usable.allocation(["other"]).empty
