"""What the paper's tables take: its cells are those it prints, and sums are sums."""

from types import SimpleNamespace

import pytest

from stade_book.claims import paper, verdicts
from stade_book.pages.tables import scale
from stade_book.studies import shipped
from stade_nb.engine import arithmetic
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.models import PAPERS_MODELS
from stade_nb.models.shapes import empty

P = SimpleNamespace(
    windows=128,
    window_length=2048,
    seeds=[0],
    tokens_per_request=100,
    teraflops=989,
    teraflops_float64=67,
    share=0.4,
)


@pytest.mark.parametrize("number", scale.TABLES)
def test_the_cells_of_a_table_are_as_many_as_it_prints(number):
    asked = [scale.cells(number, model) for model in PAPERS_MODELS]
    assert sum(map(len, asked)) == len(paper.table(number))
    assert all(len(set(each)) == len(each) for each in asked)


def test_table_2_is_of_llama_7b_one_layer_type_at_a_time():
    asked = scale.cells(2, "llama-7b")
    assert len(asked) == 126 and Cell("std", "0.3", "self_attn.v_proj") in asked
    assert scale.cells(2, "llama-2-7b") == []


def test_only_cells_that_read_data_are_there_for_each_seed():
    asked = scale.cells(3, "llama-7b", (3, 4))
    assert [cell.seed for cell in asked if cell.method.name == "stade"].count(4) == 3
    assert len(asked) == 1 + 3 + 2 * 6  # dense, magnitude, and two methods that calibrate


def test_hours_are_operations_over_the_rate_that_is_reached():
    found = scale.work(P).set_index(["table", "model"])
    row = found.loc[(3, "LLaMA 7B")]
    assert row["hours"] == pytest.approx(row["operations"] / (0.4 * 989e12) / 3600)
    assert row["gram"] == 0
    # In Table 6 SparseGPT's cross products in float64 take a larger share of the time than of work.
    six = found.loc[(6, "Llama 3.2 1B")]
    assert six["hours"] > six["operations"] / (0.4 * 989e12) / 3600
    assert 0 < six["gram"] < 1
    assert found.loc[(2, "LLaMA 7B"), "weights"] == 2 * 6_738_415_616


def test_table_4_evaluates_on_its_questions():
    how = scale.setting(4, "opt-125m", P)
    assert (how.evaluation.count, how.evaluation.length) == (65_988, 100)
    found = scale.work(P).set_index(["table", "model"]).loc[(4, "OPT 125M")]
    assert found["hidden"] == 128 * 2048 * 768 * 2
    assert found["device"] == found["hidden"] + 2 * 125_239_296
    shorter = scale.setting(3, "opt-125m", SimpleNamespace(**vars(P) | {"window_length": 1024}))
    assert (shorter.evaluation.count, shorter.evaluation.length) == (280, 1024)


def test_totals_add_up_over_the_models_of_a_table():
    found = scale.work(P)
    together = scale.totals(found).set_index("table")
    for number, rows in found.groupby("table"):
        assert together.loc[number, "cells"] == rows["cells"].sum()
        assert together.loc[number, "hours"] == pytest.approx(rows["hours"].sum())
        assert together.loc[number, "device"] == rows["device"].max()


def row(cell, seconds, threads=1):
    text = {"source": "text", "windows": 4, "length": 64}
    return {
        **{"method": cell.method.name, "pattern": cell.pattern_name, "scope": "row", "seed": 0},
        **{
            "layers": "all",
            "device": "cpu",
            "seconds": dict.fromkeys(["prune", "evaluate"], seconds / 2),
        },
        **{"calibration_corpus": text, "evaluation_corpus": text, "computed": {"threads": threads}},
    }


def test_seconds_are_compared_at_the_median_rate_of_the_same_threads(monkeypatch):
    cell = Cell("wanda", "2:4")
    rows = [row(cell, s) for s in (10, 10, 19, 21, 0)] + [row(cell, 100, threads=2)]
    rows.append(row(cell, 1) | {"device": "cuda"})  # many processes shared the GPU
    monkeypatch.setattr(shipped, "computed", lambda model: rows)
    found = scale.measured(["smollm2-135m"])
    windows = Windows("text", 4, 64)
    asked = arithmetic.operations(empty("smollm2-135m"), [cell], Setting(windows, windows, None))
    assert set(found["operations"]) == {asked.total} and set(found["tokens"]) == {512}
    # The one of no seconds is left out; of 10, 10, 19 and 21 the median rate is between.
    assert len(found) == 5
    rate = asked.total * (1 / 10 + 1 / 19) / 2
    assert found["rate"].tolist()[:4] == pytest.approx([rate] * 4)
    assert found["ratio"].tolist()[:4] == pytest.approx(
        [s * rate / asked.total for s in (10, 10, 19, 21)]
    )
    assert found["ratio"].iloc[4] == 1
    assert found["verdict"].tolist() == [verdicts.SUPPORTED] * 5


@pytest.mark.parametrize("seconds", [4.9, 20.5])
def test_more_than_twice_or_less_than_half_contradicts(monkeypatch, seconds):
    cell = Cell("wanda", "2:4")
    rows = [row(cell, s) for s in (10, 10, 10, seconds)]
    monkeypatch.setattr(shipped, "computed", lambda model: rows)
    words = scale.measured(["smollm2-135m"])["verdict"].tolist()
    assert words == [verdicts.SUPPORTED] * 3 + [verdicts.CONTRADICTED]
