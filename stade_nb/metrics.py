"""The pruning scores, one function per equation: the lowest score goes first.

`weight` is (out, in) as in Table 1; statistics hold one value per input feature, (in,). Scores are
(out, in) in float32, or in float64 for a float64 weight: squares of float16 weights underflow.
"""

import torch
from torch import Tensor


def _wide(weight: Tensor) -> Tensor:
    return weight.to(torch.promote_types(weight.dtype, torch.float32))


def magnitude(weight: Tensor) -> Tensor:
    """Table 1: |W_ij|."""
    return _wide(weight).abs()


def random(weight: Tensor, generator: torch.Generator) -> Tensor:
    """No equation: uniform numbers from `generator`, whatever device it lives on."""
    draws = torch.rand(weight.shape, generator=generator, device=generator.device)
    return draws.to(weight.device)


def wanda(weight: Tensor, norm: Tensor) -> Tensor:
    """Eq. 10: ‖X_j‖₂ |W_ij|, with `norm` = ‖X_j‖₂."""
    wide = _wide(weight)
    return wide.abs() * norm.to(wide)


def _square_times(weight: Tensor, factor: Tensor) -> Tensor:
    wide = _wide(weight)
    return wide.square() * factor.to(wide)


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
    wide = _wide(weight)
    return (wide / factor_diagonal.to(wide)).square()
