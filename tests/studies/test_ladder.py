"""The least losses and the gap between linear and affine refit, against losses of the samples."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stade_book.studies import ladder


def drawn(seed, tokens=300, inputs=12, outputs=5, offset=2.0):
    """Samples with the moments that they have themselves, a weight, and a mask by row."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = draw(tokens, inputs) @ draw(inputs, inputs) + offset * draw(inputs)
    pruned = draw(outputs, inputs).argsort(1) < inputs // 2
    return x, draw(outputs, inputs), pruned, x.mean(0), torch.cov(x.T, correction=0)


def brute_force(x, w, gone):
    """What each rung leaves of one row: mean squares of the samples, lstsq for the refits."""
    left = x[:, gone] @ w[gone]
    kept, ones = x[:, ~gone], torch.ones(len(x), 1, dtype=torch.float64)

    def residual(columns):
        return left - columns @ torch.linalg.lstsq(columns, left[:, None]).solution[:, 0]

    rungs = (left, left - left.mean(), residual(kept), residual(torch.cat([kept, ones], 1)))
    return [error.square().mean() for error in rungs]


@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 0.5, 2.0, 10.0]))
def test_every_rung_is_the_least_loss_by_brute_force(seed, offset):
    x, weight, pruned, mean, covariance = drawn(seed, offset=offset)
    found = ladder.least_losses(weight, pruned, mean, covariance)
    for row in range(len(weight)):
        expected = torch.stack(brute_force(x, weight[row], pruned[row]))
        ours = torch.stack([rung[row] for rung in found])
        torch.testing.assert_close(ours, expected, rtol=1e-7, atol=1e-9)
    assert (found.bias <= found.none).all() and (found.affine <= found.linear + 1e-9).all()
    assert (found.affine <= found.bias + 1e-9).all()


@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.5, 2.0, 10.0]))
def test_the_gap_is_linear_minus_affine_to_1e_10(seed, offset):
    _, weight, pruned, mean, covariance = drawn(seed, offset=offset)
    losses = ladder.least_losses(weight, pruned, mean, covariance)
    gap = ladder.gap(weight, pruned, mean, covariance)
    error = (gap.value - (losses.linear - losses.affine)).abs()
    assert (error <= 1e-10 * losses.none).all()
    assert ((gap.share > 0) & (gap.share <= 1)).all()
    torch.testing.assert_close(gap.value, gap.residual.square() * gap.share)


@given(seed=st.integers(0, 10_000), offset=st.sampled_from([0.0, 2.0, 10.0]))
def test_what_methods_make_of_a_layer_leaves_the_least_losses(seed, offset):
    _, weight, pruned, mean, covariance = drawn(seed, offset=offset)
    made = ladder.measured(weight, pruned, mean, covariance)
    least = ladder.least_losses(weight, pruned, mean, covariance)
    for ours, rows in zip(made, least, strict=True):
        torch.testing.assert_close(ours, rows.sum(), rtol=1e-8, atol=1e-9)


def test_centred_inputs_gain_nothing_by_a_bias_and_independent_ones_nothing_by_a_linear_refit():
    _, weight, pruned, mean, covariance = drawn(0)
    at_zero = ladder.least_losses(weight, pruned, torch.zeros_like(mean), covariance)
    assert at_zero.none.equal(at_zero.bias) and at_zero.linear.allclose(at_zero.affine)
    assert ladder.gap(weight, pruned, torch.zeros_like(mean), covariance).value.abs().max() == 0
    alone = torch.diag(covariance.diagonal())
    independent = ladder.least_losses(weight, pruned, torch.zeros_like(mean), alone)
    assert independent.none.allclose(independent.affine)


def test_the_share_is_of_a_constant_that_kept_inputs_cannot_make():
    """1/(1 + d²) is what least squares on the kept inputs leaves of a column of ones."""
    x, weight, pruned, mean, covariance = drawn(4)
    shares = ladder.gap(weight, pruned, mean, covariance).share
    for share, gone in zip(shares, pruned, strict=True):
        kept, ones = x[:, ~gone], torch.ones(len(x), 1, dtype=torch.float64)
        left = ones - kept @ torch.linalg.lstsq(kept, ones).solution
        assert left.square().mean().item() == pytest.approx(share.item(), rel=1e-9)


def test_a_layers_loss_is_the_samples_mean_square():
    x, weight, pruned, mean, covariance = drawn(7)
    after, added = weight.masked_fill(pruned, 0) * 1.1, torch.linspace(-1, 1, len(weight)).double()
    error = x @ (weight - after).T - added
    found = ladder.layer_loss(weight, after, added, mean, covariance)
    torch.testing.assert_close(found, error.square().mean(0).sum())
    alone = ladder.layer_loss(weight, after, None, mean, covariance)
    torch.testing.assert_close(alone, (error + added).square().mean(0).sum())
    none = ladder.layer_loss(weight, weight.masked_fill(pruned, 0), None, mean, covariance)
    torch.testing.assert_close(
        none, ladder.least_losses(weight, pruned, mean, covariance).none.sum()
    )
