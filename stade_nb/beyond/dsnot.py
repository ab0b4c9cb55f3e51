"""DSnoT (arXiv 2310.08915): pruned and kept weights of a row change places until its mean fits."""

from dataclasses import replace

import torch
from torch import Tensor

from stade_nb.numerics import metrics
from stade_nb.numerics.bias import corrected
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.moments import Moments

THRESHOLD, ROUNDS, POWER = 0.1, 50, 1.0


def swapped(
    weight: Tensor, pruned: Tensor, moments: Moments, pattern: Pattern, threshold: float = THRESHOLD
) -> Tensor:
    """The mask after at most `ROUNDS` swaps in each row, (out, in), as many pruned as before.

    e_i = Σ_{j pruned} W_ij mean_j is what the row's output loses on average. In a round the pruned
    weight comes back whose W_ij mean_j / var_j^POWER is largest on the side of e_i. For it goes the
    kept weight of least Wanda score among those that bring e_i nearer to 0, for N:M the one of
    least score in the same group. Each weight moves once. A row stops where |e_i| < threshold,
    before a swap that would change the sign of e_i, and where no weight is left to move.
    Ties: the lower column.
    """
    share = weight.to(torch.float64) * moments.mean  # W_ij mean_j
    variance = moments.variance.pow(POWER)
    gain = (share / variance).nan_to_num(nan=0.0)  # 0 / 0: a constant input whose mean is 0
    score = metrics.wanda(weight.to(torch.float64), moments.norm)
    error = (share * pruned).sum(dim=1)
    side = error.sign()[:, None]
    pruned = pruned.clone()
    back, gone = pruned.clone(), ~pruned  # what may still come back, and go
    active = error.abs() >= threshold
    rows = torch.arange(len(weight), device=weight.device)
    for _ in range(ROUNDS):
        if not active.any():
            break
        coming, nearer = _first((side * gain).where(back & (side * share > 0), -torch.inf))
        near = side * share < 0 if pattern.m is None else _same_group(coming, pattern.m, pruned)
        going, cheaper = _first((-score).where(gone & near, -torch.inf))
        after = error + share[rows, going] - share[rows, coming]
        active = active & nearer & cheaper & (after.sign() == side[:, 0])
        moved, came, went = rows[active], coming[active], going[active]
        pruned[moved, came], pruned[moved, went] = False, True
        back[moved, came], gone[moved, went] = False, False
        error = after.where(active, error)
        active = active & (error.abs() >= threshold)
    return pruned


def _first(values: Tensor) -> tuple[Tensor, Tensor]:
    """The column of each row's largest value, the lowest of equal ones; whether there is any."""
    most = values.amax(dim=1, keepdim=True)
    return (values == most).to(torch.uint8).argmax(dim=1), most[:, 0] > -torch.inf


def _same_group(columns: Tensor, m: int, mask: Tensor) -> Tensor:
    """True where a row's `mask`, (out, in), is in the group of M that the row's column is in."""
    groups = torch.arange(mask.shape[1], device=mask.device) // m
    return groups == (columns // m)[:, None]


def without_correction(
    weight: Tensor, bias: Tensor | None, pruned: Tensor, moments: Moments, pattern: Pattern
) -> LayerResult:
    """The swapped mask, the bias as it was."""
    pruned = swapped(weight, pruned, moments, pattern)
    bias = None if bias is None else bias.clone()
    return LayerResult(weight.masked_fill(pruned, 0), bias, pruned)


def with_correction(
    weight: Tensor, bias: Tensor | None, pruned: Tensor, moments: Moments, pattern: Pattern
) -> LayerResult:
    """The swapped mask, and Eq. 7 behind it."""
    found = without_correction(weight, bias, pruned, moments, pattern)
    return replace(found, bias=corrected(bias, weight, found.pruned, moments.mean))
