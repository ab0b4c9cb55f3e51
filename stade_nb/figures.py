"""The plots. Okabe–Ito colours, and a marker for each, so that colour never carries a fact alone.

Every figure has a white ground and black text: it reads the same on a light and a dark page.
"""

import matplotlib
import numpy as np
import pandas
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
METHOD_STYLE = {
    "magnitude": (VERMILION, "v"),
    "random": (YELLOW, "x"),
    "wanda": (BLUE, "o"),
    "std": (PURPLE, "^"),
    "stade": (GREEN, "s"),
    "stade_without_bias": (ORANGE, "D"),
    "stade_without_bias_as_printed": (PURPLE, "d"),
    "sparsegpt": (SKY, "P"),
    "sparsegpt_without_update": (BLACK, "X"),
    "wanda_with_bias": (SKY, "*"),
}
SERIES = [(BLUE, "o"), (VERMILION, "v"), (GREEN, "s"), (PURPLE, "^"), (ORANGE, "D"), (BLACK, "X")]
WIDTH = 7.4  # inches, the width of a page's text


def use_style() -> None:
    """Set the look of every figure of a notebook; called once, at its head."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    matplotlib.rcParams.update(
        {
            "figure.facecolor": "white",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "lines.markersize": 6,
            # The same figure gives the same file.
            "svg.hashsalt": "stade_nb",
        }
    )


def _axes(height: float, rows: int = 1, columns: int = 1, **options):
    # Not pyplot: a figure that pyplot knows is shown twice, by the cell's value and at its end.
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def parabolas(loss, means: list[float], std: float = 1.0, weight: float = 1.0) -> Figure:
    """Eq. 3 over the new bias B* for several means: the minimum moves (7), its height stays (8).

    loss: Eq. 3, (bias, new_bias, weight, mean, variance). B = 0.
    """
    figure, axes = _axes(4.4)
    floor, roots = std**2 * weight**2, [mean * weight for mean in means]
    left, right = min(0.0, *roots) - 1.7, max(0.0, *roots) + 1.7
    top = 1.15 * loss(0.0, 0.0, weight, max(means, key=abs), std**2)
    new_bias = np.linspace(left, right, 400)
    axes.axvline(0, color=BLACK, linewidth=1, linestyle=":")
    for mean, root, (colour, marker) in zip(means, roots, SERIES, strict=False):
        look = {"color": colour, "marker": marker, "markersize": 9, "linestyle": "none"}
        axes.plot(new_bias, loss(0.0, new_bias, weight, mean, std**2), color=colour)
        axes.plot(root, floor, **look, zorder=4)
        axes.plot(
            0, loss(0.0, 0.0, weight, mean, std**2), **look, zorder=5,
            markerfacecolor="white", markeredgewidth=1.6,
        )  # fmt: skip
        axes.text(root, -0.05 * top, f"μ = {mean:g}", color=colour, ha="center", weight="bold")
    mark = {"color": BLACK, "linestyle": "none", "marker": "o", "markersize": 9}
    explained = [
        axes.plot([], [], **mark, markerfacecolor="white", label="bias kept, Eq. 9: (σ² + μ²)W²"),
        axes.plot([], [], **mark, label="best bias, Eq. 7: B + μW"),
        [axes.axhline(floor, color=BLACK, linestyle="--", label="its loss, Eq. 8: σ²W²")],
    ]
    figure.legend(
        handles=[line for (line,) in explained],
        loc="outside upper center",
        ncols=3,
        handletextpad=0.3,
    )
    axes.set(xlabel="new bias B* (the old one is B = 0)", ylim=(-0.1 * top, top))
    axes.set(ylabel="expected squared change of the output", xlim=(left, right))
    return figure


def convergence(table: pandas.DataFrame) -> Figure:
    """Monte Carlo errors over the number of draws, beside 1/√draws."""
    figure, axes = _axes(3.4)
    draws = np.array(sorted(table["draws"].unique()))
    axes.loglog(draws, draws**-0.5, color=BLACK, linestyle="--", label="1 / √draws")
    for (name, rows), (colour, marker) in zip(
        table.groupby("equation", sort=False), SERIES, strict=False
    ):
        axes.loglog(rows["draws"], rows["error"], marker, color=colour, label=name, alpha=0.9)
    axes.set(xlabel="draws", ylabel="error, in standard\ndeviations of one draw")
    axes.legend()
    return figure


def choices(table: pandas.DataFrame) -> Figure:
    """How often each metric chooses the cheapest weight, over the spread of the inputs' means.

    table: columns spread, metric, refit, share, excess.
    """
    figure, panels = _axes(3.3, columns=2, sharey=True)
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
