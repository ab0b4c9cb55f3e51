"""The ladder of compensations: the least loss of a row when ever more may change after pruning."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stade_nb.beyond import refit
from stade_nb.engine import pruning
from stade_nb.models import architectures
from stade_nb.numerics import masks
from stade_nb.numerics.bias import correction
from stade_nb.numerics.metrics import METRICS, Needs
from stade_nb.numerics.moments import Moments

STUDY = "ladder in single layers"  # what the fields of its records say
COMMAND = "python -m workflow.rungs"
METRIC, PATTERN = "wanda", "2:4"
# Added to each input's variance, a share of their mean: a norm's outputs are not independent.
RIDGE = 1e-6


class Losses(NamedTuple):
    """The least E[((w - w*)ᵀx + b - b*)²] of each row, (out,) in float64, rung by rung."""

    none: Tensor
    bias: Tensor
    linear: Tensor
    affine: Tensor


def least_losses(weight: Tensor, pruned: Tensor, mean: Tensor, covariance: Tensor) -> Losses:
    """What each rung leaves at least; G = C + mean meanᵀ, a row's P pruned, K kept.

    none: w_Pᵀ G_PP w_P. bias, Eq. 7: w_Pᵀ C_PP w_P. linear, the kept weights by least squares:
    w_Pᵀ (G_PP - G_PK G_KK⁻¹ G_KP) w_P. affine, both: w_Pᵀ (C_PP - C_PK C_KK⁻¹ C_KP) w_P.
    weight, pruned: (out, in). mean: (in,). covariance: C, (in, in), positive definite.
    """
    covariance = covariance.to(torch.float64)
    mean = mean.to(torch.float64)
    second = torch.addr(covariance, mean, mean)
    removed = torch.where(pruned, weight.to(torch.float64), 0)
    return Losses(
        ((removed @ second) * removed).sum(dim=1),
        ((removed @ covariance) * removed).sum(dim=1),
        _left(removed, pruned, second),
        _left(removed, pruned, covariance),
    )


def _left(removed: Tensor, pruned: Tensor, second: Tensor) -> Tensor:
    """w_Pᵀ (S_PP - S_PK S_KK⁻¹ S_KP) w_P, the Schur complement's form, row by row."""
    rows = []
    for w, gone in zip(removed, pruned, strict=True):
        between = second[~gone][:, gone] @ w[gone]
        made = between @ torch.linalg.solve(second[~gone][:, ~gone], between)
        rows.append(w[gone] @ second[gone][:, gone] @ w[gone] - made)
    return torch.stack(rows)


class Gap(NamedTuple):
    """What a bias is worth after a linear refit, by row, (out,): `value` = residual² · share."""

    value: Tensor
    residual: Tensor
    share: Tensor


def gap(weight: Tensor, pruned: Tensor, mean: Tensor, covariance: Tensor) -> Gap:
    """Linear - affine: [w_Pᵀ(mean_P - C_PK C_KK⁻¹ mean_K)]² / (1 + d²); d² = mean_Kᵀ C_KK⁻¹ mean_K.

    residual: the constant that the pruned inputs leave when the kept ones predict them. share:
    1 / (1 + d²), of a constant that the kept inputs cannot make themselves. See `least_losses`.
    """
    covariance, mean = covariance.to(torch.float64), mean.to(torch.float64)
    residuals, shares = [], []
    for w, gone in zip(weight.to(torch.float64), pruned, strict=True):
        solved = torch.linalg.solve(covariance[~gone][:, ~gone], mean[~gone])
        residuals.append(w[gone] @ (mean[gone] - covariance[gone][:, ~gone] @ solved))
        shares.append(1 / (1 + mean[~gone] @ solved))
    residual, share = torch.stack(residuals), torch.stack(shares)
    return Gap(residual.square() * share, residual, share)


def layer_loss(before: Tensor, after: Tensor, added: Tensor | None, mean: Tensor,
               covariance: Tensor) -> Tensor:  # fmt: skip
    """E‖(W - W*)x - (b* - b)‖² of a layer, summed over outputs: δᵀCδ + (δᵀmean - b* + b)².

    before, after: (out, in). added: b* - b, (out,), or None where the bias has stayed.
    """
    change = before.to(torch.float64) - after.to(torch.float64)
    constant = change @ mean.to(torch.float64)
    if added is not None:
        constant = constant - added.to(torch.float64)
    spread = ((change @ covariance.to(torch.float64)) * change).sum()
    return spread + constant.square().sum()


def measured(weight: Tensor, pruned: Tensor, mean: Tensor, covariance: Tensor) -> Losses:
    """The losses of the rungs as methods make them, undamped, each summed over the rows: scalars.

    Eq. 7 and `refit.solved` do what they do to a layer; `layer_loss` says what is left. Arguments
    as of `least_losses`, whose sums these are.
    """
    weight, mean = weight.to(torch.float64), mean.to(torch.float64)
    zeros = weight.masked_fill(pruned, 0)
    second = torch.addr(covariance, mean, mean)
    linear = refit.solved(weight, pruned, second, damping=0)
    affine = refit.solved(weight, pruned, covariance, damping=0)

    def loss(new: Tensor, added: Tensor | None) -> Tensor:
        return layer_loss(weight, new, added, mean, covariance)

    return Losses(
        loss(zeros, None),
        loss(zeros, correction(weight, pruned, mean)),
        loss(linear, None),
        loss(affine, (weight - affine) @ mean),
    )


def of_layer(weight: Tensor, moments: Moments, pattern: str) -> dict[str, float]:
    """The ladder of one layer, its rows summed, for the mask of `METRIC` at `pattern`.

    weight: (out, in). moments: of its inputs, with cross products. Returns the losses of `measured`
    by rung; predicted: `gap.value`, to be the loss of linear less that of affine; share: the median
    over rows of 1 / (1 + d²), see `gap`.
    """
    pruned = masks.select(METRICS[METRIC].score(weight, moments, None), pattern)
    covariance = moments.cross / moments.count
    covariance.diagonal().add_(RIDGE * covariance.diagonal().mean())
    about = weight, pruned, moments.mean, covariance
    found = gap(*about)
    losses = {rung: loss.item() for rung, loss in measured(*about)._asdict().items()}
    return losses | {"predicted": found.value.sum().item(), "share": found.share.median().item()}


def by_layer(
    model: nn.Module, ids: Tensor, pattern: str = PATTERN, batch_size: int = 8
) -> Iterator[dict]:
    """`of_layer` for each layer of the dense model, with its block and layer_type.

    ids: (windows, tokens). StadeError where they do not fit the model.
    """
    read = pruning.dense_statistics(model, ids, Needs.GRAM, batch_size)
    for index, (_, block, statistics) in enumerate(read):
        for kind, layer in architectures.linear_layers(block).items():
            moments = statistics[architectures.input_of(kind)]
            about = {"block": index, "layer_type": kind}
            yield about | of_layer(layer.weight.detach(), moments, pattern)
