"""Least squares by row, against the textbook's on the samples themselves."""

import pytest
import torch

from stade_nb.beyond import refit
from stade_nb.numerics import masks, sparsegpt
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.moments import Moments

TOKENS, INPUTS, OUTPUTS = 400, 24, 10


@pytest.fixture
def layer():
    """Correlated inputs with means of their own, float64, a weight and a bias."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = draw(TOKENS, INPUTS) @ draw(INPUTS, INPUTS) + 3 * draw(INPUTS)
    return x, draw(OUTPUTS, INPUTS), draw(OUTPUTS)


def uneven(weight):
    """A mask whose rows keep different numbers of weights, all and none among them."""
    score = torch.arange(weight.numel()).reshape(weight.shape) * 37 % 101
    pruned = score < 50
    pruned[2], pruned[4] = False, True
    return pruned


def least_squares(x, w, bias, gone, constant):
    """One row by lstsq on the samples: the kept inputs, and a column of ones for a constant."""
    y = x @ w + bias
    columns = x[:, ~gone] if not constant else torch.cat([x[:, ~gone], torch.ones(len(x), 1)], 1)
    target = y - (0 if constant else bias)
    found = torch.linalg.lstsq(columns, target[:, None]).solution[:, 0]
    new = torch.zeros_like(w)
    kept = int((~gone).sum())
    new[~gone] = found[:kept]
    return new, found[-1] if constant else bias


def test_its_damping_is_a_hundredth_of_the_mean_diagonal_unless_another_is_given(layer):
    x, weight, _ = layer
    second, gone = x.T @ x / len(x), uneven(weight)
    own = refit.solved(weight, gone, second + 0.01 * second.diag().mean() * torch.eye(INPUTS), 0)
    ridge = refit.solved(weight, gone, second)
    assert not ridge.allclose(refit.solved(weight, gone, second, 0), atol=1e-6)
    # λ stands in S_KK alone, and both ways have S_KP as it is.
    assert ridge.allclose(own, atol=1e-9)


@pytest.mark.parametrize("pattern", ["0.5", "2:4", "4:8", "0.7", "uneven"])
@pytest.mark.parametrize("finish", [refit.linear, refit.affine])
def test_every_row_is_the_least_squares_of_its_samples(layer, finish, pattern, monkeypatch):
    monkeypatch.setattr(refit.solved, "__defaults__", (0,))
    x, weight, bias = layer
    pruned = uneven(weight) if pattern == "uneven" else masks.select(weight.abs(), pattern)
    made = finish(weight, bias, pruned, Moments.of(x, gram=True), parse_pattern("0.5"))
    for row in range(OUTPUTS):
        new, constant = least_squares(
            x, weight[row], bias[row], pruned[row], finish is refit.affine
        )
        torch.testing.assert_close(made.weight[row], new, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(made.bias[row], constant, rtol=1e-9, atol=1e-9)
    assert not made.weight[pruned].any() and made.pruned.equal(pruned)


def test_damping_pulls_towards_the_weights_that_were(layer):
    """The least of (v - w)ᵀ(S + λ)(v - w): its gradient vanishes on the kept columns."""
    x, weight, _ = layer
    second = x.T @ x / TOKENS
    pruned = masks.select(weight.abs(), "0.5")
    new = refit.solved(weight, pruned, second, damping=0.3)
    damped = second + 0.3 * second.diagonal().mean() * torch.eye(INPUTS, dtype=torch.float64)
    gradient = (new - weight) @ damped
    assert gradient[~pruned].abs().max() < 1e-10 * gradient[pruned].abs().max()
    far = refit.solved(weight, pruned, second, damping=1e9)
    torch.testing.assert_close(far, weight.masked_fill(pruned, 0), rtol=0, atol=1e-5)


def test_no_solver_with_that_mask_leaves_less(layer):
    """SparseGPT's column by column update is no better than the rows' optimum, at its damping."""
    x, weight, _ = layer
    moments = Moments.of(x, gram=True)
    hessian = sparsegpt.hessian(moments)
    theirs, pruned = sparsegpt.solve(weight, hessian, parse_pattern("2:4"))
    ours = refit.linear(weight, None, pruned, moments, parse_pattern("2:4")).weight
    damped = hessian + 0.01 * hessian.diagonal().mean() * torch.eye(INPUTS, dtype=torch.float64)

    def loss(new):
        return (((new - weight) @ damped) * (new - weight)).sum(1)

    assert (loss(ours) <= loss(theirs) + 1e-12).all() and loss(ours).sum() < loss(theirs).sum()


def test_a_layer_without_bias_gets_one_by_the_affine_refit_alone(layer):
    x, weight, _ = layer
    moments, pruned = Moments.of(x, gram=True), masks.select(weight.abs(), "2:4")
    half = weight.to(torch.float16)
    assert refit.linear(half, None, pruned, moments, None).bias is None
    made = refit.affine(half, None, pruned, moments, None)
    assert made.weight.dtype == made.bias.dtype == torch.float16
    means = (x @ (half.double() - made.weight.double()).T).mean(0)
    torch.testing.assert_close(made.bias.double(), means, rtol=2e-3, atol=2e-3)


def test_an_input_that_is_always_0_leaves_its_weight_alone():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 0
    weight = torch.tensor([[1.0, 2, 3, 4]])
    pruned = torch.tensor([[False, False, False, True]])
    new = refit.linear(weight, None, pruned, Moments.of(x, gram=True), None).weight
    assert new[0, 1] == 2 and new[0, 0] != 1


def test_what_cannot_be_solved_is_said():
    weight, pruned = torch.ones(2, 6), torch.zeros(2, 6, dtype=torch.bool)
    few = torch.ones(6, 6, dtype=torch.float64)
    with pytest.raises(ValueError, match="singular at damping 0: calibrate with more tokens"):
        refit.solved(weight, pruned, few, damping=0)
    with pytest.raises(ValueError, match=r"second moments \(4, 4\) do not belong together"):
        refit.solved(weight, pruned, few[:4, :4])


@pytest.mark.parametrize("rows_at_once", [1, 3, 1000])
@pytest.mark.parametrize("mask", ["2:4", "uneven"])
def test_many_rows_at_once_are_row_by_row(layer, mask, rows_at_once, monkeypatch):
    """What a GPU does."""
    x, weight, _ = layer
    kept = ~(uneven(weight) if mask == "uneven" else masks.select(weight.abs(), mask))
    second = x.T @ x / TOKENS
    monkeypatch.setattr(refit, "AT_ONCE", rows_at_once * INPUTS**2)
    found = refit._batched(second, kept, weight @ second)
    torch.testing.assert_close(found, refit._row_by_row(second, kept, weight @ second))
    assert not found[~kept].any()
    assert refit._batched(torch.zeros_like(second), kept, weight @ second) is None
