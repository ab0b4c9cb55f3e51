"""The figures of time show the numbers that they are given."""

import pandas
import pytest
from figures import legend

from stade_book.pages import plots
from stade_book.pages.tables.scale import AGREES_WITHIN

MEASURED = pandas.DataFrame(
    [("one", 1, 100.0, 90.0), ("one", 2, 50.0, 70.0), ("one", 1, 200.0, 500.0)],
    columns=["model", "threads", "predicted", "seconds"],
)


def test_each_record_is_a_mark_of_its_number_of_threads():
    figure = plots.speed.against_arithmetic(MEASURED)
    (axes,) = figure.axes
    marks = {
        line.get_label(): list(zip(*line.get_data(), strict=True))
        for line in axes.get_lines()
        if line.get_linestyle() == "None"
    }
    assert marks == {
        "one, threads: 1": [(100, 90), (200, 500)],
        "one, threads: 2": [(50, 70)],
    }
    assert legend(figure) == list(marks)


def test_the_grey_is_where_the_two_agree():
    (axes,) = plots.speed.against_arithmetic(MEASURED).axes
    (band,) = axes.collections
    outline = band.get_paths()[0].vertices
    for end in (50.0, 200.0):
        at = [y for x, y in outline if x == pytest.approx(end)]
        assert (min(at), max(at)) == pytest.approx((end / AGREES_WITHIN, end * AGREES_WITHIN))
