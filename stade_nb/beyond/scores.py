"""Scores of newer methods from the same statistics, one function each: the lowest goes first.

As in `numerics.metrics`: weight (out, in), statistics (in,), scores (out, in) in float32 or, for a
float64 weight, in float64.
"""

import torch
from torch import Tensor

from stade_nb.numerics.metrics import Metric, Needs, wide
from stade_nb.numerics.moments import Moments


def _over(values: Tensor, sums: Tensor) -> Tensor:
    """A share of a sum, 0 where the sum is."""
    return values / sums.where(sums > 0, 1)


def ria(weight: Tensor, norm: Tensor) -> Tensor:
    """RIA (arXiv 2402.10445): (|W_ij| / Σ_i |W_ij| + |W_ij| / Σ_j |W_ij|) · ‖X_j‖₂^½."""
    size = wide(weight).abs()
    relative = _over(size, size.sum(0, keepdim=True)) + _over(size, size.sum(1, keepdim=True))
    return relative * norm.sqrt().to(size)


def symwanda(weight: Tensor, gram: Tensor) -> Tensor:
    """SymWanda (arXiv 2501.18980): |W_ij| · (‖X_j‖² + ‖Y_i‖²)^½, with Y = W X the layer's outputs.

    What removing one weight adds to ‖(W* - W) X‖² + ‖Yᵀ (W* - W)‖², the input's and the output's
    side of that paper. What its Y is in a model it leaves open; here the outputs on the calibration
    tokens, without the bias, so that ‖Y_i‖² = w_iᵀ (XᵀX) w_i. gram: XᵀX, (in, in).
    """
    exact = weight.to(torch.float64)
    outputs = ((exact @ gram) * exact).sum(dim=1)
    together = outputs[:, None] + gram.diagonal()
    return wide(weight).abs() * together.sqrt().to(wide(weight[:0]))


def nowag(weight: Tensor, second_moment: Tensor) -> Tensor:
    """NoWag-P (arXiv 2504.14569): W̄_ij² · E[X_j²], W̄ the weight with columns, then rows, of norm 1.

    A column or a row of zeros stays as it is.
    """
    unit = wide(weight)
    for dimension in (0, 1):
        unit = _over(unit, unit.norm(dim=dimension, keepdim=True))
    return unit.square() * second_moment.to(unit)


def _scored(name: str, formula: str, needs: Needs, score) -> Metric:
    def scored(weight: Tensor, moments: Moments, _: torch.Generator) -> Tensor:
        return score(weight, moments)

    return Metric(name, formula, "", needs, scored)


RIA = _scored(
    "ria",
    r"\left(\frac{|W_{i,j}|}{\sum_i|W_{i,j}|}+\frac{|W_{i,j}|}{\sum_j|W_{i,j}|}\right)"
    r"\|X_{:,j}\|_2^{1/2}",
    Needs.MOMENTS,
    lambda w, x: ria(w, x.norm),
)
SYMWANDA = _scored(
    "symwanda",
    r"|W_{i,j}|\,\sqrt{\|X_{:,j}\|_2^2+\|Y_{:,i}\|_2^2}",
    Needs.GRAM,
    lambda w, x: symwanda(w, x.gram),
)
NOWAG = _scored(
    "nowag",
    r"\overline{W}_{i,j}^2\,\operatorname{E}[X_j^2]",
    Needs.MOMENTS,
    lambda w, x: nowag(w, x.second_moment),
)
