"""The plots of Tables 3 to 6 and of the ladder of sizes: a mark for each method."""

import base64
import html
import io
import itertools

import pandas
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import LogFormatter, NullLocator

from stade_nb import style
from stade_nb.claims import paper
from stade_nb.style import INK, ORANGE


def inline(figure: Figure, alt: str) -> HTML:
    """The figure as `glue` can paste it into another page; alt: what it shows, in words."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode()
    return HTML(
        f'<img alt="{html.escape(alt)}" width="100%" src="data:image/svg+xml;base64,{data}">'
    )


def relative_perplexity(
    ours: pandas.DataFrame, printed: pandas.DataFrame, patterns: dict[str, str]
) -> Figure:
    """Perplexity over that of the unpruned model: our models above, the paper's below.

    ours, printed: columns model, method, pattern, relative; a row for each calibration seed.
    patterns: pattern -> heading.
    """
    figure, grid = style.axes(6.4, rows=2, columns=len(patterns), sharey="row", squeeze=False)
    looks = style.methods(m for m in ours["method"] if m != paper.DENSE)
    for panels, frame, whose in zip(
        grid, (ours, printed), ("computed here", "printed in the paper, v1"), strict=True
    ):
        models = list(dict.fromkeys(frame["model"]))
        for axes, (pattern, heading) in zip(panels, patterns.items(), strict=True):
            rows = frame[frame["pattern"] == pattern]
            _scatter(axes, rows, models, looks)
            if rows.empty:
                axes.text(0.5, 0.5, "not in the paper", transform=axes.transAxes, ha="center")
            axes.set_title(f"{heading}, {whose}", fontsize=9)
        panels[0].set_ylabel("perplexity / dense")
    columns = len(looks) if len(looks) < 5 else 3  # more do not fit side by side
    explained = grid[0, 0].get_legend_handles_labels()
    figure.legend(*explained, loc="outside upper center", ncols=columns)
    return figure


def _scatter(
    axes: Axes, rows: pandas.DataFrame, models: list[str], looks: dict[str, style.Look]
) -> None:
    """Relative perplexity for each model, one marker for each method, side by side.

    Where there are several seeds, their mean and standard deviation.
    """
    for number, (method, (colour, marker)) in enumerate(looks.items()):
        shift = 0.5 * ((number + 0.5) / len(looks) - 0.5)
        found = rows[rows["method"] == method].groupby("model")["relative"].agg(["mean", "std"])
        found = found.reindex([model for model in models if model in found.index])
        at = [models.index(model) + shift for model in found.index]
        axes.errorbar(
            at, found["mean"], found["std"].fillna(0), fmt=marker, color=colour, capsize=2,
            label=paper.title(method),
        )  # fmt: skip
    axes.axhline(1, color=INK, linewidth=1, linestyle=":")
    axes.set(yscale="log", xticks=range(len(models)), xlim=(-0.6, len(models) - 0.4))
    axes.set_xticklabels(models, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.2, 0.5)))


def accuracies(ran: pandas.DataFrame, guess: float, patterns: dict[str, str]) -> Figure:
    """Mean accuracies with 95 % intervals, one panel for each pattern, models side by side.

    ran: columns model, method, pattern, accuracy, error. guess: what guessing gets. patterns:
    pattern -> heading.
    """
    figure, panels = style.axes(3.6, columns=len(patterns), sharey=True, squeeze=False)
    models = list(dict.fromkeys(ran["model"]))
    ways = {paper.DENSE: (INK, "_")}
    ways |= style.methods(m for m in ran["method"] if m != paper.DENSE)
    for axes, (pattern, heading) in zip(panels[0], patterns.items(), strict=True):
        for place, (way, (colour, marker)) in enumerate(ways.items()):
            rows = ran[(ran["method"] == way) & ran["pattern"].isin([pattern, paper.DENSE])]
            rows = rows.groupby("model", sort=False)[["accuracy", "error"]].mean()
            x = [models.index(m) + 0.16 * (place - (len(ways) - 1) / 2) for m in rows.index]
            axes.errorbar(
                x, 100 * rows["accuracy"], 196 * rows["error"], fmt=marker, color=colour,
                elinewidth=1.2, markersize=6, label=paper.title(way),
            )  # fmt: skip
        axes.axhline(100 * guess, color=INK, linestyle=":", linewidth=1, label="guessing")
        axes.set_xticks(
            range(len(models)), models, rotation=40, ha="right", rotation_mode="anchor", fontsize=8
        )
        axes.set(title=heading, xlim=(-0.6, len(models) - 0.4))
        axes.grid(axis="x", visible=False)
    panels[0][0].set_ylabel("mean accuracy, %")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


# Changes of more than so many percent: beyond `LINEAR` the axis is logarithmic then.
WIDE, LINEAR, TICKS = 100, 20, (-50, -20, -10, 0, 10, 20, 50, 100, 200, 500)
BEYOND = f"(beyond ±{LINEAR} logarithmic)"


def ladder(rungs: pandas.DataFrame, patterns: dict[str, str]) -> Figure:
    """Change of perplexity from Wanda to each method by the size of the model; below 0 is better.

    rungs: columns parameters, model, own, pattern, method, change, low, high; what was not run has
    NaN. Joined by a line are the models on text of the kind that they learned from (own); hollow
    marks, without interval, are other texts. patterns: pattern -> heading, a row for each. The
    axis of sizes, logarithmic, is broken where a model is ten times as large as the one before.
    """
    sizes = rungs[["parameters", "model"]].drop_duplicates().sort_values("parameters")
    ratios = sizes["parameters"] / sizes["parameters"].shift()
    parts = [part for _, part in sizes.groupby((ratios > BREAK).cumsum())]
    figure, grid = style.axes(
        0.9 + 2.9 * len(patterns), rows=len(patterns), columns=len(parts), sharex="col",
        sharey="row", squeeze=False, width_ratios=[len(part) + 1 for part in parts],
    )  # fmt: skip
    looks = style.methods(rungs["method"]) | BESIDE
    looks = {method: looks[method] for method in style.methods(rungs["method"])}
    for panels, (pattern, heading) in zip(grid, patterns.items(), strict=True):
        for place, (method, look) in enumerate(looks.items()):
            aside = 1.006 ** (place - (len(looks) - 1) / 2)  # marks side by side, not on each other
            rows = rungs[(rungs["pattern"] == pattern) & (rungs["method"] == method)]
            rows = rows.dropna(subset="change").sort_values("parameters")
            ends = [
                _rungs(axes, rows[rows["model"].isin(part["model"])], look, aside, method)
                for axes, part in zip(panels, parts, strict=True)
            ]
            for left, right in itertools.pairwise(filter(None, ends)):
                _bridge(left, right, look[0])
        low, high = panels[0].get_ylim()
        if wide := high > WIDE:
            for axes in panels:
                axes.set_yscale("symlog", linthresh=LINEAR)
                axes.set_yticks([t for t in TICKS if low < t < high], minor=False)
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_minor_locator(NullLocator())
        for axes in panels:
            axes.axhline(0, color=INK, linewidth=1)
            axes.axhspan(low, 0, color=INK, alpha=0.06, linewidth=0)
        said = BEYOND if wide else "(grey: better)"
        panels[0].set(ylim=(low, high), ylabel=f"{heading}: change from Wanda, %\n{said}")
    for axes, part in zip(grid[-1], parts, strict=True):
        names = [f"{model}  {n / 1e6:.3g} M" for n, model in part.itertuples(index=False)]
        axes.set_xticks(
            list(part["parameters"]), names, rotation=40, ha="right", rotation_mode="anchor",
            fontsize=8,
        )  # fmt: skip
        axes.xaxis.set_minor_locator(NullLocator())
        beside = 1.08 if len(part) > 1 else 1.3
        axes.set_xlim(part["parameters"].min() / beside, part["parameters"].max() * beside)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


BREAK = 10
BESIDE = {"wanda_with_bias": (ORANGE, "*")}  # elsewhere it has SparseGPT's colour


def _rungs(
    axes: Axes, rows: pandas.DataFrame, look: style.Look, aside: float, method: str
) -> tuple | None:
    """One method's marks in one part of the axis; returns the ends of its line with the axes."""
    (colour, marker), own, other = look, rows[rows["own"]], rows[~rows["own"]]
    span = 100 * own[["low", "high"]].sub(own["change"], axis=0).abs().T.to_numpy()
    axes.errorbar(
        own["parameters"] * aside, 100 * own["change"], span, marker=marker, color=colour,
        markersize=6, linewidth=1, elinewidth=1.2, label=paper.title(method),
    )  # fmt: skip
    axes.plot(other["parameters"] * aside, 100 * other["change"], marker, color=colour,
              fillstyle="none", markersize=6)  # fmt: skip
    axes.set_xscale("log")
    points = list(zip(own["parameters"] * aside, 100 * own["change"], strict=True))
    return (axes, points[0], points[-1]) if points else None


def _bridge(left: tuple, right: tuple, colour: str) -> None:
    """A dotted line over the break of the axis."""
    (axes, _, start), (beyond, end, _) = left, right
    line = ConnectionPatch(
        start, end, axes.transData, beyond.transData, color=colour, linestyle=":", linewidth=1
    )
    axes.figure.add_artist(line)
