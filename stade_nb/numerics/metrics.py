"""The pruning scores, one function per equation: the lowest score goes first.

`weight` is (out, in) as in Table 1; statistics hold one value per input feature, (in,). Scores are
(out, in) in float32, or in float64 for a float64 weight: squares of float16 weights underflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stade_nb.errors import StadeError
from stade_nb.numerics.moments import Moments

NOTHING: frozenset[str] = frozenset()
MOMENTS = frozenset({"moments"})
GRAM = frozenset({"moments", "gram"})


def _wide(weight: Tensor) -> Tensor:
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


def _per_column(values: Tensor, weight: Tensor) -> Tensor:
    if weight.ndim != 2 or values.shape != weight.shape[1:]:
        raise StadeError(
            f"statistics {tuple(values.shape)} for a weight {tuple(weight.shape)}: expected (in,) "
            "and (out, in); use the statistics of this layer's inputs"
        )
    return values.to(_wide(weight[:0]))


def _square_times(weight: Tensor, values: Tensor) -> Tensor:
    return _wide(weight).square() * _per_column(values, weight)


def magnitude(weight: Tensor) -> Tensor:
    """Table 1: |W_ij|."""
    return _wide(weight).abs()


def random(weight: Tensor, generator: torch.Generator) -> Tensor:
    """No equation: uniform numbers from `generator`, whatever device it lives on."""
    draws = torch.rand(weight.shape, generator=generator, device=generator.device)
    return draws.to(weight.device)


def wanda(weight: Tensor, norm: Tensor) -> Tensor:
    """Eq. 10: ‖X_j‖₂ |W_ij|, with `norm` = ‖X_j‖₂."""
    return _wide(weight).abs() * _per_column(norm, weight)


def std(weight: Tensor, variance: Tensor) -> Tensor:
    """Eq. 11, squared: sigma_j² W_ij², which ranks weights as ‖X_j - mean_j‖₂ |W_ij| does."""
    return _square_times(weight, variance)


def without_bias(weight: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Eq. 9: (sigma_j² + mean_j²) W_ij², the least loss when no bias may be added."""
    return _square_times(weight, variance + mean.square())


def without_bias_as_printed(weight: Tensor, mean: Tensor, variance: Tensor, count: int) -> Tensor:
    """Eq. 12 to the letter: (‖X_j - mean_j‖² + mean_j²) W_ij²; the norm lacks Eq. 9's 1/(N-1).

    `count` is N, the number of tokens, so that ‖X_j - mean_j‖² = (N - 1) sigma_j².
    """
    return _square_times(weight, (count - 1) * variance + mean.square())


def sparsegpt(weight: Tensor, factor_diagonal: Tensor) -> Tensor:
    """Table 1, as the algorithm has it: W_ij² / C_jj², C the upper Cholesky factor of H⁻¹."""
    return (_wide(weight) / _per_column(factor_diagonal, weight)).square()


@dataclass(frozen=True)
class Metric:
    """A pruning score: its LaTeX, where the paper prints it, what it needs and how to compute it.

    score: (weight, moments, generator) -> (out, in); None where SparseGPT's solver scores block by
    block while it updates the weights.
    """

    formula: str
    equation: str
    needs: frozenset[str]
    score: Callable[[Tensor, Moments, torch.Generator], Tensor] | None


METRICS = {
    "magnitude": Metric(r"|W_{i,j}|", "Table 1", NOTHING, lambda w, x, g: magnitude(w)),
    "random": Metric(r"\mathcal{U}(0, 1)", "", NOTHING, lambda w, x, g: random(w, g)),
    "wanda": Metric(
        r"\|X_{:,j}\|_2\,|W_{i,j}|",
        "Eq. 10",
        MOMENTS,
        lambda w, x, g: wanda(w, x.norm),
    ),
    "std": Metric(
        r"\|X_{:,j}-\mu_j\|_2\,|W_{i,j}|",
        "Eq. 11",
        MOMENTS,
        lambda w, x, g: std(w, x.variance),
    ),
    "without_bias": Metric(
        r"(\sigma_j^2+\mu_j^2)\,W_{i,j}^2",
        "Eq. 9",
        MOMENTS,
        lambda w, x, g: without_bias(w, x.mean, x.variance),
    ),
    "without_bias_as_printed": Metric(
        r"(\|X_{:,j}-\mu_j\|_2^2+\mu_j^2)\,W_{i,j}^2",
        "Eq. 12",
        MOMENTS,
        lambda w, x, g: without_bias_as_printed(w, x.mean, x.variance, x.count),
    ),
    "sparsegpt": Metric(
        r"W_{i,j}^2/C_{j,j}^2,\quad C^\top C=(\tfrac{2}{N}X^\top X+\lambda\mathbf{1})^{-1}",
        "Table 1",
        GRAM,
        None,
    ),
}
