"""The page on calibration texts, on records that are made up: what is shown is what they say."""

import math
import re

import numpy as np
import pandas
import pytest
from figures import words

from stade_book import style
from stade_book.pages.plots import texts as plots
from stade_book.pages.tables import texts
from stade_book.studies import calibration_texts as study
from stade_book.studies import helpful, shipped
from stade_nb.errors import StadeError


def record(method, calibration, evaluation, loss, pattern="0.5", windows=study.WINDOWS):
    def corpus(of, name):
        return {"source": of[name], "windows": windows, "length": study.LENGTH}

    draw = np.random.default_rng(len(evaluation))
    losses = (loss + draw.normal(size=study.WINDOWS)).tolist()
    return {
        "method": method,
        "pattern": pattern,
        "seed": 0,
        "losses": losses,
        "perplexity": math.exp(sum(losses) / len(losses)),
        "record": f"{method}-{calibration}-{evaluation}",
        "calibration_corpus": corpus(study.CALIBRATIONS, calibration),
        "evaluation_corpus": corpus(study.EVALUATIONS, evaluation),
    }


@pytest.fixture
def grid(monkeypatch):
    """Records in which the correction takes 0.1 off at home and adds 0.05 away from it."""
    rows = [record("dense", "C4", text, 3.0, "0") for text in study.EVALUATIONS]
    for calibration in study.CALIBRATIONS:
        for evaluation in study.EVALUATIONS:
            gap = -0.1 if calibration == evaluation else 0.05
            rows.append(record("wanda", calibration, evaluation, 4.0))
            rows.append(record("wanda_with_bias", calibration, evaluation, 4.0 + gap))
    # Another number of windows is no part of the grid.
    rows.append(record("wanda", "C4", "C4", 9.0, windows=8))
    monkeypatch.setattr(shipped, "rows", lambda model: rows if model == "mine" else [])
    monkeypatch.setattr(shipped, "models", lambda: ["mine"])
    return texts.grid("mine")


def test_the_grid_is_read_by_the_names_of_its_texts(grid):
    assert len(grid) == 3 + 2 * 6 * 3
    assert set(grid["evaluation"]) == set(study.EVALUATIONS)
    assert set(grid[grid["method"] == "dense"]["calibration"]) == {""}
    shown = texts.perplexities(grid)
    ran = ["dense", "wanda", "wanda_with_bias"]
    assert list(shown.columns) == ["pattern", "evaluation", "calibration", *ran]
    assert len(shown) == 3 * 6 and not shown.isna().any(axis=None)
    dense = shown.groupby("evaluation", observed=True)["dense"].unique().map(list).to_dict()
    assert dense == {
        row.evaluation: [row.perplexity] for row in grid[grid["method"] == "dense"].itertuples()
    }
    home = shown[shown["evaluation"].astype(str) == shown["calibration"].astype(str)]
    ratios = home["wanda_with_bias"] / home["wanda"]
    assert list(ratios) == pytest.approx([math.exp(-0.1)] * 3)
    assert texts.missing(grid) == 6 * 5 * 2 * 3 - 2 * 6 * 3


def test_what_helps_is_counted(grid):
    table = study.effects(grid)
    home, away = table[table["home"]], table[~table["home"]]
    assert texts.helps(home)[:3] == (3, 0, 0)
    assert texts.helps(away)[:3] == (0, 0, 15)
    assert str(texts.helps(home)) == "supported 3, open 0, contradicted 0 of 3 (−9.5 %)"


def test_a_model_without_a_grid_is_refused(grid):
    with pytest.raises(StadeError, match=r"no records of the grid of texts of 'other'.*mine"):
        texts.grid("other")


def test_a_model_with_other_records_alone_is_not_named(grid, monkeypatch):
    monkeypatch.setattr(shipped, "models", lambda: ["mine", "other"])
    with pytest.raises(StadeError, match=r"grid of texts of 'other'.* some \(mine\); python"):
        texts.grid("other")


def test_the_heat_map_prints_every_effect(grid):
    figure = plots.effects(study.effects(grid))
    written = words(figure)
    assert sum(text == "−9.5*" for text in written) == 3
    assert sum(text == "+5.1*" for text in written) == 15
    assert any(re.fullmatch("Wanda's mask, 50 %", text) for text in written)


def drawn_as(axes):
    """The look of each line of `axes` by its first word."""
    return {
        line.get_label().split()[0]: (line.get_color(), line.get_marker())
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }


def test_a_method_looks_as_on_other_pages(grid):
    columns = ["method", "tokens", "perplexity", "low", "high"]
    rows = [("std", 4096, 9, 8, 10), ("wanda", 4096, 8, 7, 9), ("std", 8192, 7, 6, 8)]
    figure = plots.by_budget(pandas.DataFrame(rows, columns=columns))
    shown = {box.get_label(): box[0] for box in figure.axes[0].containers}
    for title, method in (("STD metric", "std"), ("Wanda", "wanda")):
        line = shown[title]
        assert (line.get_color(), line.get_marker()) == style.METHOD_STYLE[method]
    pairs = [(one, other, 0.1) for one in study.CALIBRATIONS for other in study.EVALUATIONS]
    distances = pandas.DataFrame(pairs, columns=["calibration", "evaluation", "sigmas"])
    looks = drawn_as(plots.by_distance(study.effects(grid), distances).axes[0])
    assert looks == {"Wanda's": style.METHOD_STYLE["wanda"]}


def test_what_a_correction_misses_is_a_median_over_the_pairs_of_texts():
    pairs = [("C4", "C4", 0.1), ("WikiText", "WikiText", 0.2), ("C4", "WikiText", 0.5)]
    pairs += [("WikiText", "C4", 0.7), ("stories", "C4", 0.6), (study.NO_TEXT, "C4", 3.0)]
    kinds = (("q", 1), ("down", 2))
    rows = [(*pair[:2], kind, pair[2] * at) for kind, at in kinds for pair in pairs]
    columns = ["calibration", "evaluation", "layer_type", "missed"]
    shown = texts.shares(pandas.DataFrame(rows, columns=columns))
    assert list(shown["layer_type"]) == ["q", "down"]
    assert shown["same text"].tolist() == pytest.approx([0.15, 0.3])
    assert shown["another text"].tolist() == pytest.approx([0.6, 1.2])
    assert shown[study.NO_TEXT].tolist() == pytest.approx([3, 6])


def test_the_gain_from_more_text_is_said_with_the_tokens_and_seeds_of_each_method():
    rows = [
        ("wanda", 8, 128, -0.003, "1 of 1", "open"),
        ("std", 8, 32, -0.02, "3 of 3", "supported"),
    ]
    columns = ["method", "fewest", "most", "change", "seeds", "verdict"]
    assert texts.by_budget(pandas.DataFrame(rows, columns=columns)) == (
        "Wanda to 65,536 tokens: open (−0.3 %, 1 seed); "
        "STD metric to 16,384 tokens: supported (−2.0 %, 3 seeds)"
    )
    assert texts.by_budget(pandas.DataFrame(columns=columns)) == "not run here"


def test_where_a_correction_is_not_worth_more_at_home_is_named():
    rows = [("a", "C4", "open"), ("a", "C4", "supported"), ("a", "stories", "supported")]
    carried = pandas.DataFrame(rows, columns=["model", "evaluation", "verdict"])
    assert texts.exceptions(carried) == "1 of 2 on C4 (a)"
    assert texts.exceptions(carried.iloc[1:]) == "none"


def test_success_is_said_of_each_candidate_and_nothing_of_what_did_not_run():
    rows = [("one", "medians", 9, 11, -0.02, True), ("two", "medians", 3, 11, 0.01, False),
            ("three", "medians", 0, 0, math.nan, False)]  # fmt: skip
    outcome = pandas.DataFrame(rows, columns=["model", "what", *helpful.COLUMNS[1:]])
    assert texts.successes(outcome) == (
        "one, medians: success, lower than both in 9 of 11 cells; "
        "two, medians: no success, lower than both in 3 of 11 cells"
    )
    assert texts.successes(outcome.iloc[2:]) == "not run here"
    assert texts.than_wanda(outcome.assign(than_wanda=[11, 10, 0]).iloc[:2]) == (
        "11 of 11 cells (one), 10 of 11 cells (two)"
    )
    assert texts.than_wanda(outcome.iloc[:0]) == "not run here"
    assert texts.medians_time(["llama-230k"]) == "not run here"
    assert "python -m workflow.medians --model llama-230k" in texts.medians_made(["llama-230k"])
