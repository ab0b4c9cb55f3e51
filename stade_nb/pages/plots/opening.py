"""The figure of the opening page: what the real models say of the paper's method, in one look."""

from collections.abc import Sequence

import pandas
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from stade_nb import style
from stade_nb.claims import paper
from stade_nb.pages.plots.tables import LINEAR, TICKS, WIDE
from stade_nb.style import INK

# From the paper's method to what it is compared with; the plainest names that there are.
METHODS = {
    "stade": "STADE",
    "std": "STD with bias\non every layer",
    "wanda_with_bias": "Wanda + bias",
    "sparsegpt": "SparseGPT",
}


def against_wanda(judged: pandas.DataFrame, patterns: Sequence[str]) -> Figure:
    """Change of perplexity from Wanda with its interval; a panel for each pattern, grey: better.

    judged: columns model, pattern, method, change, low, high, from `earlier.against`. What was not
    run has no mark.
    """
    figure, panels = style.axes(
        2.55, columns=len(patterns), sharey=True, sharex=True, squeeze=False
    )
    rows = judged[judged["method"].isin(METHODS)]
    places = {method: -place for place, method in enumerate(METHODS)}
    for axes, pattern in zip(panels[0], patterns, strict=True):
        models = list(style.groups(rows, "model"))
        for aside, (model, some, look) in enumerate(models):
            at = some[some["pattern"] == pattern]
            span = 100 * at[["low", "high"]].sub(at["change"], axis=0).abs().T.to_numpy()
            beside = 0.3 * ((len(models) - 1) / 2 - aside)  # models one below the other
            height = [places[method] + beside for method in at["method"]]
            axes.errorbar(
                100 * at["change"], height, xerr=span, linestyle="none", label=model, **look
            )
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_title(paper.sparsity(pattern), fontsize=10)
        axes.set_xlabel("perplexity against Wanda's, % (grey: better)")
    low, high = panels[0, 0].get_xlim()
    for axes in panels[0]:
        if max(high, -low) > WIDE / 2:
            axes.set_xscale("symlog", linthresh=LINEAR)
            axes.set_xticks([tick for tick in TICKS if low < tick < high])
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:+g}" if x else "0")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.axvspan(low, 0, color=INK, alpha=0.06, linewidth=0)
        axes.set_xlim(low, high)
    panels[0, 0].set_yticks(list(places.values()), list(METHODS.values()))
    panels[0, 0].set_ylim(min(places.values()) - 0.5, 0.5)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
