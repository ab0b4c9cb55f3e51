"""Normalised does not mean centred: the means of real layer inputs, and what they do to scores."""

from collections.abc import Mapping, Sequence

import pandas

from stade_nb.claims.paper import Claim
from stade_nb.claims.verdicts import FAILS, HOLDS
from stade_nb.pages.layer_inputs import LayerInputs

# A mean of a tenth of the standard deviation is 1 % of E[X²]: Wanda's score and STD's then differ
# by half a percent. "Centred" is fixed as: so small in 95 % of the features behind normalisations.
SMALL, MOST = 0.1, 0.95


def off_centre(inputs: Mapping[str, Sequence[LayerInputs]]) -> pandas.DataFrame:
    """|mean| / std of every feature that enters a linear layer, by model; each input once.

    Columns model, block, layer (names of the layers that read the input), centred (whether Sec. 3.2
    counts it so), feature, ratio. A feature that never varies has no ratio and is left out.
    """
    rows = []
    for model, layers in inputs.items():
        names: dict[tuple[int, int], list[LayerInputs]] = {}
        for layer in layers:
            names.setdefault((layer.block, id(layer.moments)), []).append(layer)
        for (block, _), readers in names.items():
            moments, title = readers[0].moments, ", ".join(reader.short for reader in readers)
            std = moments.variance.sqrt()
            ratio = (moments.mean.abs() / std)[std > 0]
            rows += [
                (model, block, title, readers[0].centred, feature, value)
                for feature, value in zip(
                    (std > 0).nonzero()[:, 0].tolist(), ratio.tolist(), strict=True
                )
            ]
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


def verdict(table: pandas.DataFrame) -> tuple[float, str]:
    """normalised-is-centred: the share of features behind norms that are, and the verdict."""
    behind = table[table["centred"]]["ratio"]
    share = float((behind < SMALL).mean())
    return share, HOLDS if share >= MOST else FAILS


def chosen(ran: pandas.DataFrame, layers: object) -> pandas.DataFrame:
    """The cells in `ran` that pruned `layers`, and the dense ones."""
    return ran[(ran["layers"].map(str) == str(layers)) | (ran["method"] == "dense")]


def everywhere(patterns: Sequence[str]) -> tuple[Claim, Claim]:
    """Two metrics help: STADE is below either of its metrics used on every layer."""
    return tuple(
        Claim("two-metrics-help", "stade", other, tuple(patterns)) for other in ("std", "wanda")
    )
