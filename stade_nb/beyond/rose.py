"""ROSE (arXiv 2603.05878): SparseGPT takes the columns first that are likely to lose most.

What goes early can be made up for by all that comes later. A first look, by Wanda's score, says
which weights of each block of columns would go; the sum of their scores is the loss of a column.
Of a block it is the mean of its columns' losses, so that a last block with fewer columns counts
like the others; where all are full, order and range are those of the sums. Where the blocks differ
much, (largest - smallest) / largest > `RANGE`, the block with the largest loss goes first, and in
each block the column with the largest. The paper and its public code take shares; of N:M here whole
groups change places, their columns stay in order.
"""

import torch
from torch import Tensor

from stade_nb.numerics import masks, metrics, sparsegpt
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.moments import Moments

BLOCK, RANGE = 128, 0.5


def order(weight: Tensor, norm: Tensor, pattern: Pattern, block: int = BLOCK) -> Tensor:
    """The columns in ROSE's order, (in,); their own where the blocks differ little.

    weight: (out, in). norm: ‖X_j‖₂, (in,). block: columns of a block, of N:M a group. A share's
    weights compete within the block. StadeError where the shapes or the groups do not fit.
    """
    masks.check_groups(weight.shape[1], pattern)
    score = metrics.wanda(weight.to(torch.float64), norm)
    together = Pattern(pattern.sparsity, pattern.n, pattern.m, scope="layer")
    parts = score.split(pattern.m or block, dim=1)
    columns = [torch.where(masks.select(part, together), part, 0).sum(dim=0) for part in parts]
    blocks = torch.stack([column.mean() for column in columns])
    own = torch.arange(weight.shape[1], device=weight.device)
    if not blocks.max() - blocks.min() > RANGE * blocks.max():
        return own
    inside = [
        at if pattern.m is not None else at[column.argsort(descending=True, stable=True)]
        for at, column in zip(own.split(pattern.m or block), columns, strict=True)
    ]
    return torch.cat([inside[at] for at in blocks.argsort(descending=True, stable=True)])


def updated(
    weight: Tensor, bias: Tensor | None, _: Tensor, moments: Moments, pattern: Pattern
) -> LayerResult:
    """SparseGPT with its update on the columns in ROSE's order, and all back in their places."""
    at = order(weight, moments.norm, pattern)
    hessian = sparsegpt.hessian(moments)[at][:, at]
    new, pruned = sparsegpt.solve(weight[:, at], hessian, pattern)
    back = at.argsort()
    bias = None if bias is None else bias.clone()
    return LayerResult(new[:, back], bias, pruned[:, back])
