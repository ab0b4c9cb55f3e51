"""The plots of the theory pages."""

import numpy as np
import pandas
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from stade_nb import style
from stade_nb.claims.paper import sparsity
from stade_nb.style import BLACK, BLUE, INK, METHOD_STYLE, ORANGE, SERIES, SKY
from stade_nb.theory import many_layers

STEPWISE = (INK, "X")  # the look of the choice that is no method


def parabolas(loss, means: list[float], std: float = 1.0, weight: float = 1.0) -> Figure:
    """Eq. 3 over the new bias B* for several means: the minimum moves (7), its height stays (8).

    loss: Eq. 3, (bias, new_bias, weight, mean, variance). B = 0.
    """
    figure, axes = style.axes(4.4)
    floor, roots = std**2 * weight**2, [mean * weight for mean in means]
    left, right = min(0.0, *roots) - 1.7, max(0.0, *roots) + 1.7
    top = 1.15 * loss(0.0, 0.0, weight, max(means, key=abs), std**2)
    new_bias = np.linspace(left, right, 400)
    axes.axvline(0, color=INK, linewidth=1, linestyle=":")
    for mean, root, (colour, marker) in zip(means, roots, style.series(), strict=False):
        look = {"color": colour, "marker": marker, "markersize": 9, "linestyle": "none"}
        axes.plot(new_bias, loss(0.0, new_bias, weight, mean, std**2), color=colour)
        axes.plot(root, floor, **look, zorder=4)
        axes.plot(
            0, loss(0.0, 0.0, weight, mean, std**2), **look, zorder=5,
            markerfacecolor="white", markeredgewidth=1.6,
        )  # fmt: skip
        axes.text(root, -0.05 * top, f"μ = {mean:g}", color=colour, ha="center", weight="bold")
    mark = {"color": INK, "linestyle": "none", "marker": "o", "markersize": 9}
    explained = [
        axes.plot([], [], **mark, markerfacecolor="white", label="bias kept, Eq. 9: (σ² + μ²)W²"),
        axes.plot([], [], **mark, label="best bias, Eq. 7: B + μW"),
        [axes.axhline(floor, color=INK, linestyle="--", label="its loss, Eq. 8: σ²W²")],
    ]
    handles = [line for (line,) in explained]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, handletextpad=0.3)
    axes.set(xlabel="new bias B* (the old one is B = 0)", ylim=(-0.1 * top, top))
    axes.set(ylabel="expected squared change of the output", xlim=(left, right))
    return figure


def valley(loss, std: float = 1.0, weight: float = 1.0) -> Figure:
    """Eq. 3 over the input's mean and the change of the bias: a valley whose floor is Eq. 8.

    loss: Eq. 3, (bias, new_bias, weight, mean, variance). B = 0.
    """
    figure, axes = style.axes(3.9)
    mean, new_bias = np.meshgrid(np.linspace(-3, 3, 200), np.linspace(-3, 3, 200))
    surface = loss(0.0, new_bias, weight, mean, std**2)
    levels = std**2 * weight**2 * np.array([1, 1.25, 2, 4, 7, 11, 16, 22, 29, 37])
    filled = axes.contourf(mean, new_bias, surface, levels=levels, cmap="Blues", extend="both")
    line = np.array([-3, 3])
    floor = "B* = B + μW: σ²W² everywhere"
    axes.plot(line, line * weight, color=ORANGE, linewidth=2.5, label=floor)
    axes.axhline(0, color=INK, linestyle=":", linewidth=1.5, label="B* = B: (σ² + μ²)W²")
    figure.legend(loc="outside upper center", ncols=2)
    axes.set(
        xlabel="mean μ of the removed input", ylabel="change of the bias, B* − B", ylim=(-3, 3)
    )
    axes.grid(False)
    figure.colorbar(filled, ax=axes, label="expected squared change", ticks=levels[[0, 2, 3, 5, 7]])
    return figure


def which_goes(mean: float = 1.0, std: float = 1.0) -> Figure:
    """Eqs. 10 and 11: of two equal weights, which goes, over the (mean, std) of the second's input.

    The first weight's input has `mean` and `std`. STD compares stds, Wanda the root of
    sigma² + mu²; where they disagree STD is right if the bias is refitted, Wanda if it is kept.
    """
    figure, axes = style.axes(4.2)
    m, s = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(0, 3, 301))
    wanda, by_std = m**2 + s**2 < mean**2 + std**2, s < std
    region = np.select([wanda & by_std, ~wanda & ~by_std, by_std], [0, 1, 2], 3)
    colours = [SKY, "#FFFFFF", ORANGE, "#DDDDDD"]
    axes.contourf(m, s, region, levels=[-0.5, 0.5, 1.5, 2.5, 3.5], colors=colours)
    axes.axhline(std, color=METHOD_STYLE["std"][0], linewidth=2)
    radius, angle = np.hypot(mean, std), np.linspace(0, np.pi, 200)
    circle = radius * np.cos(angle), radius * np.sin(angle)
    axes.plot(*circle, color=METHOD_STYLE["wanda"][0], linewidth=2)
    axes.plot(mean, std, "o", color=BLACK, markersize=8)
    axes.annotate("the first weight's input", (mean, std), (mean + 0.35, std + 0.45),
                  arrowprops={"arrowstyle": "-"})  # fmt: skip
    axes.text(-2.95, std + 0.06, "STD: equal σ")
    axes.text(0, radius + 0.06, "Wanda: equal σ² + μ²", ha="center")
    words = ["both remove the second", "both remove the first",
             "STD the second, Wanda the first", "STD the first, Wanda the second"]  # fmt: skip
    handles = [
        Patch(facecolor=c, edgecolor=INK, label=w) for c, w in zip(colours, words, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    axes.set(xlabel="mean μ of the second weight's input", ylabel="its standard deviation σ")
    axes.set(ylim=(0, 3), xlim=(-3, 3))
    axes.grid(False)
    return figure


def convergence(table: pandas.DataFrame) -> Figure:
    """Monte Carlo errors over the number of draws, beside 1/√draws."""
    figure, axes = style.axes(3.4)
    draws = np.array(sorted(table["draws"].unique()))
    axes.loglog(draws, draws**-0.5, color=INK, linestyle="--", label="1 / √draws")
    for name, rows, look in style.groups(table, "equation"):
        axes.loglog(rows["draws"], rows["error"], linestyle="", label=name, alpha=0.9, **look)
    axes.set(xlabel="draws", ylabel="error, in standard\ndeviations of one draw")
    axes.legend()
    return figure


def choices(table: pandas.DataFrame) -> Figure:
    """How often each metric chooses the cheapest weight, over the spread of the inputs' means.

    table: columns spread, metric, refit, share, excess.
    """
    figure, panels = style.axes(3.3, columns=2, sharey=True)
    for axes, refit, heading in zip(panels, (True, False), ("bias refitted (Eq. 8)",
                                    "bias kept (Eq. 9)"), strict=True):  # fmt: skip
        for metric, label in (("std", "STD, Eq. 11"), ("wanda", "Wanda, Eq. 10")):
            rows = table[(table["metric"] == metric) & (table["refit"] == refit)]
            colour, marker = METHOD_STYLE[metric]
            axes.plot(rows["spread"], 100 * rows["share"], marker=marker, color=colour, label=label)
        axes.set(title=heading, xlabel="means drawn from [−m, m]: m")
    panels[0].set(ylabel="cheapest weight chosen, %", ylim=(0, 104))
    panels[0].legend(loc="lower left")
    return figure


def excess(table: pandas.DataFrame) -> Figure:
    """How much dearer than the cheapest set each choice is, over the correlation of the inputs.

    table: columns pattern, refit, correlation, choice, excess, as `many_layers.over_correlations`.
    A row of panels for each pattern.
    """
    patterns = list(dict.fromkeys(table["pattern"]))
    size = {"rows": len(patterns), "columns": 2, "squeeze": False}
    figure, panels = style.axes(0.6 + 2.4 * len(patterns), sharex=True, sharey=True, **size)
    looks = style.methods(table["choice"]) | {"stepwise": STEPWISE}
    headings = ((True, "bias refitted"), (False, "bias kept"))
    for row, pattern in zip(panels, patterns, strict=True):
        for axes, (refit, heading) in zip(row, headings, strict=True):
            rows = table[(table["refit"] == refit) & (table["pattern"] == pattern)]
            for choice, (colour, marker) in looks.items():
                own = rows[rows["choice"] == choice]
                if len(own):
                    axes.plot(own["correlation"], 1 + own["excess"], marker=marker, color=colour,
                              label=choice)  # fmt: skip
            axes.set(title=f"{sparsity(pattern)}, {heading}", yscale="log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.axhline(1, color=INK, linestyle=":")
        row[0].set(ylabel="loss over that of\nthe cheapest sets")
    for axes in panels[-1]:
        axes.set(xlabel="correlation between inputs")
    explained = panels[0][0].get_legend_handles_labels()
    figure.legend(*explained, loc="outside upper center", ncols=len(explained[0]))
    return figure


FORMS = {"printed": "Eq. 12, printed", "consistent": "Eq. 9, consistent"}


def eq12(table: pandas.DataFrame) -> Figure:
    """Eq. 12 on real inputs: which masks its two forms share with STD and with Wanda.

    table: as `audit.layers.eq12`; a point is a layer. A form that has a metric's masks lies
    on that metric's axis.
    """
    patterns = list(dict.fromkeys(table["pattern"]))
    figure, panels = style.axes(3.7, columns=len(patterns), sharex=True, sharey=True, squeeze=False)
    for axes, pattern in zip(panels[0], patterns, strict=True):
        of_pattern = table[table["pattern"] == pattern]
        for (form, rows), (colour, marker) in zip(
            of_pattern.groupby("form", sort=False), (SERIES[1], SERIES[0]), strict=True
        ):
            axes.plot(100 * rows["wanda"], 100 * rows["std"], marker,
                      color=colour, alpha=0.6, label=FORMS[form], clip_on=False)  # fmt: skip
        axes.set(title=sparsity(pattern), xlabel="differs from Wanda's masks, %")
    panels[0][0].set(ylabel="differs from STD's masks, %")
    most = 105 * table[["wanda", "std"]].max(axis=None) or 1
    panels[0][0].set(xlim=(0, most), ylim=(0, most))
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def estimators(table: pandas.DataFrame) -> Figure:
    """Eq. 5: relative bias and spread of each variance estimate over the number of rows.

    table: as `variance_estimates.simulated`.
    """
    figure, axes = style.axes(3.2)
    for name, rows, look in style.groups(table, "estimate"):
        middle, half = rows["mean"], rows["simulated_spread"]
        axes.fill_between(rows["N"], middle - half, middle + half, color=look["color"], alpha=0.15)
        axes.plot(rows["N"], middle, label=name, **look)
        axes.plot(rows["N"], rows["expectation"], color=BLUE, linewidth=0.6)
    axes.set(xlabel="rows of data N", xscale="log", ylabel="estimate of σ²")
    axes.legend()
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
        error = f"off by {many_layers.relative_error(pair):.0%}"
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
            axes.text(at, row, f"{share:.0%}", ha="center", va="center", color=colour)
        axes.set_xticks(range(grid.shape[1]), [f"{value:g}" for value in grid.columns])
        axes.set_yticks(range(grid.shape[0]), [f"{value:g}" for value in grid.index])
        axes.set(title=title, xlabel="correlation of inputs")
        axes.grid(False)
    panels[0].set(ylabel="means are drawn\nfrom ± this")
    figure.colorbar(image, ax=panels, format=lambda share, _: f"{share:.0%}", label="loss saved")
    return figure
