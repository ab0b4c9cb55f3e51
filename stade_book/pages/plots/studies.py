"""The figures of the pages beyond the paper."""

import math

import pandas
from matplotlib.figure import Figure

from stade_book import style
from stade_book.claims import paper
from stade_nb.beyond.methods import RUNGS

# Of perplexity against loss, both over Wanda's: lowest and highest shown.
SHOWN = (0.85, 1.5), (0.75, 2.2)
BASE = "wanda"
# The metrics look as the methods do that bear their names.
TITLES = {BASE: "Wanda's metric", "std": "STD metric"}


def rungs(grid: pandas.DataFrame, patterns: dict[str, str]) -> Figure:
    """Perplexity by compensation over that of `BASE` without one, a line for each other metric.

    A panel for each model and pattern. grid: columns model, pattern, metric and the rungs; NaN
    where there is no cell. patterns: pattern -> heading. Magnitude's perplexities would press those
    of the others into one line, and are left out.
    """
    models = list(dict.fromkeys(grid["model"]))
    figure, panels = style.axes(
        0.7 + 2.1 * len(models),
        rows=len(models),
        columns=len(patterns),
        sharey=True,
        squeeze=False,
    )
    looks = style.methods(TITLES)
    for row, model in zip(panels, models, strict=True):
        for axes, (pattern, heading) in zip(row, patterns.items(), strict=True):
            found = grid[(grid["model"] == model) & (grid["pattern"] == pattern)]
            found = found.set_index("metric")[list(RUNGS)]
            base = found[RUNGS[0]].get(BASE, float("nan"))
            for metric, (colour, marker) in looks.items():
                heights = found.reindex([metric]).iloc[0] / base
                axes.plot(range(len(RUNGS)), heights, f"{marker}-", color=colour,
                          label=TITLES[metric])  # fmt: skip
            axes.axhline(1, color=style.INK, linewidth=1, linestyle=":")
            if found.reindex(looks).div(base).isna().all(axis=None):
                axes.text(0.5, 0.5, "no record yet", transform=axes.transAxes, ha="center")
            axes.set_title(f"{model}, {heading}", fontsize=9)
            axes.set(xticks=range(len(RUNGS)), xlim=(-0.3, len(RUNGS) - 0.7), yscale="log")
            narrow = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
            axes.set_xticklabels(RUNGS, **(narrow if len(patterns) > 3 else {}))
        row[0].set_ylabel("perplexity / Wanda's")
    style.log_ticks(panels[0][0])
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def by_share(compared: pandas.DataFrame) -> Figure:
    """Change of perplexity from Wanda, %, by the share pruned: a line for each method, with bars.

    A panel for each model, logarithmic beyond ±1. compared: columns model, pattern (a share),
    method, change, low, high.
    """
    models, looks = list(dict.fromkeys(compared["model"])), style.methods(compared["method"])
    figure, panels = style.axes(3.2, columns=len(models), sharex=True, sharey=True, squeeze=False)
    for axes, model in zip(panels[0], models, strict=True):
        for method, (colour, marker) in looks.items():
            rows = compared[(compared["model"] == model) & (compared["method"] == method)]
            change = 100 * rows["change"]
            ends = [change - 100 * rows["low"], 100 * rows["high"] - change]
            axes.errorbar(100 * rows["pattern"].astype(float), change, ends, color=colour,
                          marker=marker, label=paper.title(method))  # fmt: skip
        axes.axhspan(-100, 0, color=style.INK, alpha=0.06, linewidth=0)
        axes.set(title=model, xlabel="sparsity, %")
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(lambda x, _: f"{x:+g}" if x else "0")
        axes.title.set_fontsize(9)
    low, high = 100 * compared["low"].min(), 100 * compared["high"].max()
    panels[0][0].set(ylim=(1.3 * min(low, -1), 1.3 * max(high, 1)))
    panels[0][0].set_ylabel("change of perplexity\nfrom Wanda, %")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def shares(found: dict[str, pandas.DataFrame], names: dict[str, str]) -> Figure:
    """Shares of the variance of log-perplexity with their intervals: a line for each term.

    found: heading -> what `studies.shares.shares` returns, a panel each; a term that a panel has
    not is left empty there. names: of the terms, in the order of their lines.
    """
    there = set().union(*(rows["term"] for rows in found.values()))
    lines = [term for term in names if term in there]
    figure, panels = style.axes(
        1.1 + 0.3 * len(lines), columns=len(found), sharex=True, sharey=True, squeeze=False
    )
    for axes, (heading, rows) in zip(panels[0], found.items(), strict=True):
        for row in rows.itertuples():
            height = lines.index(row.term)
            axes.plot(
                [100 * row.low, 100 * row.high], [height] * 2, color=style.BLUE, linewidth=1.6
            )
            axes.plot(100 * row.share, height, "o", color=style.BLUE)
        axes.set_title(heading, fontsize=10)
        axes.set(xlim=(-2, 102), ylim=(len(lines) - 0.5, -0.5))
        axes.set_yticks(range(len(lines)), [names[term] for term in lines])
    figure.supxlabel("share of the variance of log-perplexity, %", fontsize=10)
    return figure


def loss_and_perplexity(found: pandas.DataFrame, headings: dict[str, str]) -> Figure:
    """Loss and perplexity of each method over Wanda's at the same pattern, a panel for each model.

    found: from `layer_losses.beside`. headings: pattern -> words. What lies outside of `SHOWN`
    stands at its edge.
    """
    names, wide = list(dict.fromkeys(found["model"])), SHOWN
    figure, panels = _two_by_two(len(names))
    looks = dict(zip(headings, style.series(), strict=False))
    for axes, name in zip(panels, names, strict=False):
        for pattern, (colour, marker) in looks.items():
            some = found[(found["model"] == name) & (found["pattern"] == pattern)]
            own = some[some["method"] == "wanda"]
            if own.empty or len(some) < 2:
                continue
            others = some[some["method"] != "wanda"]
            loss = (others["loss"] - own["loss"].iloc[0]).map(math.exp).clip(*wide[0])
            over = (others["perplexity"] / own["perplexity"].iloc[0]).clip(*wide[1])
            axes.plot(loss, over, marker, markersize=5, color=colour, alpha=0.85,
                      label=headings[pattern], clip_on=False)  # fmt: skip
        axes.axvline(1, color="0.5", linestyle=":", linewidth=1.2)
        axes.axhline(1, color="0.5", linestyle=":", linewidth=1.2)
        axes.set(xscale="log", yscale="log", xlim=wide[0], ylim=wide[1])
        axes.set_title(name, fontsize=10)
        axes.set_xticks([0.9, 1, 1.2, 1.4], ["0.9", "1", "1.2", "1.4"], minor=False)
        axes.set_yticks([0.8, 1, 1.25, 1.6, 2], ["0.8", "1", "1.25", "1.6", "2"], minor=False)
        axes.minorticks_off()
        axes.set_xlabel("layers' error / Wanda's", fontsize=10)
        axes.set_ylabel("perplexity / Wanda's", fontsize=10)
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=7)
    return figure


def _two_by_two(panels: int) -> tuple[Figure, list]:
    """Two panels in a row, as many rows as are needed; what is left over is empty."""
    rows = (panels + 1) // 2
    figure, grid = style.axes(2.5 * rows + 0.4, rows, min(panels, 2), squeeze=False)
    flat = list(grid.flat)
    for axes in flat[panels:]:
        axes.set_axis_off()
    return figure, flat


def ratios(inputs: pandas.DataFrame, limit: float) -> Figure:
    """|mean| / sigma of what enters each layer type: a dot for each block, a bar at the median.

    inputs: from `centred_inputs.described`; circles are of inputs that the paper takes as centred,
    squares of the others. limit: below it an input counts as centred.
    """
    names = list(dict.fromkeys(inputs["model"]))
    figure, panels = _two_by_two(len(names))
    span = inputs["ratio"].min() / 1.2, inputs["ratio"].max() * 1.2
    for axes, name in zip(panels, names, strict=False):
        some = inputs[inputs["model"] == name]
        kinds = list(dict.fromkeys(some["layer_type"]))
        for height, kind in enumerate(kinds):
            layer = some[some["layer_type"] == kind]
            by_place = layer["place"].iloc[0]
            colour, marker = (style.BLUE, "o") if by_place else (style.ORANGE, "s")
            axes.plot(layer["ratio"], [height] * len(layer), marker, color=colour, alpha=0.45,
                      markersize=4)  # fmt: skip
            axes.plot([layer["ratio"].median()] * 2, [height - 0.3, height + 0.3], color=colour,
                      linewidth=2.2)  # fmt: skip
        axes.axvline(limit, color="0.5", linestyle=":", linewidth=1.2)
        axes.set_yticks(range(len(kinds)), [kind.rpartition(".")[2] for kind in kinds])
        axes.set(ylim=(len(kinds) - 0.5, -0.5), xscale="log", xlim=span)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("|mean| / sigma", fontsize=10)
        ticks = [one for one in (0.03, 0.1, 0.3, 1) if span[0] < one < span[1]]
        axes.set_xticks(ticks, [f"{one:g}" for one in ticks])
        axes.minorticks_off()
    return figure
