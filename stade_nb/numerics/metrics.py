"""The pruning scores, one function per equation: the lowest score goes first.

`weight` is (out, in) as in Table 1; statistics hold one value per input feature, (in,). Scores are
(out, in) in float32, or in float64 for a float64 weight: squares of float16 weights underflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from stade_nb.errors import StadeError
from stade_nb.numerics.moments import Moments


class Needs(IntEnum):
    """What must be gathered from layer inputs, each with all that comes before it."""

    NOTHING = 0
    MOMENTS = 1
    GRAM = 2


def wide(weight: Tensor) -> Tensor:
    """`weight` in float32, or in float64 if it is."""
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


def _per_column(values: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim != 2 or values.shape != weight.shape[1:]:
        raise StadeError(
            f"statistics {tuple(values.shape)} for a weight {tuple(weight.shape)}: expected (in,) "
            "and (out, in); use the statistics of this layer's inputs"
        )
    return values.to(wide(weight[:0]))


def magnitude(weight: Tensor) -> Tensor:
    """Table 1: |W_ij|."""
    return wide(weight).abs()


def random(weight: Tensor, generator: torch.Generator) -> Tensor:
    """No equation: uniform numbers from `generator`, whatever device it lives on."""
    options = {"dtype": torch.float32, "device": generator.device}  # whatever torch's defaults are
    return torch.rand(weight.shape, generator=generator, **options).to(weight.device)


def wanda(weight: Tensor, norm: Tensor) -> Tensor:
    """Eq. 10: ‖X_j‖₂ |W_ij|, with `norm` = ‖X_j‖₂."""
    return wide(weight).abs() * _per_column(norm, weight)


def std(weight: Tensor, variance: Tensor) -> Tensor:
    """Eq. 11, squared: sigma_j² W_ij², which ranks weights as ‖X_j - mean_j‖₂ |W_ij| does."""
    return wide(weight).square() * _per_column(variance, weight)


def without_bias(weight: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Eq. 9: (sigma_j² + mean_j²) W_ij², the least loss when no bias may be added."""
    return wide(weight).square() * _per_column(variance + mean.square(), weight)


def without_bias_as_printed(weight: Tensor, mean: Tensor, variance: Tensor, count: int) -> Tensor:
    """Eq. 12 to the letter: (‖X_j - mean_j‖² + mean_j²) W_ij²; the norm lacks Eq. 9's 1/(N-1).

    `count` is N, the number of tokens, so that ‖X_j - mean_j‖² = (N - 1) sigma_j².
    """
    return wide(weight).square() * _per_column((count - 1) * variance + mean.square(), weight)


def sparsegpt(weight: Tensor, factor_diagonal: Tensor) -> Tensor:
    """Table 1, as the algorithm has it: W_ij² / C_jj², C the upper Cholesky factor of H⁻¹."""
    return (wide(weight) / _per_column(factor_diagonal, weight)).square()


@dataclass(frozen=True)
class Metric:
    """A pruning score: its LaTeX, where the paper prints it, what it needs and how to compute it.

    score: (weight, moments, generator) -> (out, in); None: SparseGPT's solver scores as it updates.
    """

    name: str
    formula: str
    equation: str
    needs: Needs
    score: Callable[[Tensor, Moments, torch.Generator], Tensor] | None


_ALL = (
    Metric("magnitude", r"|W_{i,j}|", "Table 1", Needs.NOTHING, lambda w, x, g: magnitude(w)),
    Metric("random", r"\mathcal{U}(0, 1)", "", Needs.NOTHING, lambda w, x, g: random(w, g)),
    Metric("wanda", r"\|X_{:,j}\|_2\,|W_{i,j}|", "Eq. 10", Needs.MOMENTS,
           lambda w, x, g: wanda(w, x.norm)),
    Metric("std", r"\|X_{:,j}-\mu_j\|_2\,|W_{i,j}|", "Eq. 11", Needs.MOMENTS,
           lambda w, x, g: std(w, x.variance)),
    Metric("without_bias", r"(\sigma_j^2+\mu_j^2)\,W_{i,j}^2", "Eq. 9", Needs.MOMENTS,
           lambda w, x, g: without_bias(w, x.mean, x.variance)),
    Metric("without_bias_as_printed", r"(\|X_{:,j}-\mu_j\|_2^2+\mu_j^2)\,W_{i,j}^2", "Eq. 12",
           Needs.MOMENTS, lambda w, x, g: without_bias_as_printed(w, x.mean, x.variance, x.count)),
    Metric("sparsegpt",
           r"W_{i,j}^2/C_{j,j}^2,\quad C^\top C=(\tfrac{2}{N}X^\top X+\lambda\mathbf{1})^{-1}",
           "Table 1", Needs.GRAM, None),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
