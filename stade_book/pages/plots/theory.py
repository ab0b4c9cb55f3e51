"""The plots of the theory of one weight."""

import numpy as np
import pandas
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from stade_book import style
from stade_book.claims.paper import sparsity
from stade_book.style import BLACK, BLUE, INK, METHOD_STYLE, ORANGE, SERIES, SKY, VERMILION
from stade_book.theory import brute_force, synthetic


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

    loss: Eq. 3, (bias, new_bias, weight, mean, variance). B = 0. Dots where a number stands.
    """
    figure, axes = style.axes(4.0)
    mean, new_bias = np.meshgrid(np.linspace(-3, 3, 200), np.linspace(-3, 3, 200))
    surface = loss(0.0, new_bias, weight, mean, std**2)
    floor = std**2 * weight**2
    levels = floor * np.array([1, 1.25, 2, 4, 7, 11, 16, 22, 29, 37])
    axes.contourf(mean, new_bias, surface, levels=levels, cmap="Blues", extend="both")
    line, at = np.array([-3, 3]), np.array([-2, -1, 0, 1, 2])
    axes.plot(line, line * weight, color=ORANGE, linewidth=2.5)
    axes.axhline(0, color=BLACK, linestyle=":", linewidth=1.5)
    for biases in (at * weight, 0 * at):
        costs = loss(0.0, biases, weight, at, std**2)
        axes.plot(at, biases, "o", color=BLACK, markersize=5)
        for x, y, cost in zip(at, biases, costs, strict=True):
            axes.annotate(f"{cost:g}", (x, y), (5, -13), textcoords="offset points", color=BLACK)
    turned = {"rotation": np.degrees(np.arctan(weight)), "transform_rotates_text": True}
    axes.text(-2.9, -2.9 * weight + 0.3, f"best bias, B + μW: always σ²W² = {floor:g}",
              color=BLACK, rotation_mode="anchor", **turned)  # fmt: skip
    axes.text(-2.9, 0.12, "bias kept: (σ² + μ²)W²", color=BLACK)
    axes.set(xlabel="mean μ of the removed input", ylabel="change of the bias, B* − B")
    axes.set(ylim=(-3, 3), xlim=(-3, 3))
    axes.grid(False)
    return figure


def which_goes(mean: float = 1.0, std: float = 1.0) -> Figure:
    """Eqs. 10 and 11: of two equal weights, which goes, over the (mean, std) of the second's input.

    The first weight's input has `mean` and `std`. STD compares stds, Wanda the root of
    sigma² + mu²; where they disagree STD is right if the bias is corrected, Wanda if it is kept.
    """
    figure, axes = style.axes(4.2)
    m, s = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(0, 3, 301))
    wanda, by_std = m**2 + s**2 < mean**2 + std**2, s < std
    region = np.select([wanda & by_std, ~wanda & ~by_std, by_std], [0, 1, 2], 3)
    colours = [SKY, "#FFFFFF", ORANGE, "#DDDDDD"]
    # Where dark pages turn the colours round, the last two would be one without a hatch.
    hatches = [None, None, None, "//"]
    levels = [-0.5, 0.5, 1.5, 2.5, 3.5]
    axes.contourf(m, s, region, levels=levels, colors=colours, hatches=hatches)
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
        Patch(facecolor=c, edgecolor=INK, label=w, hatch=h)
        for c, w, h in zip(colours, words, hatches, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    axes.set(xlabel="mean μ of the second weight's input", ylabel="its standard deviation σ")
    axes.set(ylim=(0, 3), xlim=(-3, 3))
    axes.grid(False)
    return figure


def masks(weight: np.ndarray, groups: dict[tuple, list[str]]) -> Figure:
    """One layer's weights as every distinct mask leaves them, with the methods that choose it.

    weight: (out, in). groups: mask (out, in), as tuples, -> lines of text. What goes is struck out.
    """
    rows, columns = weight.shape
    figure, axes = style.axes(0.96 * len(groups))
    halo = [withStroke(linewidth=5, foreground="#DDDDDD")]  # a number is read before its strike
    for place, (pruned, names) in enumerate(groups.items()):
        top = place * (rows + 1)
        for (i, j), gone in np.ndenumerate(np.array(pruned)):
            x, y = j, top + i
            ground = "#DDDDDD" if gone else "none"
            axes.add_patch(Rectangle((x, y), 0.94, 0.94, facecolor=ground, edgecolor=INK))
            written = f"{weight[i, j]:g}".replace("-", "−")
            axes.text(x + 0.47, y + 0.47, written, ha="center", va="center", zorder=4,
                      color=BLACK if gone else INK, path_effects=halo if gone else [])  # fmt: skip
            if gone:
                axes.plot([x, x + 0.94], [y + 0.94, y], color=VERMILION, linewidth=2)
        axes.text(columns + 0.5, top + rows / 2, "\n".join(names), va="center")
    axes.set(xlim=(-0.1, 17), ylim=(len(groups) * (rows + 1) - 0.7, -0.3))
    axes.axis("off")
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
    figure, panels = style.axes(3.4, columns=2, sharey=True)
    headings = "the bias may be corrected (Eq. 8)", "the bias is kept (Eq. 9)"
    for axes, refit, heading in zip(panels, (True, False), headings, strict=True):
        ends = {}
        for metric, label in (("std", "STD, Eq. 11"), ("wanda", "Wanda, Eq. 10")):
            rows = table[(table["metric"] == metric) & (table["refit"] == refit)]
            (colour, marker), shares = METHOD_STYLE[metric], 100 * rows["share"]
            axes.plot(rows["spread"], shares, marker=marker, color=colour, label=label)
            last = shares.iloc[-1]
            ends[f"{label.split(',')[0]}\n{last:.0f} %"] = rows["spread"].iloc[-1], last, colour
        axes.set(title=heading, xlabel="means drawn from [−m, m]: m", ylim=(0, 104))
        style.name_ends(axes, ends, gap=0.16)
    panels[0].set(ylabel="outputs in which the metric\nchooses the cheapest weight, %")
    return figure


def order(cases: dict[str, tuple[synthetic.Layer, bool]]) -> Figure:
    """What the removal of each weight of an output costs, over Wanda's score: a panel for a case.

    cases: heading -> layers and whether the bias is corrected; `brute_force.one_output` says which
    output is drawn. The lowest score, which goes, is ringed; the lowest cost has a cross.
    """
    figure, panels = style.axes(3.6, columns=len(cases), sharey=True, squeeze=False)
    for axes, (heading, (layers, refit)) in zip(panels[0], cases.items(), strict=True):
        scores, costs = brute_force.one_output(layers, refit)
        axes.loglog(scores, costs, "o", color=BLUE, markersize=4, alpha=0.7)
        taken, best = scores.argmin(), costs.argmin()
        axes.plot(scores[best], costs[best], "x", color=VERMILION, markersize=9, markeredgewidth=2)
        ring = {"markerfacecolor": "none", "markersize": 14, "markeredgewidth": 1.6}
        axes.plot(scores[taken], costs[taken], "o", color=INK, **ring)
        words = {taken: ("Wanda takes this", -18), best: ("cheapest", -3)}
        if taken == best:
            words = {taken: ("Wanda takes the cheapest", -3)}
        for at, (text, lower) in words.items():
            axes.annotate(text, (scores[at], costs[at]), (12, lower), textcoords="offset points")
        axes.set_title(heading, fontsize=10)
        axes.set(xlabel="Wanda's score, Eq. 6")
    panels[0][0].set(ylabel="what the removal costs")
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
