"""DSnoT against plain Python, a row and a swap at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stade_nb.beyond import dsnot
from stade_nb.numerics import masks, metrics
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.moments import Moments


def drawn(seed, inputs=16, outputs=6):
    generator = torch.Generator().manual_seed(seed)
    offsets = 2 * torch.randn(inputs, generator=generator, dtype=torch.float64)
    x = torch.randn(60, inputs, generator=generator, dtype=torch.float64) + offsets
    return x, torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)


def slow(w, pruned, x, group, threshold, rounds):
    """One row: lists of what may come back and what may go, and one swap after the other."""
    count = len(x)
    mean = [float(x[:, j].sum()) / count for j in range(len(w))]
    var = [float(((x[:, j] - mean[j]) ** 2).sum()) / (count - 1) for j in range(len(w))]
    part = [float(w[j]) * mean[j] for j in range(len(w))]
    score = [abs(float(w[j])) * float(x[:, j].norm()) for j in range(len(w))]
    pruned = list(map(bool, pruned))
    error = sum(part[j] for j in range(len(w)) if pruned[j])
    side = 1 if error > 0 else -1
    back = [j for j in range(len(w)) if pruned[j] and side * part[j] > 0]
    gone = [j for j in range(len(w)) if not pruned[j]]
    for _ in range(rounds):
        if abs(error) < threshold or not back:
            break
        coming = max(back, key=lambda j: side * part[j] / var[j])
        if group:
            may = [j for j in gone if j // group == coming // group]
        else:
            may = [j for j in gone if side * part[j] < 0]
        if not may:
            break
        going = min(may, key=lambda j: score[j])
        after = error + part[going] - part[coming]
        if after * side <= 0:
            break
        pruned[coming], pruned[going], error = False, True, after
        back.remove(coming)
        gone.remove(going)
    return pruned


def test_it_stops_where_its_paper_does():
    """The defaults of DSnoT's public code: threshold, rounds, and the power of the variance."""
    assert (dsnot.THRESHOLD, dsnot.ROUNDS, dsnot.POWER) == (0.1, 50, 1.0)


@given(
    seed=st.integers(0, 10_000),
    pattern=st.sampled_from(["0.5", "0.3", "2:4", "4:8"]),
    threshold=st.sampled_from([0.0, 0.1, 1.0]),
    rounds=st.sampled_from([1, 50]),
)
def test_the_mask_is_that_of_one_swap_after_the_other(seed, pattern, threshold, rounds):
    x, weight = drawn(seed)
    moments, parsed = Moments.of(x), parse_pattern(pattern)
    pruned = masks.select(metrics.wanda(weight, moments.norm), parsed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dsnot, "ROUNDS", rounds)
        found = dsnot.swapped(weight, pruned, moments, parsed, threshold)
    for row in range(len(weight)):
        expected = slow(weight[row], pruned[row], x, parsed.m, threshold, rounds)
        assert found[row].tolist() == expected


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_swaps_shrink_the_mean_that_is_lost_and_keep_the_pattern(pattern):
    x, weight = drawn(1, inputs=64, outputs=40)
    moments, parsed = Moments.of(x), parse_pattern(pattern)
    pruned = masks.select(metrics.wanda(weight, moments.norm), parsed)
    found = dsnot.swapped(weight, pruned, moments, parsed)
    share = weight * moments.mean
    before, after = ((share * mask).sum(1).abs() for mask in (pruned, found))
    assert after.sum() < 0.8 * before.sum() and not found.equal(pruned)
    if parsed.m is None:
        assert (after <= before).all()
    size = 64 if parsed.m is None else parsed.m
    assert (found.reshape(40, -1, size).sum(2) == size // 2).all()


def test_eq_7_sets_the_same_mean_to_zero_for_any_mask():
    x, weight = drawn(2)
    moments, parsed = Moments.of(x), parse_pattern("0.5")
    pruned = masks.select(metrics.wanda(weight, moments.norm), parsed)
    made = dsnot.with_correction(weight, None, pruned, moments, parsed)
    lost = x @ weight.T - (x @ made.weight.T + made.bias)
    assert lost.mean(0).abs().max() < 1e-12
    alone = dsnot.without_correction(weight, None, pruned, moments, parsed)
    assert alone.bias is None and alone.weight.equal(made.weight)
    assert made.pruned.equal(alone.pruned) and (made.weight[made.pruned] == 0).all()


@pytest.mark.parametrize(("small", "swaps"), [(0.05, True), (0.2, False)])
def test_a_constant_input_comes_back_and_no_swap_changes_the_sign(small, swaps):
    """Means 2, 0, 3, -3: pruned are the first, the constant 0 and the third; the last may go."""
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x - x.mean(0) + torch.tensor([2.0, 0, 3, -3])
    x[:, 0], x[:, 1] = 2.0, 0.0
    weight = torch.tensor([[0.1, 0.1, 0.1, small]], dtype=torch.float64)
    pruned = torch.tensor([[True, True, True, False]])
    # lost: 0.2 + 0 + 0.3; with the swap 0.5 - 0.2 - 3 small
    found = dsnot.swapped(weight, pruned, Moments.of(x), parse_pattern("0.5"), threshold=0.0)
    assert found.tolist() == [[False, True, True, True] if swaps else [True, True, True, False]]
