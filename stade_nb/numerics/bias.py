"""The bias correction of Eq. 7."""

import torch
from torch import Tensor

from stade_nb.errors import StadeError


def correction(weight: Tensor, pruned: Tensor, mean: Tensor) -> Tensor:
    """Eq. 7, summed over a row's pruned weights: Σ_j mean_j W_ij, (out,) in `mean`'s dtype.

    weight: (out, in) *before* anything is zeroed (afterwards the sum is 0). pruned: (out, in),
    True where the weight goes. mean: (in,), the inputs' mean. StadeError where they do not belong
    together.
    """
    shapes_fit = weight.shape == pruned.shape and mean.shape == weight.shape[1:]
    if weight.ndim != 2 or not shapes_fit:
        raise StadeError(
            f"weight {tuple(weight.shape)}, mask {tuple(pruned.shape)} and mean "
            f"{tuple(mean.shape)} do not belong together: expected (out, in), (out, in) and (in,)"
        )
    floats = weight.is_floating_point() and mean.is_floating_point()
    if not floats or pruned.dtype != torch.bool:
        raise StadeError(
            f"weight of {weight.dtype}, mask of {pruned.dtype} and mean of {mean.dtype}: expected "
            "float dtypes, and torch.bool for the mask"
        )
    return torch.where(pruned, weight, 0).to(mean.dtype) @ mean


def corrected(bias: Tensor | None, weight: Tensor, pruned: Tensor, mean: Tensor) -> Tensor:
    """Eq. 7: B* = B + Σ_{j pruned} mean_j W_ij, (out,); a layer without bias gets one.

    In the dtype of `bias`, or of `weight` where there is no bias. StadeError as `correction` has
    it, and for another bias than (out,) of a float dtype.
    """
    added = correction(weight, pruned, mean)
    if bias is not None and not (bias.shape == added.shape and bias.is_floating_point()):
        raise StadeError(
            f"bias {tuple(bias.shape)} of {bias.dtype}: expected {tuple(added.shape)} of floats"
        )
    return added.to(weight.dtype) if bias is None else (bias + added).to(bias.dtype)


# What becomes of corrected biases: kept by a model in memory, dropped by a reload.
KEPT, DROPPED = "kept", "dropped"
