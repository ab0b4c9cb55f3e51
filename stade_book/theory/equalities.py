"""The equalities displayed in Eqs. 3 and 7–9: both sides computed, on one layer."""

from itertools import pairwise

import numpy as np
import pandas
import torch
from torch import Tensor

from stade_book.theory import brute_force, synthetic
from stade_book.theory.synthetic import Layer
from stade_nb.numerics import metrics
from stade_nb.numerics.moments import Moments

# Of the largest value. A search for a minimum ends at about the square root of the rounding error.
ROUNDING, SEARCH = 1e-12, 1e-6


def _closed(layer: Layer, new_bias: Tensor) -> Tensor:
    bias = layer.bias.unsqueeze(-1)
    return synthetic.loss(bias, new_bias, layer.weight, layer.mean, layer.std**2)


def _table(sides: list[tuple[str, str, str, Tensor, Tensor]]) -> pandas.DataFrame:
    """A row for each equality (equation, left, right, and the values of both sides).

    A difference is the largest, relative to the largest value, or to 1 where the right side is zero
    throughout; `holds` where it is below `tolerance`.
    """
    rows = []
    for equation, left, right, a, b in sides:
        gap = float((a - b).abs().max() / (b.abs().max() or 1))
        tolerance = SEARCH if "search" in left else ROUNDING
        rows.append((equation, left, right, gap, tolerance, gap < tolerance))
    columns = ["equation", "left", "right", "difference", "tolerance", "holds"]
    return pandas.DataFrame(rows, columns=columns)


def exact(layer: Layer, new_bias: Tensor) -> pandas.DataFrame:
    """Eqs. 3 and 7–9 without sampling: two sides of each equality for every weight of `layer`.

    new_bias: (out, in), an arbitrary B* for Eqs. 3 and 7. "full" is Eq. 2's expectation with the
    layer run with and without each weight. Columns: see `_table`.
    """
    bias, squared = layer.bias.unsqueeze(-1), layer.weight**2
    keep, best = bias.expand_as(squared), synthetic.best_bias(bias, layer.weight, layer.mean)
    variance, second = layer.std**2, layer.std**2 + layer.mean**2
    leaf = new_bias.clone().requires_grad_()
    (slope,) = torch.autograd.grad(_closed(layer, leaf).sum(), leaf)
    printed = synthetic.slope(bias, new_bias, layer.weight, layer.mean)
    full, full_slope = (
        function(layer, new_bias)
        for function in (synthetic.expected_loss, synthetic.slope_by_autograd)
    )
    searched = synthetic.best_bias_by_search(layer)
    least, unchanged = (brute_force.lowest_losses(layer, refit) for refit in (True, False))
    return _table(
        [
            ("Eq. 3", "full", "closed form", full, _closed(layer, new_bias)),
            ("Eq. 7", "d full / dB*", "d closed form / dB*", full_slope, slope),
            ("Eq. 7", "d closed form / dB*", "−2(B − B*) − 2μW", slope, printed),
            ("Eq. 7", "B* where full is least, by search", "B + μW", searched, best),
            ("Eq. 8", "full, least over B*", "closed form at B + μW", least, _closed(layer, best)),
            ("Eq. 8", "closed form at B + μW", "σ²W²", _closed(layer, best), variance * squared),
            ("Eq. 9", "full at B* = B", "closed form at B", unchanged, _closed(layer, keep)),
            ("Eq. 9", "closed form at B", "(σ² + μ²)W²", _closed(layer, keep), second * squared),
        ]
    )


def sampled(
    layer: Layer, new_bias: Tensor, counts: list[int], generator: torch.Generator
) -> pandas.DataFrame:
    """Eqs. 3 and 7–9 by Monte Carlo against the closed forms, after each of `counts` draws.

    Columns: equation, draws; error, the root mean square over the weights of estimate - closed
    form in units of one draw's standard deviation, which should be 1/√draws; furthest, the largest
    deviation in standard errors.
    """
    bias, squared = layer.bias.unsqueeze(-1), layer.weight**2
    best = synthetic.best_bias(bias, layer.weight, layer.mean)
    slope = synthetic.slope(bias, new_bias, layer.weight, layer.mean)
    loss, second = synthetic.drawn_loss, layer.std**2 + layer.mean**2
    cases = [
        ("Eq. 3, loss at any B*", loss, new_bias, _closed(layer, new_bias)),
        ("Eq. 7, derivative at any B*", synthetic.drawn_slope, new_bias, slope),
        ("Eq. 8, loss at B* = B + μW", loss, best, layer.std**2 * squared),
        ("Eq. 9, loss at B* = B", loss, bias.expand_as(squared), second * squared),
    ]
    rows = []
    for name, drawn, at, truth in cases:

        def values(x, drawn=drawn, at=at):
            return drawn(layer, at, x)

        for estimate in synthetic.monte_carlo(layer, values, counts, generator):
            deviation = (estimate.mean - truth) / estimate.error
            error = float((deviation.square().mean() / estimate.samples).sqrt())
            rows.append((name, estimate.samples, error, float(deviation.abs().max())))
    return pandas.DataFrame(rows, columns=["equation", "draws", "error", "furthest"])


def rates(table: pandas.DataFrame) -> dict[str, float]:
    """By which power of the number of draws each equation's error falls; -1/2 is expected."""
    return {
        name: float(np.polyfit(np.log(rows["draws"]), np.log(rows["error"]), 1)[0])
        for name, rows in table.groupby("equation", sort=False)
    }


def eq3(layer: Layer, new_bias: Tensor) -> pandas.DataFrame:
    """Eq. 3, its five lines, for every weight of `layer` and an arbitrary new_bias (out, in).

    The first line is Eq. 2 with the layer run with and without the weight. Expectations of the
    lines between are plain averages over the two points mean ± std of X_j alone, which have its
    mean and variance. Columns: see `_table`.
    """
    step, w = layer.bias.unsqueeze(-1) - new_bias, layer.weight
    points = torch.stack([layer.mean + layer.std, layer.mean - layer.std])
    xw = points.unsqueeze(1) * w  # (2, out, in)
    lines = [
        ("Eq. 2, both layers in full", synthetic.expected_loss(layer, new_bias)),
        ("E[((B − B*) + XW)²]", (step + xw).square().mean(dim=0)),
        ("E[(B − B*)² + 2(B − B*)XW + (XW)²]", (step**2 + 2 * step * xw + xw**2).mean(dim=0)),
        ("(B − B*)² + 2(B − B*)E[XW] + E[(XW)²]",
         step**2 + 2 * step * xw.mean(dim=0) + xw.square().mean(dim=0)),
        ("(B − B*)² + 2(B − B*)μW + (σ² + μ²)W²", _closed(layer, new_bias)),
    ]  # fmt: skip
    steps = enumerate(pairwise(lines), 1)
    return _table([(f"Eq. 3, line {n}", left, right, a, b) for n, ((left, a), (right, b)) in steps])


def eqs_4_to_6(layer: Layer, x: Tensor) -> pandas.DataFrame:
    """Eqs. 4–6 for a `layer` whose inputs' means are zero; x (tokens, in) are draws of them.

    The last row compares orders: the rank of every weight within its output by Eq. 6's two last
    lines, which must be the same.
    """
    keep = layer.bias.unsqueeze(-1).expand_as(layer.weight)
    refitted, kept = (brute_force.lowest_losses(layer, refit) for refit in (True, False))
    closed = layer.std**2 * layer.weight**2
    data = Moments.of(x)
    about_zero = x.double().square().sum(dim=0) / (data.count - 1)
    root = metrics.wanda(layer.weight, (data.squared_norm / (data.count - 1)).sqrt())
    ranks = [
        score.argsort(dim=-1).double() for score in (root, metrics.wanda(layer.weight, data.norm))
    ]
    return _table(
        [
            ("Eq. 4", "B* where full is least, by search", "B",
             synthetic.best_bias_by_search(layer), keep),
            ("Eq. 4", "full, least over B*", "full at B* = B", refitted, kept),
            ("Eq. 4", "full at B* = B", "σ²W²", kept, closed),
            ("Eq. 5", "Σ(x − 0)² / (N − 1)", "‖X‖² / (N − 1)",
             about_zero, data.squared_norm / (data.count - 1)),
            ("Eq. 6", "order by √(‖X‖² / (N − 1)) |W|", "order by ‖X‖ |W|", *ranks),
        ]
    )  # fmt: skip
