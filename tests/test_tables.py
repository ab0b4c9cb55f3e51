"""What a table of perplexities takes and how it is laid out; its figures draw without a warning."""

from types import SimpleNamespace

import pandas
import pytest

from stade_nb import figures, paper, tables, verdicts
from stade_nb.cells import DENSE, Cell

METHODS = ["magnitude", "wanda", "stade"]


@pytest.fixture
def ran():
    """Two models, dense and three methods at two patterns; stade is lowest on the first model."""
    rows = []
    for model, gain in (("one", -0.1), ("two", 0.1)):
        rows.append((model, "dense", "dense", 2.0, None))
        for pattern in ("0.5", "2:4"):
            for method, loss in (("magnitude", 3.0), ("wanda", 2.5), ("stade", 2.5 + gain)):
                rows.append((model, method, pattern, loss, "c" * 64))
    frame = pandas.DataFrame(rows, columns=["model", "method", "pattern", "loss", "calibration"])
    noise = [0.001 * (-1) ** i for i in range(20)]
    return paper.with_relative(
        frame.assign(
            losses=[[loss + n for n in noise] for loss in frame["loss"]],
            perplexity=2 ** frame["loss"],
            fingerprint=["f" * 64] * len(frame),
            evaluation=["e" * 64] * len(frame),
            seconds=[{"prune": 1.0, "evaluate": 0.5}] * len(frame),
        )
    )


def test_cells_are_dense_first_and_magnitude_has_its_scope():
    cells = tables.cells(["magnitude", "wanda"], ["0.5", "2:4"], "layer", 3)
    assert cells == [
        DENSE,
        Cell("magnitude", "0.5", scope="layer", seed=3),
        Cell("wanda", "0.5", seed=3),
        Cell("magnitude", "2:4", seed=3),
        Cell("wanda", "2:4", seed=3),
    ]


def test_labels_are_short_where_they_stay_apart():
    assert tables.labels(["a/opt", "/x/llama/", "b/opt", "tiny"]) == {
        "a/opt": "a/opt",
        "/x/llama/": "llama",
        "b/opt": "b/opt",
        "tiny": "tiny",
    }


def test_the_papers_table_comes_out_as_it_is_printed():
    wide = tables.layout(tables.printed(3, METHODS, ["0.5", "2:4", "4:8"]))
    assert list(wide.columns) == ["method", "sparsity", *paper.table(3)["model"].unique()]
    rows = {(row.method, row.sparsity): row for row in wide.itertuples()}
    assert rows["Dense", "0 %"][3] == 5.68
    assert rows["Magnitude", "50 %"][3] == 17.29
    assert rows["STADE", "4:8"][-1] == 20.29
    assert len(wide) == 10


def test_relative_perplexity_is_that_over_dense(ran):
    relative = ran.set_index(["model", "method", "pattern"])["relative"]
    assert relative["one", "dense", "dense"] == 1
    assert relative["two", "magnitude", "0.5"] == 2


def test_orders_say_how_often_printed_and_what_holds_here(ran):
    claims = paper.printed_orders(3, METHODS, ["2:4"])
    orders = tables.orders(3, claims, verdicts.judge(ran, claims)).set_index("printed order")
    assert orders.loc["STADE < Wanda", "in"] == "4 of 7"
    assert orders.loc["STADE < Wanda", "one"] == "−9.5 %: holds"
    assert orders.loc["STADE < Wanda", "two"] == "+10.5 %: does not hold"


def test_facts_name_models_and_tokens_by_their_hashes(ran):
    p = SimpleNamespace(
        calibration="c4", evaluation="wikitext2", windows=128, evaluation_windows=None,
        window_length=None, seed=0, dtype="float32", device="cpu",
    )  # fmt: skip
    facts = tables.facts(p, ran)
    assert facts["models"] == f"one {'f' * 12}, two {'f' * 12}"
    assert facts["calibration tokens"] == f"one {'c' * 12}, two {'c' * 12}"
    assert facts["seconds of computing"] == "21"


def test_figures_draw_without_a_warning(ran):
    patterns = {pattern: tables.sparsity(pattern) for pattern in ("0.5", "2:4")}
    judged = verdicts.judge(ran, paper.TEXT_CLAIMS[3])
    curves = pandas.DataFrame(
        {"model": "one", "tokens": [1e5, 2e5], "training": [3.0, 2.0], "validation": [3.1, 2.2]}
    )
    for figure in (
        figures.relative_perplexity(ran, tables.printed(3, METHODS, list(patterns)), patterns),
        figures.differences(judged, patterns, "Wanda to STADE", band=0.01),
        figures.loss_curves(curves, 12.0),
    ):
        figure.canvas.draw()
