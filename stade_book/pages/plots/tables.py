"""The plots of Tables 3 to 6 and of the ladder of sizes: a mark for each method."""

import base64
import html
import io
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator, NullLocator

from stade_book import style
from stade_book.claims import paper
from stade_book.style import INK

RIVAL = "wanda"


def inline(figure: Figure, alt: str) -> HTML:
    """The figure as `glue` can paste it into another page; alt: what it shows, in words."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    data = base64.b64encode(file.getvalue()).decode()
    return HTML(
        f'<img alt="{html.escape(alt)}" width="100%" src="data:image/svg+xml;base64,{data}">'
    )


def beside_wanda(
    ours: pandas.DataFrame, printed: pandas.DataFrame, patterns: dict[str, str]
) -> Figure:
    """Change of perplexity from Wanda: our models above, the paper's below, each by size.

    ours, printed: columns model, method, pattern, relative; a row for each calibration seed.
    Where Wanda was not asked for, the change is from the unpruned model. patterns: pattern ->
    heading, a column of panels for each.
    """
    rival = RIVAL if RIVAL in set(ours["method"]) else paper.DENSE
    looks = style.methods(m for m in ours["method"] if m not in (paper.DENSE, rival))
    blocks = {"computed here": ours, "printed in the paper": printed}
    models = {whose: paper.by_size(frame["model"].unique()) for whose, frame in blocks.items()}
    heights = [max(len(names), 1) + 1 for names in models.values()]
    columns = max(len(looks), 1) if len(looks) < 5 else 3  # more do not fit side by side
    line = max(0.32, 0.09 * len(looks))
    height = 1 + 0.2 * math.ceil(len(looks) / columns) + line * sum(heights)
    figure, grid = style.axes(
        height, rows=2, columns=len(patterns), sharey="row", sharex=True, squeeze=False,
        height_ratios=heights,
    )  # fmt: skip
    for panels, (whose, frame) in zip(grid, blocks.items(), strict=True):
        changes = _from(frame, rival)
        for axes, (pattern, heading) in zip(panels, patterns.items(), strict=True):
            rows = changes[changes["pattern"] == pattern]
            _scatter(axes, rows, models[whose], looks)
            if rows.empty:
                axes.text(0.5, 0.5, "not in the paper", transform=axes.transAxes, ha="center")
            axes.axvline(0, color=INK, linewidth=1)
            axes.set_title(f"{heading}, {whose}", fontsize=9)
        names = models[whose]
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.4, -0.6)
    changes_on(grid.flat)
    figure.supxlabel(f"change of perplexity from {paper.title(rival)}, % (grey: better)", size=10)
    explained = grid[0, 0].get_legend_handles_labels()
    figure.legend(*explained, loc="outside upper center", ncols=columns)
    return figure


def _from(frame: pandas.DataFrame, rival: str) -> pandas.DataFrame:
    """`frame` with the column change: in percent, from the mean of `rival` over its seeds."""
    if rival == paper.DENSE:
        return frame.assign(change=100 * (frame["relative"] - 1))
    by = ["model", "pattern"]
    base = frame[frame["method"] == rival].groupby(by)["relative"].mean().rename("base")
    joined = frame.join(base, on=by)
    return joined.assign(change=100 * (joined["relative"] / joined["base"] - 1))


def _scatter(
    axes: Axes, rows: pandas.DataFrame, models: list[str], looks: dict[str, style.Look]
) -> None:
    """The changes of each model, one mark for each method, one below the other.

    Where there are several seeds, their mean and standard deviation.
    """
    for number, (method, (colour, marker)) in enumerate(looks.items()):
        shift = 0.6 * ((number + 0.5) / len(looks) - 0.5)
        seeds = rows[rows["method"] == method].groupby("model")["change"]
        mean, std = seeds.mean(), seeds.std().fillna(0)
        found = pandas.DataFrame({"change": mean, "low": mean - std, "high": mean + std})
        at = [models.index(model) + shift for model in found.index]
        look = {"color": colour, "marker": marker, "label": paper.title(method)}
        mark_changes(axes, found, at, markersize=5, **look)


EDGE = 30.0  # percent; a change beyond it stands at the edge of its panel, with its number


def mark_changes(axes: Axes, changes: pandas.DataFrame, heights: Sequence[float], **look) -> None:
    """Changes in percent with their intervals, one at each height; those beyond `EDGE` in words.

    changes: columns change, low, high. look: colour, marker and the legend's label.
    """
    inside = (changes["change"].abs() <= EDGE).to_numpy()
    ends = changes[["low", "high"]].clip(-EDGE, EDGE)
    span = ends.sub(changes["change"], axis=0).abs().T.to_numpy()
    places = changes["change"].clip(-EDGE, EDGE)
    axes.errorbar(
        places, heights, xerr=span * inside, linestyle="none", zorder=3, **look,
        clip_on=not len(places),  # a mark at the edge is whole; no mark has no extent to lay out
    )  # fmt: skip
    for value, height in zip(changes["change"][~inside], np.array(heights)[~inside], strict=True):
        side = math.copysign(1, value)
        axes.annotate(
            f"{value:+,.0f} %".replace("-", "−"), (side * EDGE, height), (-7 * side, 0),
            textcoords="offset points", ha="right" if side > 0 else "left", va="center",
            fontsize=8, color=look["color"],
        )  # fmt: skip


def changes_on(panels: Iterable[Axes]) -> None:
    """Make the common horizontal axis one of changes in percent, grey where they are better."""
    panels = list(panels)
    low, high = panels[0].get_xlim()
    low, high = max(min(low, -1), -EDGE), min(max(high, 1), EDGE)
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:+g}".replace("-", "−") if x else "0")
        axes.axvspan(low, 0, color=INK, alpha=0.06, linewidth=0)
        axes.set_xlim(low, high)


def accuracies(ran: pandas.DataFrame, guess: float, patterns: dict[str, str]) -> Figure:
    """Mean accuracies with 95 % intervals, one panel for each pattern, models by size.

    ran: columns model, method, pattern, accuracy, error. guess: what guessing gets. patterns:
    pattern -> heading.
    """
    models = paper.by_size(ran["model"].unique())
    ways = {paper.DENSE: (INK, "D")}
    ways |= style.methods(m for m in ran["method"] if m != paper.DENSE)
    height = 1.1 + 0.2 * math.ceil(len(ways) / 5) + max(0.42, 0.1 * len(ways)) * len(models)
    figure, panels = style.axes(
        height, columns=len(patterns), sharey=True, sharex=True, squeeze=False
    )
    for axes, (pattern, heading) in zip(panels[0], patterns.items(), strict=True):
        for place, (way, (colour, marker)) in enumerate(ways.items()):
            rows = ran[(ran["method"] == way) & ran["pattern"].isin([pattern, paper.DENSE])]
            rows = rows.groupby("model", sort=False)[["accuracy", "error"]].mean()
            y = [models.index(m) + 0.16 * (place - (len(ways) - 1) / 2) for m in rows.index]
            axes.errorbar(
                100 * rows["accuracy"], y, xerr=196 * rows["error"], fmt=marker, color=colour,
                elinewidth=1.2, markersize=5, label=paper.title(way),
            )  # fmt: skip
        axes.axvline(100 * guess, color=INK, linestyle=":", linewidth=1, label="guessing")
        axes.set(title=heading, ylim=(len(models) - 0.4, -0.6))
        axes.grid(axis="y", visible=False)
    panels[0][0].set_yticks(range(len(models)), models)
    figure.supxlabel("mean accuracy, %", size=10)
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
    looks = style.methods(rungs["method"])
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
        ticks = _together(part)
        names = [f"{', '.join(models)}  {n / 1e6:.3g} M" for n, models in ticks.items()]
        axes.set_xticks(
            list(ticks), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8
        )
        axes.xaxis.set_minor_locator(NullLocator())
        beside = 1.08 if len(part) > 1 else 1.3
        axes.set_xlim(part["parameters"].min() / beside, part["parameters"].max() * beside)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


BREAK = 10
NEAR = 1.03  # times a model's parameters: others up to there have no room for a label of their own


def _together(part: pandas.DataFrame) -> dict[int, list[str]]:
    """Models by their parameters; those of nearly one size share a label, not to hide another's."""
    found: dict[int, list[str]] = {}
    for size, model in part.sort_values("parameters").itertuples(index=False):
        near = next((n for n in found if size < NEAR * n), size)
        found.setdefault(near, []).append(model)
    return found


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
