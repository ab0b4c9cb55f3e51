"""Is STADE a case of SymWanda? The algebra on the page of readers' questions, run."""

import numpy as np
import pytest
import torch

from stade_nb.beyond import scores
from stade_nb.numerics.moments import Moments

TOKENS = 4000


def inputs(mean, sigma, seed=0):
    """(tokens, in) with exactly these means and standard deviations, uncorrelated."""
    draw = np.random.default_rng(seed).normal(size=(TOKENS, len(mean)))
    draw -= draw.mean(axis=0)
    draw = np.linalg.qr(draw)[0] * np.sqrt(TOKENS - 1)
    return torch.tensor(np.asarray(mean) + np.asarray(sigma) * draw)


def order(score):
    return torch.argsort(score[0]).tolist()


def family(weight, moments, constant):
    """|W_ij| · (‖X_j‖² / N + c)^½: SymWanda in one row, whose output's norm is one number."""
    return weight.abs() * (moments.second_moment + constant).sqrt()


def test_in_a_row_symwanda_adds_a_constant_to_the_second_moment():
    x = inputs([1.0, -2.0, 0.5], [1.0, 0.3, 2.0])
    moments = Moments.of(x, gram=True)
    weight = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    output = (x @ weight.T).square().mean()
    ours = scores.symwanda(weight, moments.gram) / np.sqrt(TOKENS)
    assert torch.allclose(ours, family(weight, moments, output))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0, 100.0, 1e6])
def test_no_member_of_the_family_orders_this_layer_as_stade_does(constant):
    weight = torch.ones(1, 2, dtype=torch.float64)
    moments = Moments.of(inputs([0.0, 1.0], [1.0, 0.5**0.5]))
    assert order(weight.abs() * moments.variance.sqrt()) == [1, 0]  # STD: the second goes first
    assert order(family(weight, moments, constant)) == [0, 1]


def test_where_squared_means_fit_the_variances_one_member_is_stade():
    sigma = np.array([0.5, 1.0, 2.0, 1.5])
    slope, constant = 0.8, 0.1  # mu^2 = a sigma^2 - c
    moments = Moments.of(inputs(np.sqrt(slope * sigma**2 - constant), sigma))
    weight = torch.tensor([[1.0, -0.7, 0.2, 0.4]], dtype=torch.float64)
    ratio = family(weight, moments, constant) / (weight.abs() * moments.variance.sqrt())
    assert torch.allclose(ratio, torch.full_like(ratio, (1 + slope) ** 0.5), rtol=1e-3)


def test_without_a_mean_both_are_wanda():
    moments = Moments.of(inputs([0.0, 0.0, 0.0], [1.0, 0.2, 3.0]))
    weight = torch.tensor([[1.0, -4.0, 0.1]], dtype=torch.float64)
    wanda = weight.abs() * moments.norm
    assert torch.allclose(family(weight, moments, 0.0) * TOKENS**0.5, wanda)
    assert order(weight.abs() * moments.variance.sqrt()) == order(wanda)
