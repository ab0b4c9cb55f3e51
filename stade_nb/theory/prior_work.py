"""FLAP's score and compensation beside Eqs. 7 and 8: the same statistics, a year earlier.

FLAP (An et al., arXiv 2312.11983) removes whole input channels. Re-stated from its paper: the
score of channel j is var_j ‖W_:,j‖², and the mean of what the removed channels contributed to an
output goes into the bias.
"""

import pandas
import torch
from torch import Tensor

from stade_nb.numerics import bias, masks, metrics
from stade_nb.numerics.moments import Moments
from stade_nb.theory.many_weights import set_loss


def flap_score(weight: Tensor, variance: Tensor) -> Tensor:
    """FLAP's fluctuation metric: sigma_j² ‖W_:,j‖², one number for each channel, (in,).

    weight: (out, in). It is the sum over outputs of Eq. 8's loss sigma_j² W_ij².
    """
    return variance * weight.square().sum(dim=0)


def flap_compensation(weight: Tensor, removed: Tensor, baseline: Tensor) -> Tensor:
    """FLAP's baseline bias: what the `removed` channels, (in,) bool, give on average, (out,)."""
    return weight @ (baseline * removed)


def compared(weight: Tensor, moments: Moments, share: float = 0.5) -> pandas.Series:
    """One layer without its `share` of channels that FLAP scores lowest: FLAP beside the paper.

    weight: (out, in) in float64; `moments` with cross products. score: the largest difference of
    FLAP's score and the summed Eq. 8, relative. bias: that of FLAP's compensation and Eq. 7's.
    compensated, plain: mean squared change of an output with and without it, over its variance.
    """
    score = flap_score(weight, moments.variance)
    summed = metrics.std(weight, moments.variance).sum(dim=0)
    removed = masks.lowest(score[None], int(share * len(score)))[0]
    pruned = removed.expand_as(weight)
    ours = bias.correction(weight, pruned, moments.mean)
    theirs = flap_compensation(weight, removed, moments.mean)
    covariance, second = moments.cross / moments.count, moments.gram / moments.count
    whole = set_loss(weight, torch.ones_like(pruned), covariance).mean()
    return pandas.Series(
        {
            "score": float((score / summed - 1).abs().nan_to_num().max()),
            "bias": float((ours - theirs).abs().max() / ours.abs().max()),
            "compensated": float(set_loss(weight, pruned, covariance).mean() / whole),
            "plain": float(set_loss(weight, pruned, second).mean() / whole),
        }
    )
