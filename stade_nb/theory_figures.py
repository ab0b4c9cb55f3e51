"""The plots of the theory pages and the audit, in the look of `figures`."""

import numpy as np
import pandas
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from stade_nb.figures import BLACK, BLUE, METHOD_STYLE, ORANGE, SERIES, SKY, _axes

CHOICE_STYLE = {**METHOD_STYLE, "stepwise": (BLACK, "X")}


def valley(loss, std: float = 1.0, weight: float = 1.0) -> Figure:
    """Eq. 3 over the input's mean and the change of the bias: a valley whose floor is Eq. 8.

    loss: Eq. 3, (bias, new_bias, weight, mean, variance). B = 0.
    """
    figure, axes = _axes(3.9)
    mean, new_bias = np.meshgrid(np.linspace(-3, 3, 200), np.linspace(-3, 3, 200))
    surface = loss(0.0, new_bias, weight, mean, std**2)
    levels = std**2 * weight**2 * np.array([1, 1.25, 2, 4, 7, 11, 16, 22, 29, 37])
    filled = axes.contourf(mean, new_bias, surface, levels=levels, cmap="Blues", extend="both")
    line = np.array([-3, 3])
    floor = "B* = B + μW: σ²W² everywhere"
    axes.plot(line, line * weight, color=ORANGE, linewidth=2.5, label=floor)
    axes.axhline(0, color=BLACK, linestyle=":", linewidth=1.5, label="B* = B: (σ² + μ²)W²")
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
    figure, axes = _axes(4.2)
    m, s = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(0, 3, 301))
    wanda, by_std = m**2 + s**2 < mean**2 + std**2, s < std
    region = np.select([wanda & by_std, ~wanda & ~by_std, by_std], [0, 1, 2], 3)
    colours = [SKY, "#FFFFFF", ORANGE, "#DDDDDD"]
    axes.contourf(m, s, region, levels=[-0.5, 0.5, 1.5, 2.5, 3.5], colors=colours)
    axes.axhline(std, color=METHOD_STYLE["std"][0], linewidth=2)
    radius = np.hypot(mean, std)
    angle = np.linspace(0, np.pi, 200)
    axes.plot(
        radius * np.cos(angle), radius * np.sin(angle), color=METHOD_STYLE["wanda"][0], linewidth=2
    )
    axes.plot(mean, std, "o", color=BLACK, markersize=8)
    axes.annotate("the first weight's input", (mean, std), (mean + 0.35, std + 0.45),
                  arrowprops={"arrowstyle": "-"})  # fmt: skip
    axes.text(-2.95, std + 0.06, "STD: equal σ")
    axes.text(0, radius + 0.06, "Wanda: equal σ² + μ²", ha="center")
    words = ["both remove the second", "both remove the first",
             "STD the second, Wanda the first", "STD the first, Wanda the second"]  # fmt: skip
    handles = [
        Patch(facecolor=c, edgecolor=BLACK, label=w) for c, w in zip(colours, words, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    axes.set(xlabel="mean μ of the second weight's input", ylabel="its standard deviation σ")
    axes.set(ylim=(0, 3), xlim=(-3, 3))
    axes.grid(False)
    return figure


def excess(table: pandas.DataFrame) -> Figure:
    """How much dearer than the cheapest set each choice is, over the correlation of the inputs.

    table: columns correlation, choice, refit, excess, as `many_weights.compared` has them.
    """
    figure, panels = _axes(3.5, columns=2, sharey=True)
    headings = ((True, "bias refitted"), (False, "bias kept"))
    for axes, (refit, heading) in zip(panels, headings, strict=True):
        rows = table[table["refit"] == refit]
        for choice, (colour, marker) in CHOICE_STYLE.items():
            own = rows[rows["choice"] == choice]
            if len(own):
                axes.plot(own["correlation"], 1 + own["excess"], marker=marker, color=colour,
                          label=choice)  # fmt: skip
        axes.set(title=heading, xlabel="correlation between inputs", yscale="log")
        axes.axhline(1, color=BLACK, linestyle=":")
    panels[0].set(ylabel="loss over that of\nthe cheapest set")
    panels[0].legend()
    return figure


def running_variance(table: pandas.DataFrame) -> Figure:
    """Relative error of a running variance over mean/std, one panel for each dtype.

    table: as `audit_code.variance_errors`. A rule that gives no finite number is marked at the top.
    """
    dtypes = list(dict.fromkeys(table["dtype"]))
    figure, panels = _axes(3.3, columns=len(dtypes), sharey=True, squeeze=False)
    top = 1e5
    for axes, dtype in zip(panels[0], dtypes, strict=True):
        for (rule, rows), (colour, marker) in zip(
            table[table["dtype"] == dtype].groupby("rule", sort=False),
            (SERIES[1], SERIES[2]),
            strict=False,
        ):
            axes.plot(rows["ratio"], rows["error"], marker=marker, color=colour, label=rule)
            gone = rows[rows["not_finite"] == 1]
            axes.plot(gone["ratio"], [top] * len(gone), "x", color=colour)
        axes.set(title=dtype, xlabel="mean / std", xscale="log", yscale="log", ylim=(1e-8, 3 * top))
    panels[0][0].set(ylabel="relative error of the variance")
    panels[0][0].legend(loc="upper left")
    return figure


def estimators(table: pandas.DataFrame) -> Figure:
    """Eq. 5: relative bias and spread of each variance estimate over the number of rows.

    table: as `variance_estimates.simulated`.
    """
    figure, axes = _axes(3.2)
    for (name, rows), (colour, marker) in zip(
        table.groupby("estimate", sort=False), SERIES, strict=False
    ):
        middle, half = rows["mean"], rows["simulated_spread"]
        axes.fill_between(rows["N"], middle - half, middle + half, color=colour, alpha=0.15)
        axes.plot(rows["N"], middle, marker=marker, color=colour, label=name)
        axes.plot(rows["N"], rows["expectation"], color=BLUE, linewidth=0.6)
    axes.set(xlabel="rows of data N", xscale="log", ylabel="estimate of σ²")
    axes.legend()
    return figure
