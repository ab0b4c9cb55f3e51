"""Verdicts as pictures: every comparison at its place, with the mark of its verdict."""

import base64
import math

import pandas
import pytest
from bs4 import BeautifulSoup
from figures import legend, marks, points, ticks

from stade_book import claims
from stade_book.claims import paper
from stade_book.pages import plots, tables
from stade_book.style import METHOD_STYLE, VERDICT_STYLE

PATTERNS = {"0.5": "50 %", "2:4": "2:4"}


def test_a_difference_has_its_interval_and_the_mark_of_its_verdict(ran):
    judged = claims.verdicts.judge(ran, paper.TEXT_CLAIMS[3])
    figure = plots.verdicts.differences(judged, PATTERNS, "Wanda to STADE", band=0.01)
    (axes,) = figure.axes
    assert legend(figure) == [*VERDICT_STYLE, "comparable"]
    assert ticks(axes.get_yticklabels()) == [
        f"{PATTERNS[row.pattern]}  {row.model}" for row in judged.itertuples()
    ]
    drawn = points(axes).tolist()
    for height, row in enumerate(judged.itertuples()):
        _, marker = VERDICT_STYLE[row.verdict]
        assert [100 * row.change, height] in marks(axes, marker).tolist()
        assert [100 * row.low, height] in drawn and [100 * row.high, height] in drawn


def test_every_claim_has_the_mark_of_its_word_under_the_kind_of_its_evidence():
    found = claims.scorecard.without_page()
    (axes,) = plots.verdicts.scorecard(found).axes
    order = list(dict.fromkeys(verdict.id for verdict in found))
    assert ticks(axes.get_xticklabels()) == ["theory", "print", "real models", "runs"]
    assert len(axes.get_yticklabels()) == len(order)
    for word, (_, marker) in plots.verdicts.WORD_STYLE.items():
        places = {
            (claims.scorecard.KINDS.index(verdict.by), order.index(verdict.id))
            for verdict in found
            if verdict.count.total and verdict.word == word
        }
        assert {tuple(place) for place in marks(axes, marker).tolist()} == places


def test_a_figure_for_another_page_is_all_in_one_and_says_what_it_shows(ran):
    figure = plots.tables.beside_wanda(
        ran, tables.perplexity.printed(3, ["wanda"], list(PATTERNS)), PATTERNS
    )
    image = BeautifulSoup(plots.tables.inline(figure, 'from "a" to <b>').data, "lxml").find("img")
    kind, _, data = image["src"].partition(",")
    assert kind == "data:image/svg+xml;base64" and image["alt"] == 'from "a" to <b>'
    assert b"<svg" in base64.b64decode(data)


def test_changes_from_wanda_stand_beside_their_models_the_smallest_first(ran):
    printed = tables.perplexity.printed(3, ["magnitude", "wanda", "stade"], list(PATTERNS))
    figure = plots.tables.beside_wanda(ran, printed, PATTERNS)
    ours, theirs = figure.axes[:2], figure.axes[2:]
    assert [axes.get_title() for axes in ours] == [
        "50 %, computed here", "2:4, computed here",
    ]  # fmt: skip
    assert ticks(ours[0].get_yticklabels()) == ["one", "two"]
    shown = ticks(theirs[0].get_yticklabels())
    assert sorted(shown) == sorted(printed["model"].unique())
    assert shown[0] == "llama-3.2-1b" and shown[-1] == "llama-2-13b"
    row = printed.set_index(["model", "method", "pattern"])["perplexity"]
    at = "llama-3-8b", "0.5"
    change = 100 * (row[at[0], "stade", at[1]] / row[at[0], "wanda", at[1]] - 1)
    drawn = {round(y): x for x, y in marks(theirs[0], METHOD_STYLE["stade"][1])}
    assert drawn[shown.index(at[0])] == pytest.approx(change)
    assert legend(figure)[0] == "Magnitude" and "Wanda" not in legend(figure)


def test_a_change_beyond_the_edge_is_written_there_and_no_axis_is_stretched_by_it(ran):
    printed = tables.perplexity.printed(3, ["magnitude", "wanda", "stade"], list(PATTERNS))
    axes = plots.tables.beside_wanda(ran, printed, PATTERNS).axes[2]
    assert axes.get_xlim()[1] <= plots.tables.EDGE
    row = printed[printed["pattern"] == "0.5"].set_index(["model", "method"])["perplexity"]
    change = 100 * (row["llama-7b", "magnitude"] / row["llama-7b", "wanda"] - 1)
    assert f"{change:+,.0f} %" in [text.get_text() for text in axes.texts]


def test_without_wanda_changes_are_from_the_unpruned_model(ran):
    without = ran[ran["method"] != "wanda"]
    figure = plots.tables.beside_wanda(without, without, PATTERNS)
    assert "Dense" in figure.get_supxlabel()
    (mark, *_) = marks(figure.axes[0], METHOD_STYLE["magnitude"][1])
    assert mark[0] == plots.tables.EDGE  # it doubles the perplexity, and says so in words
    assert "+100 %" in [text.get_text() for text in figure.axes[0].texts]


def test_a_rung_stands_at_its_size_filled_on_its_own_text_and_below_zero_where_better():
    rows = [
        ("small", 3e5, True, -0.04, -0.05, -0.03),
        ("small", 3e5, False, 0.5, 0.4, 0.6),
        ("large", 1.3e8, True, 0.02, 0.01, 0.03),
        ("largest", 2.7e8, True, math.nan, math.nan, math.nan),
    ]
    columns = ["model", "parameters", "own", "change", "low", "high"]
    rungs = pandas.DataFrame(rows, columns=columns).assign(pattern="2:4", method="stade")
    figure = plots.tables.ladder(rungs, {"2:4": "2:4"})
    left, right = figure.axes  # broken where a model is more than ten times as large
    assert legend(figure) == ["STADE"] and left.get_xscale() == right.get_xscale() == "log"

    def drawn(axes, full):
        lines = [line for line in axes.get_lines() if line.get_marker() == "s"]
        wanted = [line for line in lines if (line.get_fillstyle() == "full") == full]
        return [line.get_xydata().tolist() for line in wanted if len(line.get_xydata())]

    assert drawn(left, True) == [[[3e5, -4.0]]] and drawn(left, False) == [[[3e5, 50.0]]]
    assert drawn(right, True) == [[[1.3e8, 2.0]]] and drawn(right, False) == []
    names = [ticks(axes.get_xticklabels()) for axes in (left, right)]
    assert names == [["small  0.3 M"], ["large  130 M", "largest  270 M"]]


def test_models_of_nearly_one_size_share_a_label():
    rows = [("mine", 260_100), ("stories260k", 260_000), ("half", 500_000)]
    rungs = pandas.DataFrame(rows, columns=["model", "parameters"])
    rungs = rungs.assign(own=True, change=0.1, low=0.05, high=0.2, pattern="2:4", method="stade")
    (axes,) = plots.tables.ladder(rungs, {"2:4": "2:4"}).axes
    assert ticks(axes.get_xticklabels()) == ["stories260k, mine  0.26 M", "half  0.5 M"]


def test_the_opening_figure_has_every_run_comparison_and_grey_where_it_is_better():
    rows = [
        ("one", "0.5", "stade", 0.02, 0.01, 0.03),
        ("one", "2:4", "sparsegpt", -0.45, -0.5, -0.4),
        ("two", "0.5", "std", 0.9, 0.8, 1.0),
        ("two", "0.5", "magnitude", 6.0, 5.0, 7.0),
    ]
    columns = ["model", "pattern", "method", "change", "low", "high"]
    figure = plots.real.against_wanda(pandas.DataFrame(rows, columns=columns), ["0.5", "2:4"])
    assert legend(figure) == ["one", "two"]
    half, other = figure.axes
    drawn = {(round(x), marker) for marker in "ov" for x, _ in marks(half, marker)}
    assert drawn == {(2, "o"), (30, "v")}  # magnitude is on its own page
    assert [text.get_text() for text in half.texts] == ["+90 %"]
    assert [round(x) for x, _ in marks(other, "o")] == [-30]
    assert [text.get_text() for text in other.texts] == ["−45 %"]
    assert ticks(half.get_yticklabels())[0] == "STADE"
    (grey,) = half.patches
    assert grey.get_xy()[0] == half.get_xlim()[0] and grey.get_x() + grey.get_width() == 0


def test_the_opening_figure_is_told_in_words():
    columns = ["model", "pattern", "method", "change"]
    rows = [("one", "0.5", "stade", 0.021), ("two", "0.5", "stade", -0.13), ("one", "0.5", "x", 9)]
    assert plots.real.in_words(pandas.DataFrame(rows, columns=columns), ["0.5", "2:4"]) == (
        "Change of perplexity from Wanda in percent; below zero a method is better. "
        "At 50 % STADE: one +2.1, two −13.0. At 2:4 nothing was run."
    )


def test_what_a_nudge_does_has_a_line_above_the_methods():
    columns = ["model", "pattern", "method", "change", "low", "high"]
    rows = [("one", "0.5", "stade", 0.02, 0.01, 0.03), ("two", "0.5", "stade", 0.05, 0.04, 0.06)]
    draws = [("one", "0.5", -0.01), ("one", "0.5", 0.015), ("one", "2:4", 0.9)]
    nudged = pandas.DataFrame(draws, columns=["model", "pattern", "change"])
    judged = pandas.DataFrame(rows, columns=columns)
    (axes,) = plots.real.against_wanda(judged, ["0.5"], ["stade"], nudged).axes
    assert ticks(axes.get_yticklabels()) == ["Wanda, norms nudged", "STADE"]
    drawn = [line for line in axes.lines if line.get_marker() == "." and len(line.get_xdata())]
    (dots,) = [line.get_xydata().tolist() for line in drawn]
    assert dots == [[-1.0, 1.2], [1.5, 1.2]] and axes.get_ylim()[1] > 1.2
    (plain,) = plots.real.against_wanda(judged, ["0.5"], ["stade"], nudged.iloc[:0]).axes
    assert ticks(plain.get_yticklabels()) == ["STADE"]


def test_the_figure_of_real_models_says_so_where_none_was_run():
    columns = ["model", "pattern", "method", "change", "low", "high"]
    figure = plots.real.against_wanda(
        pandas.DataFrame(columns=columns), ["0.5"], ["wanda", "stade"]
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["not run yet"]
    assert ticks(axes.get_yticklabels()) == ["STADE"]
