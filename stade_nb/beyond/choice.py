"""STADE with another answer to which inputs are centred: by measurement instead of by place.

STADE takes a layer's input as centred where a norm precedes it, and prunes there by Wanda's metric,
elsewhere by the standard deviation and with Eq. 7. Here the means that were gathered decide.
"""

from torch import Tensor

from stade_nb.numerics.bias import corrected
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.metrics import METRICS, Metric, Needs
from stade_nb.numerics.moments import Moments

# Below this |mean| / sigma the mean adds less than 1 % to a channel's second moment.
CENTRED = 0.1


def is_centred(moments: Moments) -> bool:
    """Whether the median of |mean| / sigma, over the channels that vary, is below `CENTRED`."""
    varies = moments.variance > 0
    if not varies.any():
        return False
    ratio = moments.mean[varies].abs() / moments.variance[varies].sqrt()
    return bool(ratio.quantile(0.5) < CENTRED)


def _score(weight: Tensor, moments: Moments, generator: object) -> Tensor:
    metric = METRICS["wanda" if is_centred(moments) else "std"]
    return metric.score(weight, moments, generator)


def chosen(
    weight: Tensor, bias: Tensor | None, pruned: Tensor, moments: Moments, _: Pattern
) -> LayerResult:
    """Zeros where `pruned`, and Eq. 7 where the input is not centred by measurement."""
    if not is_centred(moments):
        bias = corrected(bias, weight, pruned, moments.mean)
    kept = weight.masked_fill(pruned, 0)
    return LayerResult(kept, None if bias is None else bias.clone(), pruned)


METRIC = Metric(
    "by_measurement",
    r"\|X_{:,j}\|_2|W_{i,j}| \text{ or } \sigma_j^2 W_{i,j}^2",
    "",
    Needs.MOMENTS,
    _score,
)
