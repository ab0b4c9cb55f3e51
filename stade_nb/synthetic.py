"""Gaussian layers on which Eqs. 2–9 can be checked: exactly, and by Monte Carlo.

A layer has `weight` (..., out, in) and `bias` (..., out); its input X_j ~ N(mean_j, std_j²), all
independent, with `mean` and `std` (..., in). Leading dimensions are layers side by side. Float64.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from stade_nb import metrics
from stade_nb.moments import Moments

DRAWN_AT_ONCE = 1 << 14


class Layer(NamedTuple):
    weight: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor


class Estimate(NamedTuple):
    """Monte Carlo means and their standard errors after `samples` draws, (out, in) each."""

    samples: int
    mean: Tensor
    error: Tensor


def random_layers(layers: int, outputs: int, inputs: int, mean_range: tuple[float, float],
                  std_range: tuple[float, float], generator: torch.Generator) -> Layer:
    """`layers` layers of Sec. 3.1: normal weights and biases; means and stds uniform in ranges."""

    def uniform(span):
        draws = torch.rand(layers, inputs, generator=generator, dtype=torch.float64,
                           device=generator.device)
        return span[0] + (span[1] - span[0]) * draws

    return Layer(_normal((layers, outputs, inputs), generator),
                 _normal((layers, outputs), generator), uniform(mean_range), uniform(std_range))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=generator.device)


def loss(bias, new_bias, weight, mean, variance):
    """Eq. 3, last line: (B - B*)² + 2 (B - B*) mu_j W_j + (sigma_j² + mu_j²) W_j²."""
    step = bias - new_bias
    return step**2 + 2 * step * mean * weight + (variance + mean**2) * weight**2


def slope(bias, new_bias, weight, mean):
    """Eq. 7: the derivative of Eq. 3 by B*, -2 (B - B*) - 2 mu_j W_j."""
    return -2 * (bias - new_bias) - 2 * mean * weight


def best_bias(bias, weight, mean):
    """Eq. 7: B* = B + mu_j W_j, where the derivative is zero."""
    return bias + mean * weight


def change(weight: Tensor, bias: Tensor, new_bias: Tensor, x: Tensor) -> Tensor:
    """Eq. 2, taken literally: by how much outputs change when a weight goes, each in turn.

    x: (..., samples, in). new_bias: (..., out, in), B* for the removal of weight [i, j].
    Returns (..., samples, out, in): output i of the layer minus output i without its weight j,
    both computed in full; nothing is cancelled by hand.
    """
    inputs = weight.shape[-1]
    keep = 1 - torch.eye(inputs, dtype=weight.dtype, device=weight.device)
    removed = weight.unsqueeze(-2) * keep  # (..., out, in, in): in row j weight j is zero
    before = bias.unsqueeze(-2) + x @ weight.mT
    flat = removed.reshape(*removed.shape[:-3], -1, inputs)
    after = (x @ flat.mT).reshape(*before.shape, inputs) + new_bias.unsqueeze(-3)
    return before.unsqueeze(-1) - after


def nodes(mean: Tensor, std: Tensor) -> Tensor:
    """2·in points whose plain average is the exact expectation of any quadratic: (..., 2 in, in).

    The points mean ± sqrt(in) std_k e_k have the mean and the covariance of independent inputs,
    and a quadratic depends on nothing else: an expectation without sampling and without Eq. 3.
    """
    steps = torch.diag_embed(std * std.shape[-1] ** 0.5)
    return mean.unsqueeze(-2) + torch.cat([steps, -steps], dim=-2)


def expected_loss(layer: Layer, new_bias: Tensor) -> Tensor:
    """Eq. 2's expectation for each weight in turn, from the literal change: (..., out, in)."""
    x = nodes(layer.mean, layer.std)
    return change(layer.weight, layer.bias, new_bias, x).square().mean(dim=-3)


def monte_carlo(layer: Layer, new_bias: Tensor, counts: Sequence[int],
                generator: torch.Generator) -> list[Estimate]:
    """Eq. 2's expectation for one layer by sampling, as it stands after each of `counts` draws.

    The draws are nested: the estimate at a larger count contains those at the smaller ones.
    """
    shape = layer.weight.shape
    gathered = Moments.zeros(layer.weight.numel(), layer.weight.device)
    estimates = []
    for count in sorted(counts):
        while gathered.count < count:
            rows = min(DRAWN_AT_ONCE, count - gathered.count)
            x = layer.mean + layer.std * _normal((rows, shape[-1]), generator)
            gathered.update(change(layer.weight, layer.bias, new_bias, x).square().flatten(1))
        error = (gathered.variance / count).sqrt()
        estimates.append(Estimate(count, gathered.mean.view(shape), error.view(shape)))
    return estimates


def slope_by_autograd(layer: Layer, new_bias: Tensor) -> Tensor:
    """Eq. 7's left-hand side: the derivative of Eq. 2's expectation by B*, (..., out, in)."""
    leaf = new_bias.detach().clone().requires_grad_()
    expected_loss(layer, leaf).sum().backward()
    return leaf.grad


def best_bias_by_search(layer: Layer) -> Tensor:
    """Eq. 7's root found by Brent's method on Eq. 2's expectation, weight by weight: (out, in)."""
    keep = layer.bias.unsqueeze(-1).expand_as(layer.weight)

    def loss_at(step: float, flat: int) -> float:
        return float(expected_loss(layer, keep + step).flatten()[flat])

    steps = [minimize_scalar(loss_at, args=(flat,), method="brent").x
             for flat in range(layer.weight.numel())]
    return keep + torch.tensor(steps, dtype=keep.dtype, device=keep.device).view_as(keep)


def lowest_losses(layer: Layer, refit: bool) -> Tensor:
    """Eq. 2's minimum over B* for each weight in turn, found without Eq. 7: (..., out, in).

    With `refit` a parabola through the losses at three biases gives the best; without, B* = B.
    """
    keep = layer.bias.unsqueeze(-1).expand_as(layer.weight)
    if not refit:
        return expected_loss(layer, keep)
    low, middle, high = (expected_loss(layer, keep + step) for step in (-1.0, 0.0, 1.0))
    lowest = keep + (low - high) / (2 * (low - 2 * middle + high))
    return expected_loss(layer, lowest)


def scores(layer: Layer) -> dict[str, Tensor]:
    """Eqs. 10, 11 and 9 with the true moments of the inputs; Wanda's norm is per token."""
    weight, mean, variance = layer.weight, layer.mean.unsqueeze(-2), layer.std.unsqueeze(-2)**2
    return {
        "wanda": metrics.wanda(weight, (variance + mean**2).sqrt()),
        "std": metrics.std(weight, variance),
        "without_bias": metrics.without_bias(weight, mean, variance),
    }


class Agreement(NamedTuple):
    """How a metric's choices compare with brute force: over `outputs` outputs, `agree` are equal.

    excess: the summed loss of the metric's choices over the summed least loss, minus 1.
    """

    metric: str
    refit: bool
    outputs: int
    agree: int
    excess: float


def agreements(layers: Layer) -> list[Agreement]:
    """Eqs. 8 and 9: does each metric choose the weight whose removal costs least?

    Every weight of every output is removed in turn, with B* refitted (Eq. 8) and with B* = B
    (Eq. 9); the least loss found this way is what the metric's choice is compared with.
    """
    found = []
    for refit in (True, False):
        losses = lowest_losses(layers, refit)
        best, at = losses.min(dim=-1)
        for metric, score in scores(layers).items():
            choice = score.argmin(dim=-1)
            cost = losses.gather(-1, choice.unsqueeze(-1)).squeeze(-1)
            found.append(Agreement(metric, refit, at.numel(), int((choice == at).sum()),
                                   float(cost.sum() / best.sum() - 1)))
    return found


def agreement_from_samples(layers: Layer, samples: int, generator: torch.Generator) -> float:
    """Eq. 8's last step: share of outputs where the variance of `samples` draws chooses alike."""
    draws = _normal((layers.mean.shape[0], samples, layers.mean.shape[-1]), generator)
    x = layers.mean.unsqueeze(-2) + layers.std.unsqueeze(-2) * draws
    estimated = metrics.std(layers.weight, x.var(dim=-2, keepdim=True)).argmin(dim=-1)
    return float((estimated == scores(layers)["std"].argmin(dim=-1)).double().mean())
