"""Points of theory and code, looked at on the layers of a model: a row for each layer type.

Each function takes layers from `models.gather`, all of float64, and gives means over blocks.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import pandas
import torch

from stade_book.claims.paper import Claim
from stade_book.claims.theory import SMALL
from stade_book.pages.models import LayerInputs
from stade_book.theory import many_weights, misprints, other_work
from stade_book.theory.many_weights import AnyPattern
from stade_nb.numerics import masks, metrics
from stade_nb.numerics.methods import prune_layer


def by_type(
    layers: Sequence[LayerInputs], measure: Callable[[LayerInputs], dict[str, float]]
) -> pandas.DataFrame:
    """What `measure` finds, averaged over the blocks: a row for each layer type, in their order."""
    rows = [{"layer": layer.short, **measure(layer)} for layer in layers]
    return pandas.DataFrame(rows).groupby("layer", sort=False).mean().reset_index()


def correction_orders(layers: Sequence[LayerInputs], pattern: AnyPattern) -> pandas.DataFrame:
    """5.1: Eq. 7's correction for STD's mask, summed before and after zeroing the weights.

    Columns layer; before, after: root mean square over outputs of correction / std of the output.
    """

    def measure(layer: LayerInputs) -> dict[str, float]:
        weight, moments = layer.weight, layer.moments
        pruned = masks.select(metrics.std(weight, moments.variance), pattern)
        spread = ((weight @ (moments.cross / moments.count)) * weight).sum(dim=-1).sqrt()
        found = other_work.corrections(weight, pruned, moments.mean)
        sizes = ((value / spread).square().mean().sqrt() for value in found.values())
        return dict(zip(("before", "after"), map(float, sizes), strict=True))

    return by_type(layers, measure)


def additivity(layers: Sequence[LayerInputs], pattern: AnyPattern) -> pandas.DataFrame:
    """5.6: the exact loss of a layer's pruned sets over the sum of their single losses.

    Columns layer; refitted: STD's mask, bias of Eq. 7, Cov(X); kept: Wanda's mask, no bias,
    E[X Xᵀ]. Eqs. 8 and 9 take 1 for granted.
    """

    def ratio(layer: LayerInputs, method: str, matrix: torch.Tensor) -> float:
        weight, moments = layer.weight, layer.moments
        gone = prune_layer(weight, None, moments, method, pattern, centred=layer.centred).pruned
        exact = many_weights.set_loss(weight, gone, matrix).sum()
        return float(exact / many_weights.sum_of_single_losses(weight, gone, matrix).sum())

    def measure(layer: LayerInputs) -> dict[str, float]:
        moments = layer.moments
        return {
            "refitted": ratio(layer, "std", moments.cross / moments.count),
            "kept": ratio(layer, "wanda", moments.gram / moments.count),
        }

    return by_type(layers, measure)


def without_update(layers: Sequence[LayerInputs], pattern: AnyPattern) -> pandas.DataFrame:
    """5.7: what SparseGPT's masks cost if nothing is updated, over the cost of Wanda's.

    Columns layer, algorithm (squared Cholesky diagonals), printed (Table 1's diagonal).
    """

    def measure(layer: LayerInputs) -> dict[str, float]:
        found = misprints.sparsegpt_without_update(layer.weight, layer.moments, pattern)
        loss = found.set_index("score")["loss"]
        return {key: loss[key] / loss["nothing refitted"] for key in ("algorithm", "printed")}

    return by_type(layers, measure)


def eq1(layers: Sequence[LayerInputs], pattern: AnyPattern) -> pandas.DataFrame:
    """5.9: Eq. 1 to the letter, ‖X_j‖ times the norm of all weights of input j, against Wanda.

    Columns layer; differs, share of mask entries; channels, share of the inputs that all outputs
    lose together (Wanda: hardly any).
    """

    def measure(layer: LayerInputs) -> dict[str, float]:
        literal = layer.moments.norm * layer.weight.norm(dim=0)
        pruned = masks.select(literal.expand_as(layer.weight), pattern)
        wanda = masks.select(metrics.wanda(layer.weight, layer.moments.norm), pattern)
        return {
            "differs": float((pruned != wanda).double().mean()),
            "channels": float(pruned.all(dim=0).double().mean()),
            "wanda_channels": float(wanda.all(dim=0).double().mean()),
        }

    return by_type(layers, measure)


def flap(layers: Sequence[LayerInputs]) -> pandas.DataFrame:
    """5.11: see `other_work.compared`, for every layer."""
    return by_type(layers, lambda layer: dict(other_work.compared(layer.weight, layer.moments)))


def off_centre(inputs: Mapping[str, Sequence[LayerInputs]]) -> pandas.DataFrame:
    """|mean| / std of every feature that enters a linear layer, by model; each input once.

    Columns model, block, layer (names of the layers that read the input), centred (whether Sec. 3.2
    counts it so), feature, ratio. A feature that never varies has no ratio and is left out.
    """
    rows = []
    for model, layers in inputs.items():
        readers: dict[tuple[int, int], list[LayerInputs]] = {}
        for layer in layers:
            readers.setdefault((layer.block, id(layer.moments)), []).append(layer)
        for (block, _), own in readers.items():
            ratio = own[0].moments.mean.abs() / own[0].moments.variance.sqrt()
            head = model, block, ", ".join(layer.short for layer in own), own[0].centred
            rows += [(*head, n, r) for n, r in enumerate(ratio.tolist()) if math.isfinite(r)]
    columns = ["model", "block", "layer", "centred", "feature", "ratio"]
    return pandas.DataFrame(rows, columns=columns)


def summary(table: pandas.DataFrame) -> pandas.DataFrame:
    """`off_centre` in short: a row for each model and input, all blocks together.

    Columns model, layer, centred; median, largest; small, the share of features below `SMALL`.
    """
    grouped = table.groupby(["model", "layer", "centred"], sort=False)["ratio"]
    return grouped.agg(
        median="median", largest="max", small=lambda ratio: (ratio < SMALL).mean()
    ).reset_index()


def chosen(ran: pandas.DataFrame, layers: object) -> pandas.DataFrame:
    """The cells in `ran` that pruned `layers`, and the dense ones."""
    return ran[(ran["layers"].map(str) == str(layers)) | (ran["method"] == "dense")]


def everywhere(patterns: Sequence[str]) -> tuple[Claim, Claim]:
    """Two metrics help: STADE is below either of its metrics used on every layer."""
    return tuple(
        Claim("two-metrics-help", "stade", other, tuple(patterns)) for other in ("std", "wanda")
    )


def eq12(
    inputs: Mapping[str, Sequence[LayerInputs]], patterns: Sequence[AnyPattern]
) -> pandas.DataFrame:
    """5.4: both forms of Eq. 12 against STD's and Wanda's masks, in layers that are not centred.

    inputs: by model, see `models.inputs`. Columns: model, block, layer, pattern, form; std and
    wanda, the shares of mask entries that differ (see `misprints.eq12_differences`). In float32,
    as pruning computes.
    """
    parts = []
    for model, layers in inputs.items():
        for layer in layers:
            for pattern in [] if layer.centred else patterns:
                part = misprints.eq12_differences(layer.weight.float(), layer.moments, pattern)
                place = {"model": model, "block": layer.block, "layer": layer.short}
                parts.append(pandas.DataFrame(place | {"pattern": str(pattern)}, part.index)
                             .join(part))  # fmt: skip
    keys = ["model", "block", "layer", "pattern", "form"]
    return pandas.concat(parts).reset_index()[[*keys, *misprints.RIVALS]]


def over_blocks(table: pandas.DataFrame) -> pandas.DataFrame:
    """`eq12` averaged over blocks: a row for each model, layer type, pattern and form."""
    keys = ["model", "layer", "pattern", "form"]
    return table.drop(columns="block").groupby(keys, sort=False).mean().reset_index()
