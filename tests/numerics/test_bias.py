"""Eq. 7 against loops, a numerical minimum and the reference code."""

import pytest
import torch
from conftest import PATTERNS

from stade_nb.errors import StadeError
from stade_nb.numerics import bias, masks, metrics


@pytest.fixture
def layer():
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(64, 6, generator=generator, dtype=torch.float64) + torch.arange(6)
    weight = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    pruned = torch.rand(3, 6, generator=generator) < 0.5
    return x, weight, torch.randn(3, generator=generator, dtype=torch.float64), pruned


@pytest.mark.parametrize("pattern", PATTERNS)
def test_golden(golden, golden_moments, pattern):
    pruned = masks.select(metrics.std(golden["W"], golden_moments.variance), pattern)
    got = bias.corrected(golden["b"], golden["W"], pruned, golden_moments.mean)
    torch.testing.assert_close(got, golden[f"std/{pattern}/bias"], rtol=0, atol=1e-5)


def test_against_loops(layer):
    x, weight, b, pruned = layer
    mean = x.mean(dim=0)
    expected = [
        sum(float(mean[j] * weight[i, j]) for j in range(6) if pruned[i, j]) for i in range(3)
    ]
    assert bias.correction(weight, pruned, mean).tolist() == pytest.approx(expected, rel=1e-12)
    assert bias.corrected(b, weight, pruned, mean).equal(b + bias.correction(weight, pruned, mean))
    assert bias.corrected(None, weight, pruned, mean).equal(bias.correction(weight, pruned, mean))


def test_it_is_the_minimum_of_equation_2(layer):
    """A least-squares fit of the bias alone finds the same numbers."""
    x, weight, b, pruned = layer
    target = x @ weight.T + b
    fitted = (target - x @ weight.masked_fill(pruned, 0).T).mean(dim=0)
    torch.testing.assert_close(bias.corrected(b, weight, pruned, x.mean(dim=0)), fitted)
    free = b.clone().requires_grad_()
    loss = (x @ weight.masked_fill(pruned, 0).T + free - target).square().mean(dim=0).sum()
    step = torch.autograd.grad(loss, free)[0] / 2  # the loss is exactly quadratic in the bias
    torch.testing.assert_close(bias.corrected(b, weight, pruned, x.mean(dim=0)), b - step)


def test_zeroed_weights_leave_nothing_to_correct(layer):
    """Audit 1: the order that the authors' second version has."""
    x, weight, _, pruned = layer
    zeroed = weight.masked_fill(pruned, 0)
    assert bias.correction(zeroed, pruned, x.mean(dim=0)).abs().max() == 0


def test_nothing_pruned_nothing_added(layer):
    x, weight, b, pruned = layer
    assert bias.corrected(b, weight, torch.zeros_like(pruned), x.mean(dim=0)).equal(b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_sum_is_float64_and_the_bias_keeps_its_dtype(layer, dtype):
    x, weight, b, pruned = layer
    mean = x.mean(dim=0)
    weight = weight.to(dtype)
    added = bias.correction(weight, pruned, mean)
    assert added.dtype == torch.float64
    torch.testing.assert_close(added, bias.correction(weight.double(), pruned, mean))
    assert bias.corrected(None, weight, pruned, mean).dtype == dtype
    assert bias.corrected(b.float(), weight, pruned, mean).dtype == torch.float32


def test_shapes_that_do_not_belong_together(layer):
    x, weight, b, pruned = layer
    message = r"weight \(3, 6\), mask \(3, 6\) and mean \(5,\) do not belong together"
    with pytest.raises(StadeError, match=message):
        bias.correction(weight, pruned, x.mean(dim=0)[:5])
    with pytest.raises(StadeError, match=r"mask \(6, 3\)"):
        bias.corrected(b, weight, pruned.T, x.mean(dim=0))
