"""The plots of Table 2 and Fig. 1."""

import math

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stade_book import style
from stade_book.claims import paper
from stade_book.claims.layers import METRICS, predicted
from stade_book.claims.verdicts import OPEN
from stade_book.style import BLACK, INK, METHOD_STYLE
from stade_nb.models import architectures

LIMIT = 20  # per cent, where the colours of the heat map end


def heat_map(rows: pandas.DataFrame) -> Figure:
    """log(STD / Wanda) of the perplexities by layer type and sparsity, a panel for each model.

    rows: columns model, layer, sparsity, wanda, std, outcome, and verdict where there is one. A
    cell's letter says which metric is lower, beyond noise where that is known.
    """
    models, sparsities = list(rows["model"].unique()), sorted(rows["sparsity"].unique())
    heights = [rows[rows["model"] == model]["layer"].nunique() for model in models]
    tall = 1.1 + 0.29 * sum(heights) + 0.55 * len(models)
    figure, panels = style.axes(tall, len(models), height_ratios=heights, squeeze=False)
    panels = panels[:, 0]
    norm = TwoSlopeNorm(0, -LIMIT, LIMIT)
    for axes, model in zip(panels, models, strict=True):
        some = rows[rows["model"] == model]
        layers = sorted(some["layer"].unique(), key=architectures.place)
        values = np.full((len(layers), len(sparsities)), np.nan)
        for row in some.to_dict("records"):
            place = layers.index(row["layer"]), sparsities.index(row["sparsity"])
            values[place] = 100 * math.log(row["std"] / row["wanda"])
            strong = abs(values[place]) > 0.6 * LIMIT
            axes.text(*place[::-1], _written(values[place], row), ha="center", va="center",
                      fontsize=8, color="white" if strong else BLACK)  # fmt: skip
        image = axes.imshow(values, cmap="PuOr", norm=norm, aspect="auto")
        marks = ["STD†" if predicted(layer) == "std" else "Wanda†" for layer in layers]
        axes.set_yticks(
            range(len(layers)), [f"{a}  {b}" for a, b in zip(layers, marks, strict=True)]
        )
        axes.set_xticks(range(len(sparsities)), [paper.sparsity(str(s)) for s in sparsities])
        axes.tick_params(length=0, labelsize=8)
        axes.set_title(model, fontsize=10)
        axes.grid(False)
        axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=list(panels), shrink=0.6, aspect=30, extend="both")
    said = "100 · log(STD / Wanda).  S, orange: STD is lower.  W, violet: Wanda is lower."
    figure.supxlabel(said, fontsize=10)
    return figure


def _written(value: float, row: dict) -> str:
    """A cell's number and letter; none where the two are equal as printed or within noise."""
    number = f"{value:+.0f}" if abs(value) >= 10 else f"{value:+.1f}"
    number = "0.0" if number in ("+0.0", "-0.0") else number.replace("-", "−")
    tie = row["outcome"] == "equal" or row.get("verdict") == OPEN
    return number if tie else f"{'S' if value < 0 else 'W'} {number}"


def by_layer(frame: pandas.DataFrame) -> Figure:
    """Perplexity over dense by sparsity, a line for each layer type pruned by its † metric.

    frame: columns model, layer, metric, sparsity, relative; a row for each seed.
    """
    models = list(frame["model"].unique())
    figure, (panels,) = style.axes(4.3, columns=len(models), sharex=True, squeeze=False)
    pruned = frame[frame["layer"] != paper.DENSE]
    marked = pruned[pruned["metric"] == pruned["layer"].map(predicted)]
    looks, drawn = style.layers(marked["layer"]), {}
    for axes, model in zip(panels, models, strict=True):
        some = marked[marked["model"] == model]
        for layer in sorted(some["layer"].unique(), key=architectures.place):
            colour, marker = looks[layer]
            own = some[some["layer"] == layer].groupby("sparsity")["relative"].mean()
            dashes = "-" if architectures.is_mlp(layer) else "--"
            look = {"linestyle": dashes, "color": colour, "marker": marker}
            axes.plot(100 * own.index, own, **look)
            names = drawn.setdefault(tuple(look.values()), [])
            names += [layer] if layer not in names else []
        axes.set_title(model, fontsize=10)
        axes.set_xlabel("sparsity of the layers, %")
        _logarithmic(axes)
    panels[0].set_ylabel("perplexity / dense")
    handles = [
        Line2D([], [], linestyle=dashes, color=colour, marker=marker, label=", ".join(names))
        for (dashes, colour, marker), names in drawn.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def lines(frame: pandas.DataFrame) -> Figure:
    """Fig. 1: perplexity by sparsity, both metrics, a panel for each layer type of a model.

    frame: columns model, layer, metric, sparsity, perplexity; a row for each seed, whose standard
    deviation is drawn.
    """
    pruned = frame[frame["layer"] != paper.DENSE]
    figure, panels = _panels(pruned)
    for (model, layer), axes in panels.items():
        some = pruned[(pruned["model"] == model) & (pruned["layer"] == layer)]
        for metric in METRICS:
            own = some[some["metric"] == metric].groupby("sparsity")["perplexity"]
            mean, spread = own.mean(), own.std().fillna(0)
            colour, marker = METHOD_STYLE[metric]
            axes.errorbar(100 * mean.index, mean, spread, color=colour, marker=marker, capsize=2,
                          alpha=0.9, label=paper.title(metric))  # fmt: skip
        _logarithmic(axes)
    figure.supylabel("perplexity", fontsize=10)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def ratios(rows: pandas.DataFrame) -> Figure:
    """Fig. 1's two lines, one over the other: how STD changes Wanda's perplexity, with intervals.

    rows: as `claims.layers.compared` has them; low and high may be missing, as they are of
    printed numbers.
    """
    figure, panels = _panels(rows)
    for (model, layer), axes in panels.items():
        some = rows[(rows["model"] == model) & (rows["layer"] == layer)].sort_values("sparsity")
        # Logarithms of STD over Wanda; the comparison is of † over the other.
        sign = 1 if predicted(layer) == "std" else -1
        change, *ends = (sign * np.log1p(some[name].to_numpy(float)) for name in
                         ("change", "low", "high"))  # fmt: skip
        span = np.nan_to_num(np.abs(np.array(ends) - change)[::sign])
        colour, marker = METHOD_STYLE["std"]
        axes.errorbar(100 * some["sparsity"], 100 * change, 100 * span, color=colour,
                      marker=marker, capsize=2)  # fmt: skip
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(
            lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"
        )
        axes.set_xticks(range(10, 100, 20))
    figure.supylabel("100 · log(STD / Wanda)", fontsize=10)
    return figure


def _panels(rows: pandas.DataFrame) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """A figure with a panel for each (model, layer): a row for each model, the last layer right."""
    kinds = {
        model: sorted(some["layer"].unique(), key=architectures.place)
        for model, some in rows.groupby("model", sort=False)
    }
    columns = max(map(len, kinds.values()))
    figure, grid = style.axes(
        0.8 + 2.2 * len(kinds), len(kinds), columns, sharex=True, sharey="row", squeeze=False
    )
    panels = {}
    for across, (model, layers) in zip(grid, kinds.items(), strict=True):
        used = [*across[: len(layers) - 1], across[-1]]
        for axes in set(across) - set(used):
            axes.set_visible(False)
        for axes, layer in zip(used, layers, strict=True):
            kind = "centred" if architectures.is_centred(layer) else "not centred"
            axes.set_title(f"{layer}, input {kind}", fontsize=9)
            panels[model, layer] = axes
        used[0].set_ylabel(model)
    for axes in grid[-1]:
        axes.set_xlabel("sparsity of the layers, %")
    return figure, panels


def _logarithmic(axes) -> None:
    axes.set(yscale="log", xticks=range(10, 100, 20))
    style.log_ticks(axes)
