"""Gaussian layers on which Eqs. 2–9 can be checked: exactly, and by Monte Carlo.

A layer has `weight` (..., out, in) and `bias` (..., out); its input X_j ~ N(mean_j, std_j²), all
independent, with `mean` and `std` (..., in). Leading dimensions are layers side by side. Float64.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from stade_nb.numerics.moments import Moments

DRAWN_AT_ONCE = 1 << 14


class Layer(NamedTuple):
    """Eq. 2: weight (out, in), bias (out,), and the inputs' mean and std, (in,) each.

    Many layers have the same leading dimensions in all four.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor


class Estimate(NamedTuple):
    """Monte Carlo means and their standard errors after `samples` draws, (out, in) each."""

    samples: int
    mean: Tensor
    error: Tensor


def random_layers(
    shape: tuple[int, ...],
    mean_range: tuple[float, float],
    std_range: tuple[float, float],
    generator: torch.Generator,
) -> Layer:
    """Layers of Sec. 3.1 with weights of `shape` (..., out, in) on the generator's device.

    Weights and biases are standard normal; means and standard deviations uniform in their ranges.
    """
    device, of_inputs = generator.device, shape[:-2] + shape[-1:]

    def uniform(low, high):
        draws = torch.rand(of_inputs, generator=generator, dtype=torch.float64, device=device)
        return low + (high - low) * draws

    weight, bias = normal(shape, generator), normal(shape[:-1], generator)
    return Layer(weight, bias, uniform(*mean_range), uniform(*std_range))


def normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal numbers of `shape` on the generator's device, float64."""
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=generator.device)


def loss(bias, new_bias, weight, mean, variance):
    """Eq. 3, last line: (B - B*)² + 2 (B - B*) mu_j W_j + (sigma_j² + mu_j²) W_j².

    Numbers, or tensors that broadcast to (out, in), which is then the shape of the result.
    """
    step = bias - new_bias
    return step**2 + 2 * step * mean * weight + (variance + mean**2) * weight**2


def slope(bias, new_bias, weight, mean):
    """Eq. 7: the derivative of Eq. 3 by B*, -2 (B - B*) - 2 mu_j W_j. Arguments as in `loss`."""
    return -2 * (bias - new_bias) - 2 * mean * weight


def best_bias(bias, weight, mean):
    """Eq. 7: B* = B + mu_j W_j, where the derivative is zero. Arguments as in `loss`."""
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


def drawn_loss(layer: Layer, new_bias: Tensor, x: Tensor) -> Tensor:
    """Eq. 2 before the expectation: the squared change for each draw, (samples, out, in)."""
    return change(layer.weight, layer.bias, new_bias, x).square()


def drawn_slope(layer: Layer, new_bias: Tensor, x: Tensor) -> Tensor:
    """Eq. 7 before the expectation: its derivative by B* for each draw, by autograd.

    new_bias: (out, in), as in `change`. x: (samples, in). Returns (samples, out, in).
    """
    step = torch.zeros(len(x), *layer.weight.shape, dtype=x.dtype, device=x.device)
    step.requires_grad_()
    values = (change(layer.weight, layer.bias, new_bias, x) - step).square()
    return torch.autograd.grad(values.sum(), step)[0]


def monte_carlo(
    layer: Layer,
    values: Callable[[Tensor], Tensor],
    counts: Sequence[int],
    generator: torch.Generator,
) -> list[Estimate]:
    """Mean and standard error of values(x) after each of `counts` draws x of one layer's input.

    values: (samples, in) -> (samples, out, in). The draws are nested: an estimate from more draws
    contains those before it.
    """
    gathered = Moments.zeros(layer.weight.numel(), layer.weight.device)
    estimates = []
    for count in sorted(counts):
        while gathered.count < count:
            rows = min(DRAWN_AT_ONCE, count - gathered.count)
            x = layer.mean + layer.std * normal((rows, *layer.mean.shape), generator)
            gathered.update(values(x).flatten(1))
        found = gathered.mean, (gathered.variance / count).sqrt()
        estimates.append(Estimate(count, *(part.view_as(layer.weight) for part in found)))
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

    steps = [minimize_scalar(loss_at, args=(n,), method="brent").x for n in range(keep.numel())]
    return keep + torch.tensor(steps, dtype=keep.dtype, device=keep.device).view_as(keep)
