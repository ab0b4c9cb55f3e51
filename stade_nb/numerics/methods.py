"""The paper's methods as data (Table 1), and one layer pruned by any of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stade_nb.errors import StadeError, unknown
from stade_nb.numerics import masks, sparsegpt
from stade_nb.numerics.bias import corrected
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.metrics import METRICS, MOMENTS, NOTHING, Metric
from stade_nb.numerics.moments import Moments

UNCENTRED = frozenset({"uncentred"})
BOTH = frozenset({"centred", "uncentred"})


@dataclass(frozen=True)
class Method:
    """A row of Table 1. `centred` and `uncentred` name the metric for a layer of that kind.

    corrects_bias: the kinds of layers whose bias Eq. 7 corrects. title: the paper's name.
    """

    name: str
    title: str
    centred: str
    uncentred: str
    reference: str
    corrects_bias: frozenset[str] = NOTHING
    updates_weights: bool = False

    def metric(self, centred: bool) -> Metric:
        """The score for a layer whose input is `centred` (follows a normalisation) or is not."""
        return METRICS[self.centred if centred else self.uncentred]

    def formula(self, centred: bool) -> str:
        """Table 1's last column, in LaTeX; W is (out, in), mu and sigma are the inputs' moments."""
        return self.metric(centred).formula

    def corrects(self, centred: bool) -> bool:
        """Whether Eq. 7 changes the bias of such a layer."""
        return ("centred" if centred else "uncentred") in self.corrects_bias

    @property
    def needs(self) -> frozenset[str]:
        """What must be gathered from layer inputs: nothing, "moments", or "moments" and "gram"."""
        moments = MOMENTS if self.corrects_bias else NOTHING
        return moments | self.metric(True).needs | self.metric(False).needs


STADE = "Coello de Portugal Mecke et al. 2025, arXiv 2503.22451"
ZHU = "Zhu and Gupta 2017, arXiv 1710.01878"
WANDA = "Sun et al. 2024, arXiv 2306.11695"
SPARSEGPT = "Frantar and Alistarh 2023, arXiv 2301.00774"

_ROWS = (
    Method("magnitude", "Magnitude", "magnitude", "magnitude", ZHU),
    Method("random", "Random", "random", "random", "a baseline of this book"),
    Method("wanda", "Wanda", "wanda", "wanda", WANDA),
    Method("std", "STD metric", "std", "std", STADE, BOTH),
    Method("stade", "STADE", "wanda", "std", STADE, UNCENTRED),
    Method("stade_without_bias", "STADE (w/o bias)", "wanda", "without_bias", STADE),
    Method(
        "stade_without_bias_as_printed",
        "STADE (w/o bias), Eq. 12 to the letter",
        "wanda",
        "without_bias_as_printed",
        STADE,
    ),
    Method("std_without_bias", "STD (w/o bias) metric", "without_bias", "without_bias", STADE),
    Method("sparsegpt", "SparseGPT", "sparsegpt", "sparsegpt", SPARSEGPT, updates_weights=True),
    Method(
        "sparsegpt_without_update", "SparseGPT (w/o update)", "sparsegpt", "sparsegpt", SPARSEGPT
    ),
    Method(
        "wanda_with_bias",
        "Wanda + bias correction",
        "wanda",
        "wanda",
        "Wanda's mask with this paper's Eq. 7",
        BOTH,
    ),
    Method(
        "std_without_correction",
        "STD without correction",
        "std",
        "std",
        "Eq. 11's mask without the bias of Eq. 7 that it is derived with",
    ),
)
METHODS = {row.name: row for row in _ROWS}

# The options of the authors' command lines that are not a name above. Their second version also
# calls `stade` what is `std` here; a name of the paper keeps the paper's meaning.
ALIASES = {
    "stadew": "stade",
    "stadew_star": "stade_without_bias",
    "stadenobias": "stade_without_bias",
    "sparsegptnoupdate": "sparsegpt_without_update",
}


def method(name: str) -> Method:
    """Table 1: the method called `name`, here or on the authors' command lines.

    StadeError where there is none.
    """
    if name == "stade_plus":
        raise StadeError(
            "method 'stade_plus': the authors' README lists it, but no published code has it and "
            f"what it computes is not described; expected one of {', '.join(METHODS)}"
        )
    name = ALIASES.get(name, name)
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


@dataclass(frozen=True)
class LayerResult:
    """A pruned layer: weight (out, in), bias (out,) or None, and pruned (out, in), True = gone."""

    weight: Tensor
    bias: Tensor | None
    pruned: Tensor


_method = method  # prune_layer has a parameter of that name


def prune_layer(
    weight: Tensor,
    bias: Tensor | None,
    moments: Moments | None,
    method: str,
    pattern: str | float | Pattern,
    *,
    centred: bool,
    scope: str = "row",
    generator: torch.Generator | None = None,
    layer: str = "",
    count_biases: bool = False,
) -> LayerResult:
    """Table 1: one layer pruned by `method`; new tensors in the input's dtype, nothing in place.

    moments: of the layer's inputs, as the method needs them. centred: whether the input counts as
    centred. scope: who competes for a share, see masks.unstructured; SparseGPT has its own rule.
    generator: for "random". layer: a name for error messages. count_biases: where Eq. 7 adds a bias
    to a layer that had none, prune one more weight for each of its values, so that the layer has
    as many parameters as without them (Sec. 3.4); for a share only, see `masks.check_extra`.

    StadeError where the method, the pattern or the scope is not known or does not fit, or the
    method lacks the statistics or the generator that it needs.
    """
    chosen, pattern = _method(method), masks.parse_pattern(pattern)
    masks.check_scope(scope)
    if chosen.needs and moments is None:
        raise StadeError(
            f"method {chosen.name!r} without statistics of the layer's inputs: expected moments; "
            "run the calibration windows through the layer first"
        )
    if chosen.name == "random" and generator is None:
        raise StadeError(
            "method 'random' without a generator: expected a torch.Generator; "
            "pass torch.Generator().manual_seed(0)"
        )
    score = chosen.metric(centred).score
    if score is None:
        hessian = sparsegpt.hessian(moments)
        kept, pruned = sparsegpt.solve(
            weight, hessian, pattern, update=chosen.updates_weights, layer=layer
        )
    else:
        extra = int(count_biases and bias is None and chosen.corrects(centred))
        pruned = masks.select(score(weight, moments, generator), pattern, scope, layer, extra)
        kept = weight.masked_fill(pruned, 0)
    if chosen.corrects(centred):
        bias = corrected(bias, weight, pruned, moments.mean)
    return LayerResult(kept, None if bias is None else bias.clone(), pruned)
