"""Verdicts as pictures: the intervals that decide them, and the scorecard of all claims."""

import textwrap
from collections.abc import Sequence

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stade_book import style
from stade_book.claims import paper
from stade_book.claims.scorecard import KINDS
from stade_book.claims.verdicts import MIXED, RECORDS, Verdict
from stade_book.style import INK, ORANGE, VERDICT_STYLE

LINE = 62  # characters of a claim on one line
HEADS = {RECORDS: "real models"}
WORD_STYLE = VERDICT_STYLE | {MIXED: (ORANGE, "s")}


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
            -100 * band, 100 * band, color=INK, alpha=0.08, linewidth=0, label="comparable"
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
        colour, marker = VERDICT_STYLE[row.verdict]
        axes.plot([100 * row.low, 100 * row.high], [height] * 2, color=colour, linewidth=1.6)
        axes.plot(100 * row.change, height, marker, color=colour)
    axes.axvline(0, color=INK, linewidth=1)
    names = [f"{patterns[row.pattern]}  {row.model}" for row in rows.itertuples()]
    axes.set_yticks(range(len(rows)), names)


def _explain(axes: Axes) -> None:
    """The marks of the verdicts for the figure's legend."""
    for word, (colour, marker) in VERDICT_STYLE.items():
        axes.plot([], [], marker, color=colour, label=word)


def scorecard(found: Sequence[Verdict]) -> Figure:
    """A line for each claim and a place for each kind of evidence; supported / open / contradicted.

    found: from `claims.scorecard.collected`. A verdict without a count has no mark, and one that
    judges a claim by another statement than the others do has a line of its own.
    """
    first = {verdict.id: at for at, verdict in reversed(list(enumerate(found)))}
    said = dict.fromkeys((verdict.id, verdict.claim) for verdict in found)
    order = sorted(said, key=lambda one: first[one[0]])
    lines = ["\n".join(textwrap.wrap(claim, LINE)) for _, claim in order]
    figure, axes = style.axes(0.8 + 0.2 * sum(1.3 + line.count("\n") for line in lines))
    places = dict(zip(order, range(len(order)), strict=True))
    for verdict in found:
        if verdict.count.total:
            at = KINDS.index(verdict.by), places[verdict.id, verdict.claim]
            count = verdict.count
            colour, marker = WORD_STYLE[verdict.word]
            axes.plot(*at, marker, color=colour, markersize=8)
            text = f"{count.supported:,} / {count.open:,} / {count.contradicted:,}"
            axes.annotate(text, at, (8, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(order)), lines, fontsize=8, linespacing=0.95)
    axes.set_xticks(range(len(KINDS)), [HEADS.get(kind, kind) for kind in KINDS])
    axes.xaxis.tick_top()
    axes.set(xlim=(-0.3, len(KINDS) - 0.2), ylim=(len(order) - 0.5, -0.5))
    axes.tick_params(length=0)
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, label=word)
        for word, (colour, marker) in WORD_STYLE.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure
