"""What other code does, on numbers small enough to know what comes out."""

import pandas
import pytest
import torch

from stade_book.theory import other_work
from stade_nb.errors import StadeError
from stade_nb.numerics import masks
from stade_nb.numerics.moments import Moments


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_correction_after_zeroing_is_exactly_nothing():
    weight = torch.tensor([[1.0, -2, 3], [4, 5, -6]])
    pruned = torch.tensor([[True, True, False], [False, False, True]])
    found = other_work.corrections(weight, pruned, torch.tensor([2.0, 1, -1]))
    assert found["before zeroing"].tolist() == [1 * 2 - 2 * 1, -6 * -1]
    assert found["after zeroing"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "rule", [other_work.variance_by_squared_sums, other_work.variance_by_merging]
)
def test_both_running_variances_are_exact_on_small_whole_numbers(rule):
    # Counts, sums and quotients are all exact in float32 here.
    x = torch.tensor([[0.0, 4], [2, 4], [4, 8], [2, 8]])
    assert rule([x], torch.float32).tolist() == x.double().var(dim=0).float().tolist()
    assert rule([x[:2], x[2:]], torch.float32).tolist() == rule([x], torch.float32).tolist()


def test_squared_sums_lose_the_variance_and_merging_keeps_it():
    dtypes = [torch.float32, torch.float16]
    found = other_work.variance_errors([0, 100, 1000, 3000], dtypes, generator(), features=32)
    found = found.set_index(["dtype", "rule", "ratio"]).sort_index()
    wide, merged = found.loc["float32", "squared sums"], found.loc["float32", "merging"]
    assert wide.loc[0, "error"] < 1e-6 and merged["error"].max() < 1e-5
    assert 0.02 < wide.loc[1000, "error"] < 0.5 < wide.loc[3000, "error"]
    half = found.loc["float16"]
    assert half.loc[("squared sums", 1000), "not_finite"] == 1
    assert (half.loc["merging", "error"] < 0.01).all()


def test_squares_of_small_weights_are_lost_in_float16():
    edge = 2.0**-12.5  # the square of anything smaller rounds to nothing, 2⁻²⁴ being the least
    weight = torch.tensor([1.0, 1e-2, 2 * edge, 0.9 * edge, 1e-4, 0.0])
    assert other_work.squares_in(weight)["lost"] == 2 / 6
    assert other_work.squares_in(weight, torch.float32) == {"lost": 0, "distinct": 1}


def test_partial_groups_lose_all_their_columns():
    score = torch.rand(5, 12, generator=generator())
    pruned = other_work.pruned_by_slices(score, 4, 8)
    assert (pruned[:, :8].sum(dim=1) == 4).all() and pruned[:, 8:].all()
    assert torch.equal(other_work.pruned_by_slices(score, 2, 4), masks.select(score, "2:4"))
    with pytest.raises(StadeError, match="4:8 with 12 input features"):
        masks.select(score, "4:8")


def test_ties_are_settled_here_and_a_matter_of_chance_in_topk():
    assert other_work.ours_takes(4, 2) == [0, 1]
    taken = other_work.topk_takes(4, 2)
    assert len(taken) == 2 and set(taken) <= set(range(4))


def test_added_biases_are_four_hundred_thousandths_of_a_block():
    found = other_work.added_biases()
    assert found["weights"] == 202_375_168 and found["biases"] == 8192
    assert round(100 * found["share"], 3) == 0.004


def test_parameters_that_stade_adds_are_counted():
    cell = {"method": "stade", "pattern": "0.5", "zeros": {"o": 8, "q": 8}, "seed": 0}
    cell |= {"sizes": {"o": 16, "q": 16}, "added_bias": {"o": 4, "q": 0}, "model": "m"}
    ran = pandas.DataFrame([cell, cell | {"method": "wanda"}, cell | {"pattern": "2:4"}])
    found = other_work.parameters_added(ran, "0.5")
    assert found.values.tolist() == [["m", 32, 16, 4, 4 / 32]]


def test_flap_has_eq_8_s_score_and_eq_7_s_bias():
    x = torch.randn(200, 8, generator=generator(), dtype=torch.float64) + 3
    weight = torch.randn(4, 8, generator=generator(1), dtype=torch.float64)
    found = other_work.compared(weight, Moments.of(x, gram=True))
    assert found["score"] < 1e-12 and found["bias"] < 1e-12
    assert 0 < found["compensated"] < found["plain"] / 2
