"""Verdicts as pictures: the intervals that decide them, and the scorecard of all claims."""

import textwrap

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stade_nb import claims, style
from stade_nb.claims import paper
from stade_nb.style import BLACK, VERDICT_STYLE

LINE = 62  # characters of a claim on one line


def differences(
    judged: pandas.DataFrame, patterns: dict[str, str], label: str, band: float = 0.0
) -> Figure:
    """Relative changes of perplexity with their intervals, coloured and marked by verdict.

    judged: from `verdicts.judge`. patterns: pattern -> heading. label: what changes into what.
    band: changes up to this size count as comparable.
    """
    figure, axes = style.axes(0.9 + 0.27 * len(judged))
    _intervals(axes, judged, patterns)
    _explain(axes)
    if band:
        axes.axvspan(
            -100 * band, 100 * band, color=BLACK, alpha=0.08, linewidth=0, label="comparable"
        )
    axes.set(ylim=(len(judged) - 0.4, -0.6), xlabel=f"change of perplexity, {label}, %")
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def accuracies(judged: pandas.DataFrame, patterns: dict[str, str]) -> Figure:
    """Differences of mean accuracies with their intervals, coloured and marked by verdict.

    judged: columns pattern, model, ours, other, change, low, high, verdict; a panel for each
    (ours, other). patterns: pattern -> heading.
    """
    pairs = judged.groupby(["ours", "other"], sort=False)
    most = int(pairs.size().max())
    figure, panels = style.axes(
        1.1 + 0.27 * most, columns=len(pairs), sharex=True, sharey=True, squeeze=False
    )
    for axes, ((ours, other), rows) in zip(panels[0], pairs, strict=True):
        _intervals(axes, rows, patterns)
        axes.set(ylim=(most - 0.4, -0.6), xlabel="difference of mean accuracy, points")
        axes.set_title(f"{paper.title(ours)} − {paper.title(other)}", fontsize=10)
    _explain(panels[0][0])
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _intervals(axes: Axes, rows: pandas.DataFrame, patterns: dict[str, str]) -> None:
    """A line for each row from `low` to `high`, in percent, with a mark at `change`."""
    for height, row in enumerate(rows.itertuples()):
        colour, marker = VERDICT_STYLE[claims.verdicts.short(row.verdict)]
        axes.plot([100 * row.low, 100 * row.high], [height] * 2, color=colour, linewidth=1.6)
        axes.plot(100 * row.change, height, marker, color=colour)
    axes.axvline(0, color=BLACK, linewidth=1)
    names = [f"{patterns[row.pattern]}  {row.model}" for row in rows.itertuples()]
    axes.set_yticks(range(len(rows)), names)


def _explain(axes: Axes) -> None:
    """The marks of the verdicts for the figure's legend."""
    for word, (colour, marker) in VERDICT_STYLE.items():
        axes.plot([], [], marker, color=colour, label=word)


def scorecard(book: pandas.DataFrame) -> Figure:
    """A line for each claim, in groups by what decides; the mark stands under its verdict.

    book: from `ledger.table`.
    """
    words = list(VERDICT_STYLE)
    figure, axes = style.axes(0.26 * (len(book) + 2 * book["by"].nunique()) + 0.4)
    place, places, names = 0, [], []
    for by, rows in book.groupby("by", sort=False):
        axes.text(-0.4, place, f"Decided by {by}", weight="bold", va="center")
        for row in rows.itertuples():
            place += 1
            word = claims.verdicts.short(row.verdict)
            colour, marker = VERDICT_STYLE[word]
            axes.plot(words.index(word), place, marker, color=colour, markersize=8)
            places.append(place)
            names.append("\n".join(textwrap.wrap(row.claim, LINE)))
        place += 1.5
    axes.set_yticks(places, names, fontsize=8, linespacing=0.95)
    axes.set_xticks(range(len(words)), words)
    axes.xaxis.tick_top()
    axes.axvline(0.5, color=BLACK, linewidth=0.5)
    axes.axvline(1.5, color=BLACK, linewidth=0.5)
    axes.set(xlim=(-0.5, len(words) - 0.5), ylim=(place - 1, -1))
    axes.tick_params(length=0)
    return figure
