"""Eq. 12 on real inputs: which masks its two forms select in the uncentred layers of models."""

from collections.abc import Sequence
from types import SimpleNamespace

import pandas

from stade_nb.numerics.masks import Pattern
from stade_nb.pages import page_models
from stade_nb.pages.layer_inputs import LayerInputs
from stade_nb.theory import misprints


def gathered(p: SimpleNamespace) -> dict[str, list[LayerInputs]]:
    """The layers of `p.models` that Sec. 3.2 counts as not centred, by model label.

    p: a notebook's checked parameters. The models are unpruned and read the calibration windows.
    """
    found = page_models.inputs(p, p.seed)
    return {label: [one for one in layers if not one.centred] for label, layers in found.items()}


def differences(
    found: dict[str, list[LayerInputs]], patterns: Sequence[str | float | Pattern]
) -> pandas.DataFrame:
    """Both forms of Eq. 12 against STD's and Wanda's masks: a row for each layer and form.

    Columns: model, block, layer, pattern, form; STD, Eq. 11 and Wanda, Eq. 10, the shares of mask
    entries that differ (see `misprints.eq12_differences`). In float32, as pruning computes.
    """
    parts = []
    for label, layers in found.items():
        for layer in layers:
            for pattern in patterns:
                part = misprints.eq12_differences(layer.weight.float(), layer.moments, pattern)
                place = {"model": label, "block": layer.block, "layer": layer.short}
                parts.append(part.rename_axis("form").reset_index().assign(
                    **place, pattern=str(pattern)
                ))  # fmt: skip
    columns = ["model", "block", "layer", "pattern", "form"]
    table = pandas.concat(parts, ignore_index=True)
    return table[[*columns, *(name for name in table.columns if name not in columns)]]


def by_layer(table: pandas.DataFrame) -> pandas.DataFrame:
    """`differences` averaged over blocks: a row for each model, layer type, pattern and form."""
    keys = ["model", "layer", "pattern", "form"]
    return table.drop(columns="block").groupby(keys, sort=False).mean().reset_index()
