"""The plots of the theory of many weights: what sets cost, and which choice of them is cheap."""

import numpy as np
import pandas
from matplotlib.figure import Figure

from stade_book import style
from stade_book.claims import paper
from stade_book.style import BLACK, BLUE, INK
from stade_book.theory import many_layers

STEPWISE = (INK, "X")  # the look of the choice that is no method
CHEAPEST = "cheapest set"  # what the others are measured by: it is a line of its own at one


def excess(table: pandas.DataFrame) -> Figure:
    """How much dearer than the cheapest set each choice is, over the correlation of the inputs.

    table: columns pattern, refit, correlation, choice, excess, as `many_layers.over_correlations`.
    A row of panels for each pattern.
    """
    patterns = list(dict.fromkeys(table["pattern"]))
    size = {"rows": len(patterns), "columns": 2, "squeeze": False}
    figure, panels = style.axes(0.6 + 2.6 * len(patterns), sharex=True, sharey=True, **size)
    choices = [choice for choice in dict.fromkeys(table["choice"]) if choice != CHEAPEST]
    looks = style.methods(choices) | {"stepwise": STEPWISE}
    headings = ((True, "bias corrected"), (False, "bias kept"))
    most = 1 + table["excess"].max()
    for row, pattern in zip(panels, patterns, strict=True):
        for axes, (refit, heading) in zip(row, headings, strict=True):
            rows, ends = table[(table["refit"] == refit) & (table["pattern"] == pattern)], {}
            for choice, (colour, marker) in looks.items():
                own = rows[rows["choice"] == choice]
                if len(own):
                    times = 1 + own["excess"]
                    axes.plot(own["correlation"], times, marker=marker, color=colour, label=choice)
                    name = f"{paper.title(choice).removesuffix(' metric')}, {times.iloc[-1]:.3g} ×"
                    ends[name] = own["correlation"].iloc[-1], times.iloc[-1], colour
            axes.set(title=f"{paper.sparsity(pattern)}, {heading}", yscale="log")
            axes.set(ylim=(0.9, 1.15 * most))
            style.log_ticks(axes)
            axes.axhline(1, color=INK, linestyle=":")
            style.name_ends(axes, ends, gap=0.1)
        row[0].set(ylabel="cost, in times that of\nthe cheapest sets")
    for axes in panels[-1]:
        axes.set(xlabel="correlation between inputs")
    return figure


GAINS = {
    "wanda": "Wanda's sets,\nbias added",
    "std": "STD's sets with a bias\nfor Wanda's without",
    "cheapest": "the cheapest sets\nwith and without",
}


def single_against_exact(pairs: dict[float, many_layers.Pair]) -> Figure:
    """What single losses add up to, over the exact loss: a panel for each correlation.

    pairs: by correlation, from `many_layers.single_and_exact`; a point is an output.
    """
    figure, panels = style.axes(2.9, columns=len(pairs), sharex=True, sharey=True, squeeze=False)
    values = np.concatenate([part.numpy(force=True) for pair in pairs.values() for part in pair])
    ends = np.array([values[values > 0].min() / 1.5, values.max() * 1.5])
    for axes, (correlation, pair) in zip(panels[0], pairs.items(), strict=True):
        axes.plot(ends, ends, color=INK, linestyle=":")
        exact, singles = (part.numpy(force=True) for part in (pair.exact, pair.singles))
        axes.plot(exact, singles, "o", color=BLUE, markersize=3.5, alpha=0.6)
        error = f"off by {100 * many_layers.relative_error(pair):.0f} %"
        axes.set(title=f"correlation {correlation:g}:\n{error}", xlabel="exact loss")
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    panels[0][0].set(ylabel="sum of single losses, Eq. 8")
    return figure


def bias_gains(table: pandas.DataFrame) -> Figure:
    """The share of the loss that a bias saves, over the inputs' correlation and size of means.

    table: from `many_layers.bias_gains`. Each cell has its number, so colour adds nothing new.
    """
    figure, panels = style.axes(3.1, columns=len(GAINS), sharex=True, sharey=True)
    for axes, (column, title) in zip(panels, GAINS.items(), strict=True):
        grid = table.pivot(index="spread", columns="correlation", values=column)
        image = axes.imshow(grid, cmap="Blues", vmin=0, vmax=1, origin="lower", aspect="auto")
        for (row, at), share in np.ndenumerate(grid.to_numpy()):
            colour = "white" if share > 0.6 else BLACK
            axes.text(at, row, f"{100 * share:.0f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(grid.shape[1]), [f"{value:g}" for value in grid.columns])
        axes.set_yticks(range(grid.shape[0]), [f"{value:g}" for value in grid.index])
        axes.set(title=title, xlabel="correlation of inputs")
        axes.grid(False)
    panels[0].set(ylabel="means are drawn\nfrom ± this")
    figure.colorbar(
        image, ax=panels, format=lambda share, _: f"{100 * share:.0f}", label="loss saved, %"
    )
    return figure
