"""The plots of the audit."""

import math
from collections.abc import Sequence

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stade_book import style
from stade_book.claims import paper
from stade_book.style import BLUE, GREEN, INK, ORANGE, SERIES, VERMILION

STEEP = 5.0
OUTCOMES = {"better": (GREEN, "o"), "equal": (INK, "d"), "worse": (VERMILION, "X")}


def _marks(axes: Axes, rows: pandas.DataFrame, x: str, y: str, of: str, **look) -> None:
    """A mark for each row at its columns `x` and `y`, by its outcome; its label: "`of` better"."""
    for word, (colour, marker) in OUTCOMES.items():
        own = rows[rows["outcome"] == word]
        axes.plot(own[x], own[y], marker, color=colour, label=f"{of} {word}", **look)


def printed_differences(compared: pandas.DataFrame, method: str, other: str) -> Figure:
    """A table of perplexities: the change from `other` to `method`, by pattern, models by size.

    compared: from `claims.printed.cells`.
    """
    patterns = list(dict.fromkeys(compared["pattern"]))
    models = paper.by_size(compared["model"].unique())
    change = 100 * (compared[method] / compared[other] - 1)
    rows = compared.assign(at=compared["model"].map(models.index), change=change)
    figure, panels = style.axes(
        0.34 * len(models) + 1.2, columns=len(patterns), sharey=True, sharex=True
    )
    for axes, (pattern, own) in zip(panels, rows.groupby("pattern", sort=False), strict=True):
        colours = [OUTCOMES[outcome][0] for outcome in own["outcome"]]
        axes.hlines(own["at"], 0, own["change"], colors=colours)
        _marks(axes, own, "change", "at", "STADE")
        axes.axvline(0, color=INK, linewidth=1)
        axes.set(title=paper.sparsity(pattern), ylim=(len(models) - 0.4, -0.6))
        axes.margins(x=0.15)
    panels[0].set_yticks(range(len(models)), models)
    panels[len(panels) // 2].set_xlabel("change of perplexity, Wanda to STADE, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def accuracy_differences(compared: pandas.DataFrame, error: float) -> Figure:
    """Table 4: STADE's accuracy less Wanda's, all cells in order of size, and their noise.

    error: of the mean of seven tasks, in points; the band is one standard error of a difference.
    """
    gaps = compared.assign(gap=compared["stade"] - compared["wanda"]).sort_values("gap")
    gaps = gaps.assign(place=range(len(gaps)))
    figure, axes = style.axes(0.19 * len(gaps) + 1.2)
    axes.axvspan(-error, error, color=INK, alpha=0.1, linewidth=0, label="±1 standard error")
    _marks(axes, gaps, "gap", "place", "STADE")
    names = [f"{row.model}, {paper.sparsity(row.pattern)}" for row in gaps.itertuples()]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(xlabel="STADE − Wanda, points", ylim=(-0.7, len(gaps) - 0.3))
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def table2_outcomes(both: pandas.DataFrame) -> Figure:
    """Table 2 as a grid: whether the metric that Sec. 3 predicts is better, equal or worse.

    both: from `claims.printed.layers`.
    """
    layers = list(dict.fromkeys(both.sort_values("input", kind="stable")["layer"]))
    figure, axes = style.axes(0.33 * len(layers) + 1.1)
    rows = both.assign(at=both["layer"].map(layers.index), percent=100 * both["sparsity"])
    _marks(axes, rows, "percent", "at", "predicted metric", markersize=9)
    inputs = both.drop_duplicates("layer").set_index("layer")["input"]
    names = [f"{layer.rpartition('.')[2]} ({inputs[layer]})" for layer in layers]
    axes.set_yticks(range(len(layers)), names)
    axes.set(xlabel="sparsity, %", ylim=(len(layers) - 0.4, -0.6))
    axes.set_xticks(sorted(set(rows["percent"])))
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def growth(times: pandas.DataFrame, models: Sequence[str], methods: Sequence[str]) -> Figure:
    """Table 3: perplexity over dense of some models, side by side, a panel for each pattern.

    times: from `claims.printed.growth`.
    """
    patterns = ["0.5", "2:4", "4:8"]
    looks = style.methods(methods)
    lines = math.ceil(len(methods) / 4)  # of the legend
    figure, panels = style.axes(2.8 + 0.2 * lines, columns=len(patterns), sharey=True)
    for axes, pattern in zip(panels, patterns, strict=True):
        for method in methods:
            colour, marker = looks[method]
            values = [times.loc[(model, pattern), method] for model in models]
            axes.plot(range(len(models)), values, marker=marker, color=colour,
                      label=paper.title(method))  # fmt: skip
        axes.axhline(3, color=INK, linestyle=":")
        axes.axhline(1.5, color=INK, linestyle=":")
        axes.set_xticks(range(len(models)), models)
        axes.set(title=paper.sparsity(pattern), xlim=(-0.4, len(models) - 0.6))
    panels[0].set(ylabel="perplexity / dense", ylim=(0.9, None))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def off_centre(table: pandas.DataFrame) -> Figure:
    """|mean| / std of the features that enter layers: middle half and 95 % of them, by input.

    table: from `audit.layers.off_centre`.
    """
    models = list(dict.fromkeys(table["model"]))
    figure, panels = style.axes(3.4, columns=len(models), sharex=True, squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        own = table[(table["model"] == model) & (table["ratio"] > 0)]
        order = own.drop_duplicates("layer").sort_values("centred", ascending=False, kind="stable")
        for height, row in enumerate(order.itertuples()):
            ratios = own[own["layer"] == row.layer]["ratio"]
            colour, marker = (BLUE, "o") if row.centred else (ORANGE, "s")
            low, first, middle, third, high = np.quantile(ratios, [0.025, 0.25, 0.5, 0.75, 0.975])
            axes.plot([low, high], [height] * 2, color=colour, linewidth=1.2)
            axes.plot([first, third], [height] * 2, color=colour, linewidth=6, alpha=0.5,
                      solid_capstyle="butt")  # fmt: skip
            axes.plot(middle, height, marker, color=colour)
        axes.axvline(0.1, color=INK, linestyle=":")
        axes.set_yticks(range(len(order)), [name.replace(", ", "\n") for name in order["layer"]])
        axes.tick_params(axis="y", labelsize=8)
        axes.set(xscale="log", title=model, xlabel="|mean| / std", ylim=(len(order) - 0.5, -0.5))
    words = ((BLUE, "o", "behind a normalisation"), (ORANGE, "s", "counted as not centred"))
    for colour, marker, label in words:
        panels[0][0].plot([], [], marker=marker, color=colour, label=label)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def sparsity_curves(frame: pandas.DataFrame, methods: Sequence[str]) -> Figure:
    """Perplexity over dense against sparsity, a panel for each model, a line for each method.

    A panel that goes beyond `STEEP` times the dense perplexity has a logarithmic scale.
    frame: columns model, method, pattern (a share), relative.
    """
    models = list(dict.fromkeys(frame["model"]))
    looks = style.methods(methods)
    figure, panels = style.axes(3.2, columns=len(models), squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        for method in methods:
            rows = frame[(frame["model"] == model) & (frame["method"] == method)]
            if len(rows):
                colour, marker = looks[method]
                label = paper.title(method) if model == models[0] else None
                sparsity = 100 * rows["pattern"].astype(float)
                axes.plot(sparsity, rows["relative"], marker=marker, color=colour, label=label)
        steep = frame[frame["model"] == model]["relative"].max() > STEEP
        axes.set(title=model, xlabel="sparsity, %", yscale="log" if steep else "linear")
        axes.yaxis.set_major_formatter("{x:g}")
        if steep:
            style.log_ticks(axes)
        axes.tick_params(axis="y", labelsize=8)
        axes.title.set_fontsize(9)
    panels[0][0].set_ylabel("perplexity / dense")
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def likeness(statistics: pandas.DataFrame) -> Figure:
    """How alike the statistics of two block loops are, over the blocks; a line for each input.

    statistics: from `audit.models.compared`.
    """
    figure, axes = style.axes(3)
    inputs = statistics.drop_duplicates(["block", "ratio", "correlation"])
    for layer, rows, look in style.groups(inputs, "layer"):
        axes.plot(rows["block"], rows["correlation"], label=layer.rpartition(".")[2], **look)
    axes.set_xticks(sorted(set(statistics["block"])))
    axes.set(xlabel="block", ylabel="correlation of the inputs'\nlog root mean squares")
    axes.set(ylim=(None, 1.05))
    axes.legend(title="input of")
    return figure


def ratios(
    table: pandas.DataFrame, names: dict[str, str], label: str, methods: Sequence[str] = ()
) -> Figure:
    """One or more ratios for each layer type, beside the line at 1.

    table: column layer and those of `names`, column -> legend. label: of the axis. methods: whose
    looks the ratios take, in the order of `names`.
    """
    looks = [style.methods([method])[method] for method in methods] or style.series()
    figure, axes = style.axes(0.3 * len(table) + 1.2)
    for (column, name), (colour, marker) in zip(names.items(), looks, strict=False):
        axes.plot(table[column], range(len(table)), marker, color=colour, label=name)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(range(len(table)), table["layer"])
    axes.set(xlabel=label, ylim=(len(table) - 0.4, -0.6))
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def running_variance(table: pandas.DataFrame) -> Figure:
    """Relative error of a running variance over mean/std, one panel for each dtype.

    table: as `other_work.variance_errors`. A rule that gives no finite number is marked at the top.
    """
    dtypes = list(dict.fromkeys(table["dtype"]))
    figure, panels = style.axes(3.3, columns=len(dtypes), sharey=True, squeeze=False)
    top = 1e5
    for axes, dtype in zip(panels[0], dtypes, strict=True):
        for (rule, rows), (colour, marker) in zip(
            table[table["dtype"] == dtype].groupby("rule", sort=False),
            (SERIES[1], SERIES[2]),
            strict=False,
        ):
            label = rule if dtype == dtypes[0] else None
            axes.plot(rows["ratio"], rows["error"], marker=marker, color=colour, label=label)
            gone = rows[rows["not_finite"] == 1]
            axes.plot(gone["ratio"], [top] * len(gone), "x", color=colour)
        axes.set(title=dtype, xlabel="mean / std", xscale="log", yscale="log", ylim=(1e-8, 3 * top))
    panels[0][0].set(ylabel="relative error of the variance")
    panels[0][0].plot([], [], "x", color=INK, label="no finite number")
    figure.legend(loc="outside upper center", ncols=3)
    return figure
