"""SparseGPT's layer solver (arXiv 2301.00774), with and without its weight update (Table 6)."""

import torch
from torch import Tensor

from stade_nb.errors import StadeError
from stade_nb.numerics import masks, metrics
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.moments import Moments


def hessian(moments: Moments) -> Tensor:
    """SparseGPT: H = (2/N) Σ x xᵀ over N tokens, (in, in) float64, not damped."""
    return moments.gram * (2 / moments.count)


def damped(matrix: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """SparseGPT: `matrix` + damping · mean(diag) · I in float64, and where its diagonal was 0.

    Those become 1, before the mean is taken.
    """
    found = matrix.to(torch.float64, copy=True)
    diagonal = found.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    diagonal += damping * diagonal.mean()
    return found, dead


def inverse_factor(hessian: Tensor, damping: float = 0.01) -> tuple[Tensor, Tensor]:
    """SparseGPT: the upper Cholesky factor C, CᵀC = (H + damping · mean(diag H) · I)⁻¹.

    Returns C, (in, in) float64, and the dead columns, (in,) bool: features that are always 0. Their
    H_jj becomes 1, before the mean is taken. StadeError where H is not positive definite.
    """
    if damping < 0:
        raise StadeError(f"damping {damping}: expected 0 or more; SparseGPT's own value is 0.01")
    matrix, dead = damped(hessian, damping)
    # Of a singular H the rounding errors leave pivots of this size; NaN fails the test as well.
    least = len(dead) * torch.finfo(torch.float64).eps * matrix.diagonal().flip(0)
    # H read backwards is L Lᵀ, so H = U Uᵀ with U upper, and C = U⁻¹: the inverse of H, whose
    # condition is the square of U's, is never formed. Each matrix goes before the next two come.
    matrix, failed = torch.linalg.cholesky_ex(matrix.flip(0, 1))
    if not ((matrix.diagonal().square() > least) & (failed == 0)).all():
        raise StadeError(
            f"the Hessian of {len(dead)} input features is not positive definite at damping "
            f"{damping}: calibrate with more tokens (at least one per feature) or damp it more"
        )
    matrix = torch.linalg.solve_triangular(matrix, matrix.new_ones(len(dead)).diag(), upper=False)
    return matrix.flip(0, 1), dead


def solve(
    weight: Tensor,
    hessian: Tensor,
    pattern: Pattern,
    update: bool = True,
    block: int = 128,
    damping: float = 0.01,
) -> tuple[Tensor, Tensor]:
    """SparseGPT: prune `weight`, (out, in), for inputs with the undamped `hessian`, (in, in).

    Columns are handled from left to right in blocks of `block`, rounded down to whole groups of an
    N:M pattern. A share is pruned over all rows of a block together, score <= sorted[int(n *
    share)]: at least one weight more than the exact count, and every one that ties with it. An N:M
    group is chosen when its first column is reached, from weights already updated.

    With update=False nothing is propagated: every score is of the original weights, and those that
    stay keep their value (Table 6's "w/o update").

    Returns the new weight in `weight`'s dtype and the mask, (out, in), True = pruned. Dead columns
    become 0 whether the mask has them or not. StadeError where weight, Hessian and pattern do not
    belong together, a weight is or becomes NaN or infinite, or the Hessian cannot be factored.
    """
    masks.check_groups(weight.shape[1], pattern)
    if hessian.shape != (weight.shape[1],) * 2:
        raise StadeError(
            f"Hessian {tuple(hessian.shape)} for a weight {tuple(weight.shape)}: expected "
            f"({weight.shape[1]}, {weight.shape[1]}); use the statistics of this layer's inputs"
        )
    if not weight.isfinite().all():
        raise StadeError("the weight holds NaN or infinity: expected numbers; check the checkpoint")
    factor, dead = inverse_factor(hessian, damping)
    new = weight.to(torch.promote_types(weight.dtype, torch.float32), copy=True)
    new[:, dead] = 0
    factor = factor.to(new)
    pruned = torch.zeros_like(weight, dtype=torch.bool)
    width = block if pattern.m is None else max(block // pattern.m, 1) * pattern.m
    for start in range(0, weight.shape[1], width):
        here, later = slice(start, start + width), slice(start + width, None)
        part = new[:, here].contiguous()
        mask, errors = _prune_block(part, factor[here, here], pattern, update)
        new[:, here], pruned[:, here] = part.masked_fill_(mask, 0), mask
        if update:
            new[:, later] -= errors @ factor[here, later]
    if not (new := new.to(weight.dtype)).isfinite().all():  # once a layer: a GPU's host waits
        raise StadeError("updated weights are not finite: calibrate with more tokens, or damp more")
    return new, pruned


def _prune_block(
    weight: Tensor, factor: Tensor, pattern: Pattern, update: bool
) -> tuple[Tensor, Tensor]:
    """Choose a block's mask and update its weights in place; also the errors, (out, block)."""
    scale = factor.diagonal()
    errors = torch.zeros_like(weight)
    mask = _to_go(metrics.sparsegpt(weight, scale), pattern)
    if not update:
        return mask, errors
    for j in range(weight.shape[1]):
        if pattern.m is not None and j % pattern.m == 0:
            group = slice(j, j + pattern.m)
            score = metrics.sparsegpt(weight[:, group], scale[group])
            mask[:, group] = _to_go(score, pattern)
        errors[:, j] = torch.where(mask[:, j], weight[:, j], 0) / scale[j]
        weight[:, j + 1 :].addr_(errors[:, j], factor[j, j + 1 :], alpha=-1)
    return mask, errors


def _to_go(score: Tensor, pattern: Pattern) -> Tensor:
    if pattern.m is not None:
        return masks.lowest(score.reshape(-1, pattern.m), pattern.n).view(score.shape)
    count = int(score.numel() * pattern.sparsity)
    if count == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    return score <= score.flatten().kthvalue(min(count + 1, score.numel())).values
