"""Eqs. 3–6 line by line: every displayed line computed by itself and set beside the next."""

from itertools import pairwise

import pandas
import torch
from torch import Tensor

from stade_nb.numerics import metrics
from stade_nb.numerics.moments import Moments
from stade_nb.theory import brute_force, synthetic
from stade_nb.theory.equalities import ROUNDING, SEARCH
from stade_nb.theory.synthetic import Layer

COLUMNS = ["equation", "left side", "right side", "difference", "tolerance", "holds"]


def _table(sides: list[tuple[str, str, str, Tensor, Tensor]]) -> pandas.DataFrame:
    rows = []
    for equation, left, right, a, b in sides:
        # Relative to the largest value, or to 1 where the right side is zero throughout.
        gap = float((a - b).abs().max() / (b.abs().max() or 1))
        tolerance = SEARCH if "search" in left else ROUNDING
        rows.append((equation, left, right, gap, tolerance, gap < tolerance))
    return pandas.DataFrame(rows, columns=COLUMNS)


def eq3(layer: Layer, new_bias: Tensor) -> pandas.DataFrame:
    """Eq. 3, its five lines, for every weight of `layer` and an arbitrary new_bias (out, in).

    The first line is Eq. 2 with the layer run with and without the weight. Expectations of the
    lines between are plain averages over the two points mean ± std of X_j alone, which have its
    mean and variance. Columns: equation, left side, right side, difference (relative), tolerance,
    holds.
    """
    step, w = layer.bias.unsqueeze(-1) - new_bias, layer.weight
    points = torch.stack([layer.mean + layer.std, layer.mean - layer.std])
    xw = points.unsqueeze(1) * w  # (2, out, in)
    closed = synthetic.loss(layer.bias.unsqueeze(-1), new_bias, w, layer.mean, layer.std**2)
    lines = [
        ("Eq. 2, both layers in full", synthetic.expected_loss(layer, new_bias)),
        ("E[((B − B*) + XW)²]", (step + xw).square().mean(dim=0)),
        ("E[(B − B*)² + 2(B − B*)XW + (XW)²]", (step**2 + 2 * step * xw + xw**2).mean(dim=0)),
        ("(B − B*)² + 2(B − B*)E[XW] + E[(XW)²]",
         step**2 + 2 * step * xw.mean(dim=0) + xw.square().mean(dim=0)),
        ("(B − B*)² + 2(B − B*)μW + (σ² + μ²)W²", closed),
    ]  # fmt: skip
    return _table(
        [
            (f"Eq. 3, line {number}", left, right, a, b)
            for number, ((left, a), (right, b)) in enumerate(pairwise(lines), 1)
        ]
    )


def eqs_4_to_6(layer: Layer, x: Tensor) -> pandas.DataFrame:
    """Eqs. 4–6 for a `layer` whose inputs' means are zero; x (tokens, in) are draws of them.

    The last row compares orders: the rank of every weight within its output by Eq. 6's two last
    lines, which must be the same.
    """
    keep = layer.bias.unsqueeze(-1).expand_as(layer.weight)
    refitted, kept = (brute_force.lowest_losses(layer, refit) for refit in (True, False))
    closed = layer.std**2 * layer.weight**2
    data = Moments.zeros(x.shape[-1], x.device)
    data.update(x)
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
