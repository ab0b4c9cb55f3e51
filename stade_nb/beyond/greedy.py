"""A mask that knows covariances: weights go one by one, each time the one that costs least now.

The paper's metrics take weights as if they went alone. With P the set that is gone already, what
the removal of w_j adds to a row's loss w_Pᵀ S w_P is w_j² S_jj + 2 w_j Σ_{r in P} S_jr w_r: the
first part is Wanda's metric (S = E[x xᵀ], no correction) or STADE's (S the covariance, Eq. 7 behind
it), squared; the second is what they leave out.
"""

import torch
from torch import Tensor

from stade_nb.errors import StadeError
from stade_nb.numerics import masks
from stade_nb.numerics.bias import corrected
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.moments import Moments

ROWS = 64  # at once: their numbers stay in a core's cache


def chosen(weight: Tensor, second: Tensor, pattern: Pattern) -> Tensor:
    """The mask of the greedy order, (out, in), True = pruned; see the head of this file.

    weight: (out, in). second: S, (in, in), E[x xᵀ] or the covariance, or a multiple. Of a share,
    int(in · sparsity) weights of each row go; of N:M, N of each group. Ties: the lower column.
    StadeError for a share of which a whole layer's weights compete, and for groups that do not fit.

    >>> second = torch.tensor([[1.0, -0.9, 0], [-0.9, 1, 0], [0, 0, 1.1]])
    >>> chosen(torch.tensor([[1.0, 1.1, 1]]), second, masks.parse_pattern(0.67))
    tensor([[ True,  True, False]])
    """
    columns = weight.shape[1]
    if pattern.m is None and pattern.scope != "row":
        raise StadeError(f"pattern {pattern} of a whole layer: the greedy order is of single rows")
    masks.check_groups(columns, pattern)
    rows, second = weight.to(torch.float64).split(ROWS), second.to(torch.float64)
    if pattern.m is None:
        size, count = columns, int(columns * pattern.sparsity)
    else:
        size, count = pattern.m, pattern.n
    return torch.cat([_of_rows(some, second, size, count) for some in rows])


def _of_rows(weight: Tensor, second: Tensor, size: int, count: int) -> Tensor:
    """The masks of some rows: `count` weights of each `size` columns go."""
    pruned = torch.zeros_like(weight, dtype=torch.bool)
    alone, twice = weight.square() * second.diagonal(), 2 * weight
    others = torch.zeros_like(weight)  # Σ_{r in P} S_jr w_r
    barred = torch.zeros_like(weight)  # infinite where a weight may not go any more
    groups = weight.shape[1] // size
    left = torch.full((len(weight), groups), count, device=weight.device)
    index = torch.arange(len(weight), device=weight.device)
    for _ in range(count * groups):
        cost = torch.addcmul(alone, twice, others).add_(barred)
        going = cost.argmin(dim=1)
        pruned[index, going] = True
        barred[index, going] = torch.inf
        others.addcmul_(second[going], weight[index, going, None])
        group = going // size
        left[index, group] -= 1
        if size < weight.shape[1]:
            full = (left[index, group] == 0).nonzero()[:, 0]
            columns = group[full, None] * size + torch.arange(size, device=weight.device)
            barred[full[:, None], columns] = torch.inf
    return pruned


def without_correction(
    weight: Tensor, bias: Tensor | None, _: Tensor, moments: Moments, pattern: Pattern
) -> LayerResult:
    """By E[x xᵀ]: Wanda's loss, all its terms, the bias as it was."""
    pruned = chosen(weight, moments.gram / moments.count, pattern)
    bias = None if bias is None else bias.clone()
    return LayerResult(weight.masked_fill(pruned, 0), bias, pruned)


def with_correction(
    weight: Tensor, bias: Tensor | None, _: Tensor, moments: Moments, pattern: Pattern
) -> LayerResult:
    """By the covariance: STADE's loss, all its terms, and Eq. 7 behind it."""
    pruned = chosen(weight, moments.cross / moments.count, pattern)
    kept = weight.masked_fill(pruned, 0)
    return LayerResult(kept, corrected(bias, weight, pruned, moments.mean), pruned)
