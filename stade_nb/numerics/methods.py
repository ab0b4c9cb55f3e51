"""The paper's methods as data (Table 1), and one layer pruned by any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stade_nb.errors import StadeError, unknown
from stade_nb.numerics import masks, sparsegpt
from stade_nb.numerics.bias import corrected
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.metrics import METRICS, Metric, Needs
from stade_nb.numerics.moments import Moments


@dataclass(frozen=True)
class Treatment:
    """What happens to a layer: the metric its weights are chosen by, and whether Eq. 7 follows.

    finish: (weight, bias, mask, moments, pattern) -> LayerResult, instead of zeros and Eq. 7.
    """

    metric: Metric
    corrects: bool = False
    finish: Callable[..., LayerResult] | None = None


@dataclass(frozen=True)
class Method:
    """A row of Table 1: how layers whose input is `centred` (follows a norm) or is not are treated.

    title: the paper's name. equal_parameters: where Eq. 7 adds a bias to a layer that had none, one
    more weight goes for each of its values, so that the layer has as many parameters as without
    them (Sec. 3.4); for a share only, see `masks.check_extra`. scope: who competes for a share
    where nothing else is said, see `Pattern`: for magnitude a whole layer's weights, as in the
    public code and in Table 3, for the others those of each row.

    >>> METHODS["stade"].treatment(centred=False).corrects
    True
    """

    name: str
    title: str
    centred: Treatment
    uncentred: Treatment
    updates_weights: bool = False
    equal_parameters: bool = False
    scope: str = "row"

    def of(self, layer_type: str) -> Method:
        """The method that layers of a type ("self_attn.q_proj") are pruned by: itself, on all."""
        return self

    def pattern(self, pattern: str | float | Pattern, scope: str | None = None) -> Pattern:
        """`pattern` as this method prunes by it: a share competes in its `scope`, if none is given.

        One that is parsed already keeps its own; N:M competes within groups, whatever the scope.

        >>> METHODS["magnitude"].pattern("50%")
        Pattern(sparsity=0.5, n=None, m=None, scope='layer')
        """
        if scope is not None:
            return masks.parse_pattern(pattern, scope)
        parsed = masks.parse_pattern(pattern)
        own = isinstance(pattern, Pattern) or parsed.m is not None
        return parsed if own else replace(parsed, scope=self.scope)

    def treatment(self, centred: bool) -> Treatment:
        """What happens to a layer whose input counts as centred, or does not."""
        return self.centred if centred else self.uncentred

    @property
    def corrects(self) -> bool:
        """Whether Eq. 7 changes the bias of any layer."""
        return self.centred.corrects or self.uncentred.corrects

    @property
    def needs(self) -> Needs:
        """What must be gathered from layer inputs."""
        moments = Needs.MOMENTS if self.corrects else Needs.NOTHING
        return max(moments, self.centred.metric.needs, self.uncentred.metric.needs)


def _everywhere(name: str, title: str, metric: str, corrects: bool = False, **more) -> Method:
    treatment = Treatment(METRICS[metric], corrects)
    return Method(name, title, treatment, treatment, **more)


_WANDA = Treatment(METRICS["wanda"])
_ROWS = (
    _everywhere("magnitude", "Magnitude", "magnitude", scope="layer"),
    _everywhere("random", "Random", "random"),
    _everywhere("wanda", "Wanda", "wanda"),
    _everywhere("std", "STD metric", "std", corrects=True),
    Method("stade", "STADE", _WANDA, Treatment(METRICS["std"], corrects=True)),
    Method("stade_without_bias", "STADE (w/o bias)", _WANDA, Treatment(METRICS["without_bias"])),
    Method("stade_without_bias_as_printed", "STADE (w/o bias), Eq. 12 to the letter", _WANDA,
           Treatment(METRICS["without_bias_as_printed"])),
    _everywhere("std_without_bias", "STD (w/o bias) metric", "without_bias"),
    _everywhere("sparsegpt", "SparseGPT", "sparsegpt", updates_weights=True),
    _everywhere("sparsegpt_without_update", "SparseGPT (w/o update)", "sparsegpt"),
    _everywhere("wanda_with_bias", "Wanda + bias correction", "wanda", corrects=True),
    _everywhere("std_without_correction", "STD without correction", "std"),
)  # fmt: skip
METHODS = {row.name: row for row in _ROWS}
# Sec. 3.4's promise, for every method that may add biases.
for _row in filter(lambda row: row.corrects, _ROWS):
    _name, _title = f"{_row.name}_equal_parameters", f"{_row.title}, equal parameters"
    METHODS[_name] = replace(_row, name=_name, title=_title, equal_parameters=True)

# Methods beyond the paper, known by name and in none of its tables: `stade_nb.beyond` adds some.
BEYOND: dict[str, Method] = {}

# The options of the authors' command lines that are not a name above. Their second version also
# calls `stade` what is `std` here; a name of the paper keeps the paper's meaning.
ALIASES = {
    "stadew": "stade",
    "stadew_star": "stade_without_bias",
    "stadenobias": "stade_without_bias",
    "stdnobias": "std_without_bias",
    "stade_star": "std_without_bias",
    "sparsegptnoupdate": "sparsegpt_without_update",
}


def method(name: str | Method) -> Method:
    """Table 1: the method called `name`, here or on the authors' command lines, or one as it is.

    StadeError where there is none.
    """
    if isinstance(name, Method):
        return name
    if name == "stade_plus":
        raise StadeError(
            "method 'stade_plus': the authors' README lists it, but no published code has it and "
            f"what it computes is not described; expected one of {', '.join(METHODS)}"
        )
    name = ALIASES.get(str(name), str(name))
    if name not in (known := METHODS | BEYOND):
        raise unknown("method", name, known)
    return known[name]


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
    method: str | Method,
    pattern: str | float | Pattern,
    *,
    centred: bool,
    generator: torch.Generator | None = None,
) -> LayerResult:
    """Table 1: one layer pruned by `method`; new tensors in the input's dtype, nothing in place.

    weight: (out, in). bias: (out,). moments: of the layer's inputs, as the method needs them.
    pattern: what `Method.pattern` takes; SparseGPT has its own rule of who competes. centred:
    whether the input counts as centred. generator: for "random". StadeError where method, pattern
    and weight do not fit, and where the statistics or the generator that it needs are lacking.

    >>> weight, x = torch.tensor([[3.0, 1]]), torch.tensor([[1.0, 2], [1, 4]])
    >>> pruned = prune_layer(weight, None, Moments.of(x), "std", 0.5, centred=False)
    >>> pruned.weight, pruned.bias  # the first input is constant: the bias takes its place
    (tensor([[0., 1.]]), tensor([3.]))
    """
    chosen = _method(method)
    pattern = chosen.pattern(pattern)
    if not weight.is_floating_point():
        raise StadeError(f"weight of {weight.dtype}: expected a float dtype; convert it")
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
    treatment = chosen.treatment(centred)
    if treatment.metric.score is None:
        hessian = sparsegpt.hessian(moments)
        kept, pruned = sparsegpt.solve(weight, hessian, pattern, update=chosen.updates_weights)
    else:
        score = treatment.metric.score(weight, moments, generator)
        extra = int(chosen.equal_parameters and treatment.corrects and bias is None)
        pruned = masks.select(score, pattern, extra)
        kept = weight.masked_fill(pruned, 0)
    if treatment.finish is not None:
        return treatment.finish(weight, bias, pruned, moments, pattern)
    if treatment.corrects:
        bias = corrected(bias, weight, pruned, moments.mean)
    return LayerResult(kept, None if bias is None else bias.clone(), pruned)
