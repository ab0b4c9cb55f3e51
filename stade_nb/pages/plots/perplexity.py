"""The plots. Okabe–Ito colours, and a marker for each, so that colour never carries a fact alone.

Every figure has a white ground and black text: it reads the same on a light and a dark page.
"""

import base64
import html
import io

import numpy as np
import pandas
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from stade_nb.numerics.methods import METHODS
from stade_nb.style import (  # noqa: F401
    BLACK,
    BLUE,
    GREEN,
    METHOD_STYLE,
    ORANGE,
    PURPLE,
    SERIES,
    SKY,
    VERDICT_STYLE,
    VERMILION,
    WIDTH,
    YELLOW,
    _axes,
    use_style,
)


def inline(figure: Figure, alt: str) -> HTML:
    """The figure as `glue` can paste it into another page; alt: what it shows, in words."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode()
    return HTML(
        f'<img alt="{html.escape(alt)}" width="100%" src="data:image/svg+xml;base64,{data}">'
    )


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


def _scatter(axes, rows: pandas.DataFrame, models: list[str], methods: list[str]) -> None:
    """Relative perplexity for each model, one marker for each method, side by side.

    Where there are several seeds, their mean and standard deviation.
    """
    for number, method in enumerate(methods):
        shift = 0.5 * ((number + 0.5) / len(methods) - 0.5)
        found = rows[rows["method"] == method].groupby("model")["relative"].agg(["mean", "std"])
        found = found.reindex([model for model in models if model in found.index])
        at = [models.index(model) + shift for model in found.index]
        colour, marker = METHOD_STYLE[method]
        axes.errorbar(
            at, found["mean"], found["std"].fillna(0), fmt=marker, color=colour, capsize=2,
            label=METHODS[method].title,
        )  # fmt: skip
    axes.axhline(1, color=BLACK, linewidth=1, linestyle=":")
    axes.set(yscale="log", xticks=range(len(models)), xlim=(-0.6, len(models) - 0.4))
    axes.set_xticklabels(models, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.2, 0.5)))


def relative_perplexity(
    ours: pandas.DataFrame, printed: pandas.DataFrame, patterns: dict[str, str]
) -> Figure:
    """Perplexity over that of the unpruned model: our models above, the paper's below.

    ours, printed: columns model, method, pattern, relative; a row for each calibration seed.
    patterns: pattern -> heading.
    """
    figure, grid = _axes(6.4, rows=2, columns=len(patterns), sharey="row", squeeze=False)
    methods = [m for m in METHOD_STYLE if m in set(ours["method"])]
    for panels, frame, whose in zip(
        grid, (ours, printed), ("computed here", "printed in the paper, v1"), strict=True
    ):
        models = list(dict.fromkeys(frame["model"]))
        for axes, (pattern, heading) in zip(panels, patterns.items(), strict=True):
            rows = frame[frame["pattern"] == pattern]
            _scatter(axes, rows, models, methods)
            if rows.empty:
                axes.text(0.5, 0.5, "not in the paper", transform=axes.transAxes, ha="center")
            axes.set_title(f"{heading}, {whose}", fontsize=9)
        panels[0].set_ylabel("perplexity / dense")
    columns = len(methods) if len(methods) < 5 else 3  # more do not fit side by side
    explained = grid[0, 0].get_legend_handles_labels()
    figure.legend(*explained, loc="outside upper center", ncols=columns)
    return figure


def differences(
    judged: pandas.DataFrame, patterns: dict[str, str], label: str, band: float = 0.0
) -> Figure:
    """Relative changes of perplexity with their intervals, coloured and marked by verdict.

    judged: from `verdicts.judge`. label: what changes into what. band: changes up to this size
    count as comparable.
    """
    figure, axes = _axes(0.9 + 0.27 * len(judged))
    rows = list(judged.itertuples())
    for height, row in enumerate(rows):
        colour, marker = VERDICT_STYLE[row.verdict]
        axes.plot([100 * row.low, 100 * row.high], [height] * 2, color=colour, linewidth=1.6)
        axes.plot(100 * row.change, height, marker, color=colour)
    for word, (colour, marker) in VERDICT_STYLE.items():
        axes.plot([], [], marker, color=colour, label=word)
    axes.axvline(0, color=BLACK, linewidth=1)
    if band:
        axes.axvspan(
            -100 * band, 100 * band, color=BLACK, alpha=0.08, linewidth=0, label="comparable"
        )
    axes.set_yticks(range(len(rows)), [f"{patterns[r.pattern]}  {r.model}" for r in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"change of perplexity, {label}, %")
    figure.legend(loc="outside upper center", ncols=4)
    return figure
