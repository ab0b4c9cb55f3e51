"""On which calibration seeds methods are compared, and where they have none in common."""

import pandas
import pytest

from stade_book.claims import pairing
from stade_book.studies import helpful, mask_or_compensation


def ran(rows, **more):
    return pandas.DataFrame(rows, columns=["method", "seed"]).assign(model="m", **more)


def kept(rows):
    found = pairing.common(ran(rows), ["model"])
    return sorted(zip(found["method"], found["seed"], strict=True))


def test_methods_with_the_same_seeds_keep_all_of_them():
    rows = [(name, seed) for name in ("stade", "wanda") for seed in range(3)]
    assert kept(rows) == rows


@pytest.mark.parametrize("seed", [0, 2])
def test_one_method_with_one_seed_decides_for_all_but_those_that_draw_nothing(seed):
    rows = [("wanda", 0), ("wanda", 1), ("wanda", 2), ("wanda_linear", seed)]
    assert kept([*rows, ("magnitude", 7), ("dense", 5)]) == [
        ("dense", 5), ("magnitude", 7), ("wanda", seed), ("wanda_linear", seed),
    ]  # fmt: skip


def test_a_method_without_the_seed_of_most_is_left_out():
    rows = [("wanda", 0), ("wanda", 1), ("stade", 0), ("ria", 0), ("std", 1), ("std", 2)]
    assert kept(rows) == [("ria", 0), ("stade", 0), ("wanda", 0)]


def test_each_context_has_its_own_seeds_and_rows_stay_in_order():
    table = pandas.concat(
        [ran([("wanda", 0), ("wanda", 1), ("std", 1)], pattern="0.5"),
         ran([("wanda", 0), ("std", 0)], pattern="2:4")],
        ignore_index=True,
    )  # fmt: skip
    found = pairing.common(table, ["model", "pattern"])
    assert list(found.index) == [1, 2, 3, 4]
    assert pairing.common(table.iloc[:0], ["model", "pattern"]).empty


def test_the_ladder_compares_its_rungs_on_the_same_windows():
    losses = {("wanda", 0): 3.0, ("wanda", 1): 9.0, ("wanda_linear", 0): 2.0}
    rows = ran(list(losses), pattern="0.5", losses=[[value] * 4 for value in losses.values()])
    found = mask_or_compensation.placed(rows).set_index("method")["losses"]
    assert found["wanda"] == [3.0] * 4 and found["wanda_linear"] == [2.0] * 4


def test_a_correction_meets_its_rivals_on_the_same_windows():
    rows = [("wanda", 0), ("wanda", 1), ("stade", 0), (helpful.CANDIDATES[0], 0)]
    table = ran(rows, pattern="0.5", calibration="C4", evaluation="stories")
    (row,) = helpful.cells(table.assign(perplexity=[100.0, 1.0, 102.0, 90.0])).itertuples()
    assert row.wanda == 100
