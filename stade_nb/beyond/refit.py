"""Kept weights changed by least squares, row by row: the linear and the affine compensation."""

import numpy as np
import torch
from scipy.linalg.lapack import dposv
from torch import Tensor

from stade_nb.errors import StadeError
from stade_nb.numerics import sparsegpt
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.moments import Moments

# SparseGPT's damping, a share of the mean diagonal: the texts calibrated on are only a sample.
DAMPING = 0.01
AT_ONCE = 1 << 27  # numbers of the systems that a GPU solves together


def solved(weight: Tensor, pruned: Tensor, second: Tensor, damping: float = DAMPING) -> Tensor:
    """Row by row w*_K = w_K + (S_KK + λ)⁻¹ S_KP w_P and w*_P = 0, with λ = damping · mean(S_jj).

    The least of (w* - w)ᵀ (S + λ) (w* - w), P being the row's pruned weights and K all others; of
    the output's squared error where λ is 0. weight, pruned: (out, in), True where a weight goes.
    second: S, (in, in), E[x xᵀ] or the covariance. Returns (out, in) in float64, exact but for
    rounding, where `weight` lies. An S_jj of 0 (an input that is always 0) becomes 1, as in
    SparseGPT. StadeError where the shapes do not match, and where a system has no one solution.
    """
    if pruned.shape != weight.shape or second.shape != 2 * weight.shape[1:]:
        raise StadeError(
            f"weight {tuple(weight.shape)}, mask {tuple(pruned.shape)} and second moments "
            f"{tuple(second.shape)} do not belong together: expected (out, in), (out, in), (in, in)"
        )
    exact = weight.to(second.device, torch.float64)
    new = exact.masked_fill(pruned, 0)
    right = (exact - new) @ second.to(torch.float64)
    system, _ = sparsegpt.damped(second, damping)
    solve = _batched if system.is_cuda else _row_by_row
    change = solve(system, ~pruned.to(system.device), right)
    if change is None:
        raise StadeError(
            f"the second moments of {len(second)} input features are singular at damping "
            f"{damping}: calibrate with more tokens (at least one per feature), or use a "
            "larger damping"
        )
    return new + change


def _row_by_row(system: Tensor, kept: Tensor, right: Tensor) -> Tensor | None:
    """Each row's solution of system_KK x_K = right_K, 0 elsewhere; None where there is none.

    By LAPACK on a CPU: a third of the time of torch's batched factors there.
    """
    matrix, given, change = system.numpy(), right.numpy(), np.zeros(right.shape)
    for row, some in enumerate(kept.numpy()):
        if not some.any():
            continue
        part = matrix[np.ix_(some, some)].T  # transposed, LAPACK copies nothing
        _, change[row, some], failed = dposv(part, given[row, some], overwrite_a=True)
        if failed:
            return None
    return torch.from_numpy(change)


def _batched(system: Tensor, kept: Tensor, right: Tensor) -> Tensor | None:
    """As `_row_by_row`, many rows at once, as a GPU wants it; short rows are filled up with 1s."""
    change, most = torch.zeros_like(right), int(kept.sum(dim=1).max())
    columns = kept.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    rows = torch.arange(len(kept), device=kept.device)
    for part in rows.split(max(1, AT_ONCE // max(1, most) ** 2)):
        at, real = columns[part], kept[part].gather(1, columns[part])
        matrix = system[at[:, :, None], at[:, None, :]] * (real[:, :, None] & real[:, None, :])
        matrix.diagonal(dim1=1, dim2=2).masked_fill_(~real, 1)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if failed.any():
            return None
        asked = (right[part].gather(1, at) * real)[..., None]
        found = torch.cholesky_solve(asked, factor)[..., 0]
        change[part] = change[part].scatter(1, at, found * real)
    return change


def linear(
    weight: Tensor, bias: Tensor | None, pruned: Tensor, moments: Moments, _: Pattern
) -> LayerResult:
    """w*_K = w_K + G_KK⁻¹ G_KP w_P, G = E[x xᵀ] damped: the rows' least squares, bias untouched.

    What SparseGPT approaches column by column, for a mask that is given; see `solved`.
    """
    new = solved(weight, pruned, moments.gram / moments.count)
    return LayerResult(new.to(weight.dtype), None if bias is None else bias.clone(), pruned)


def affine(
    weight: Tensor, bias: Tensor | None, pruned: Tensor, moments: Moments, _: Pattern
) -> LayerResult:
    """w*_K = w_K + C_KK⁻¹ C_KP w_P, C the covariance, and b* = b + (w - w*)ᵀ mean.

    The same least squares with a constant beside the inputs; a layer without bias gets one.
    """
    new = solved(weight, pruned, moments.cross / moments.count).to(weight.dtype)
    added = (weight.to(torch.float64) - new.to(torch.float64)) @ moments.mean
    bias = added.to(weight.dtype) if bias is None else (bias + added).to(bias.dtype)
    return LayerResult(new, bias, pruned)
