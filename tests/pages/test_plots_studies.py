"""The figures of the pages beyond the paper show the numbers that they are given."""

import math

import numpy as np
import pandas
import pytest
from figures import legend, marks, points

from stade_book.pages import plots
from stade_nb.beyond.methods import RUNGS

GRID = pandas.DataFrame(
    [("one", "0.5", "wanda", 9.0, 8.0, 7.0, 6.0), ("one", "0.5", "std", 10.0, 9.0, math.nan, 5.0)],
    columns=["model", "pattern", "metric", *RUNGS],
)


def test_a_line_for_each_metric_through_its_rungs_and_a_word_where_there_is_none():
    figure = plots.studies.rungs(GRID, {"0.5": "50 %", "2:4": "2:4"})
    left, right = figure.axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in left.get_lines()}
    assert drawn["Wanda's metric"] == pytest.approx([1, 8 / 9, 7 / 9, 6 / 9])
    assert drawn["STD metric"][::3] == pytest.approx([10 / 9, 5 / 9])
    assert math.isnan(drawn["STD metric"][2])
    assert [label.get_text() for label in left.get_xticklabels()] == list(RUNGS)
    assert "no record yet" in [text.get_text() for text in right.texts]
    assert legend(figure) == ["Wanda's metric", "STD metric"]


def test_shares_stand_in_percent_in_their_intervals():
    found = pandas.DataFrame(
        {"term": ["metric", "the rest"], "share": [0.7, 0.3], "low": [0.6, 0.2], "high": [0.8, 0.4]}
    )
    names = {"metric": "which weights go", "text": "the text", "the rest": "what is left"}
    panels = {"one": found, "other": found.replace({"term": {"metric": "text"}})}
    left, right = plots.studies.shares(panels, names).axes
    lines = [list(map(float, line.get_xdata())) for line in left.get_lines()]
    assert lines[0] == pytest.approx([60, 80]) and lines[1] == pytest.approx([70])
    assert [t.get_text() for t in left.get_yticklabels()] == list(names.values())
    heights = [
        {float(y) for line in axes.get_lines() for y in line.get_ydata()} for axes in (left, right)
    ]
    assert heights == [{0, 2}, {1, 2}]  # a term that is not there leaves its line empty
    assert [axes.get_title() for axes in (left, right)] == list(panels)


def test_patterns_differ_in_more_than_colour():
    methods = [("wanda", 0.0, 10.0), ("std", 0.1, 11.0)]
    rows = [("one", pattern, *each) for pattern in ("0.5", "2:4") for each in methods]
    found = pandas.DataFrame(rows, columns=["model", "pattern", "method", "loss", "perplexity"])
    (axes,) = plots.studies.loss_and_perplexity(found, {"0.5": "50 %", "2:4": "2:4"}).axes
    named = [line for line in axes.get_lines() if line.get_label() in ("50 %", "2:4")]
    assert len({line.get_marker() for line in named}) == len(named) == 2


def test_inputs_taken_as_centred_are_circles_and_the_others_squares():
    rows = [("q_proj", True, 0.2), ("q_proj", True, 0.1), ("o_proj", False, 1.0)]
    inputs = pandas.DataFrame(rows, columns=["layer_type", "place", "ratio"]).assign(model="one")
    (axes,) = plots.studies.ratios(inputs, 0.1).axes
    assert marks(axes, "o").tolist() == [[0.2, 0], [0.1, 0]]
    assert marks(axes, "s").tolist() == [[1.0, 1]]


def test_changes_from_wanda_stand_over_the_share_that_went():
    rows = [("one", "0.1", "std", 0.02, 0.01, 0.03), ("two", "0.25", "stade", -0.1, -0.2, 0.0)]
    columns = ["model", "pattern", "method", "change", "low", "high"]
    left, right = plots.studies.by_share(pandas.DataFrame(rows, columns=columns)).axes
    for axes, place in ((left, [10, 2]), (right, [25, -10])):
        assert points(axes)[~np.isnan(points(axes)).any(axis=1)].tolist() == [pytest.approx(place)]
    (bar,) = [bars for bars in left.collections if len(bars.get_segments())]
    assert bar.get_segments()[0][:, 1] == pytest.approx([1, 3])
    assert left.get_ylim()[0] < -20 and left.get_yscale() == "symlog"
