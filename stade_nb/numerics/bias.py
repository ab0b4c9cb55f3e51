"""The bias correction of Eq. 7."""

import torch
from torch import Tensor

from stade_nb.errors import StadeError


def correction(weight: Tensor, pruned: Tensor, mean: Tensor) -> Tensor:
    """Eq. 7, summed over a row's pruned weights: Σ_j mean_j W_ij, (out,) in `mean`'s dtype.

    weight: (out, in) *before* anything is zeroed (afterwards the sum is 0). pruned: (out, in),
    True where the weight goes. mean: (in,), the inputs' mean. StadeError where shapes do not match.
    """
    if weight.shape != pruned.shape or mean.shape != weight.shape[1:]:
        raise StadeError(
            f"weight {tuple(weight.shape)}, mask {tuple(pruned.shape)} and mean "
            f"{tuple(mean.shape)} do not belong together: expected (out, in), (out, in) and (in,)"
        )
    return torch.where(pruned, weight, 0).to(mean.dtype) @ mean


def corrected(bias: Tensor | None, weight: Tensor, pruned: Tensor, mean: Tensor) -> Tensor:
    """Eq. 7: B* = B + Σ_{j pruned} mean_j W_ij, (out,); a layer without bias gets one.

    In the dtype of `bias`, or of `weight` where there is no bias.
    """
    added = correction(weight, pruned, mean)
    return added.to(weight.dtype) if bias is None else (bias + added).to(bias.dtype)


# What becomes of corrected biases: kept by a model in memory, dropped by a reload.
KEPT, DROPPED = "kept", "dropped"
