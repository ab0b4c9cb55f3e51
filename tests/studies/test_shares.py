"""Sums of squares against the textbook's formulas for a balanced table, by marginal means."""

import itertools

import numpy as np
import pandas
import pytest

from stade_book.studies import shares

TERMS = [("row",), ("column",), ("row", "column")]


def table(rows=3, columns=4, repeats=2):
    cells = list(itertools.product(range(rows), range(columns), range(repeats)))
    return pandas.DataFrame(cells, columns=["row", "column", "repeat"])


def by_means(cells, values):
    """Two-way analysis of variance by marginal means, each squared deviation by itself."""
    cells = cells.assign(value=values)
    grand = cells["value"].mean()
    row, column = (cells.groupby(f)["value"].transform("mean") for f in ("row", "column"))
    both = cells.groupby(["row", "column"])["value"].transform("mean")
    parts = (row - grand, column - grand, both - row - column + grand, cells["value"] - both)
    return [sum(float(x) ** 2 for x in part) for part in parts]


@pytest.mark.parametrize("order", [TERMS, [TERMS[1], TERMS[0], TERMS[2]]])
def test_sums_of_squares_are_those_of_marginal_means_in_any_order(order):
    cells = table()
    values = np.random.default_rng(0).normal(size=(len(cells), 5)) + 3
    found = shares.sums_of_squares(cells, order, values)
    for draw in range(5):
        expected = dict(zip([*TERMS, "rest"], by_means(cells, values[:, draw]), strict=True))
        assert found[:, draw] == pytest.approx([expected[t] for t in [*order, "rest"]])


def test_a_factor_that_decides_everything_has_all_of_the_variance():
    cells = table(repeats=1)
    values = shares.resampled([[2.0 * row, 2.0 * row] for row in cells["row"]], 20, 0)
    found = shares.shares(cells, TERMS, values).set_index("term")
    assert found["share"]["row"] == pytest.approx(1) and found["low"]["row"] == pytest.approx(1)
    assert found["share"]["column"] == pytest.approx(0)
    assert list(found["degrees"]) == [2, 3, 6, 0]
    assert list(found.index) == ["row", "column", "row × column", shares.RESIDUAL]


def test_shares_lie_in_their_intervals_and_noisier_windows_widen_them():
    cells, generator = table(repeats=1), np.random.default_rng(1)
    noise = generator.normal(size=(len(cells), 40))
    widths = []
    for scale in (0.1, 2.0):
        losses = (cells["row"].to_numpy()[:, None] + scale * noise).tolist()
        found = shares.shares(cells, TERMS[:2], shares.resampled(losses, 400, 0))
        assert found["share"].sum() == pytest.approx(1)
        row = found.iloc[0]
        assert row["low"] < row["share"] < row["high"]
        widths.append(row["high"] - row["low"])
    assert widths[0] < widths[1] / 3


def test_an_interval_has_the_percentiles_of_the_draws_without_the_windows_as_they_are():
    """Two cells and one factor: its share is 1 where they differ, so the rest tells the draw."""
    cells = pandas.DataFrame({"row": [0, 0, 1, 1]})
    # Within a row the cells are 2 r apart, the rows 2: the factor has 1 / (1 + r²).
    draws = np.linspace(0, 1, 1001)
    apart = np.sqrt(1 / np.r_[1e-6, np.linspace(0.2, 0.8, 1001)] - 1)
    values = np.array([apart, -apart, 2 + apart, 2 - apart])
    found = shares.shares(cells, [("row",)], values).iloc[0]
    expected = [1e-6, 0.2 + 0.6 * draws[25], 0.2 + 0.6 * draws[975]]
    assert found[["share", "low", "high"]].tolist() == pytest.approx(expected)


def test_windows_are_drawn_together():
    """What all cells have in common in a window moves no difference."""
    common = np.random.default_rng(0).normal(size=30)
    values = shares.resampled([common, common + 1], 50, 3)
    assert values[0, 0] == pytest.approx(common.mean())
    assert values[1] - values[0] == pytest.approx(1) and values[0].std() > 0


def test_cells_of_different_windows_are_refused():
    with pytest.raises(
        ValueError, match=r"cells of \[2, 3\] evaluation windows: expected the same"
    ):
        shares.resampled([[1.0, 2], [1.0, 2, 3]], 5, 0)
    with pytest.raises(ValueError, match="at least 2"):
        shares.resampled([[1.0], [1.0]], 5, 0)


def test_a_missing_or_doubled_cell_is_no_balanced_design():
    cells = table(repeats=1).assign(model="one")
    factors = ["row", "column"]
    assert shares.balanced(cells, factors, ["model"])
    assert not shares.balanced(cells.iloc[1:], factors, ["model"])
    assert not shares.balanced(pandas.concat([cells, cells.iloc[:1]]), factors, ["model"])
