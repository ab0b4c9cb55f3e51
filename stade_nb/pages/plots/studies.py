"""The figures of the pages beyond the paper."""

import pandas
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from stade_nb import style
from stade_nb.studies.methods import RUNGS

# The metrics look as the methods do that bear their names.
METRICS = ("magnitude", "wanda", "std")
TITLES = {"magnitude": "magnitude", "wanda": "Wanda's metric", "std": "STD metric"}


def rungs(grid: pandas.DataFrame, patterns: dict[str, str]) -> Figure:
    """Perplexity by compensation, a line for each metric, a panel for each model and pattern.

    grid: columns model, pattern, metric and the rungs; NaN where there is no cell. patterns:
    pattern -> heading.
    """
    models = list(dict.fromkeys(grid["model"]))
    figure, panels = style.axes(
        0.7 + 2.1 * len(models),
        rows=len(models),
        columns=len(patterns),
        sharey="row",
        squeeze=False,
    )
    looks = style.methods(METRICS)
    for row, model in zip(panels, models, strict=True):
        for axes, (pattern, heading) in zip(row, patterns.items(), strict=True):
            found = grid[(grid["model"] == model) & (grid["pattern"] == pattern)]
            for metric, (colour, marker) in looks.items():
                values = found.loc[found["metric"] == metric, list(RUNGS)]
                heights = values.iloc[0] if len(values) else [float("nan")] * len(RUNGS)
                axes.plot(range(len(RUNGS)), heights, f"{marker}-", color=colour,
                          label=TITLES[metric])  # fmt: skip
            if found[list(RUNGS)].isna().all(axis=None):
                axes.text(0.5, 0.5, "no record yet", transform=axes.transAxes, ha="center")
            axes.set_title(f"{model}, {heading}", fontsize=9)
            axes.set(xticks=range(len(RUNGS)), xlim=(-0.3, len(RUNGS) - 0.7), yscale="log")
            axes.set_xticklabels(RUNGS)
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(
                LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 1))
            )
        row[0].set_ylabel("perplexity")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def shares(found: pandas.DataFrame, names: dict[str, str]) -> Figure:
    """Shares of the variance of log-perplexity with their intervals, a line for each term.

    found: from `studies.shares.shares`. names: of the terms.
    """
    figure, axes = style.axes(0.8 + 0.3 * len(found))
    for height, row in enumerate(found.itertuples()):
        axes.plot([100 * row.low, 100 * row.high], [height] * 2, color=style.BLUE, linewidth=1.6)
        axes.plot(100 * row.share, height, "o", color=style.BLUE)
    axes.set_yticks(range(len(found)), [names.get(term, term) for term in found["term"]])
    axes.set(ylim=(len(found) - 0.5, -0.5), xlim=(-2, 102))
    axes.set_xlabel("share of the variance of log-perplexity, %")
    return figure
