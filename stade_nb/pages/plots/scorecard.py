"""The scorecard as a picture: every claim with what theory, print and runs say of it."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stade_nb.claims.scorecard import KINDS
from stade_nb.claims.verdicts import MIXED, Verdict
from stade_nb.pages.plots.perplexity import ORANGE, VERDICT_STYLE, _axes

LINE = 62  # characters of a claim on one line
WORD_STYLE = VERDICT_STYLE | {MIXED: (ORANGE, "s")}


def scorecard(found: Sequence[Verdict]) -> Figure:
    """A line for each claim and a place for each kind of evidence; supported / open / contradicted.

    found: from `claims.scorecard.collected`. A verdict without a count has no mark.
    """
    texts = dict(reversed([(verdict.id, verdict.claim) for verdict in found]))
    order = list(dict.fromkeys(verdict.id for verdict in found))
    lines = ["\n".join(textwrap.wrap(texts[claim], LINE)) for claim in order]
    figure, axes = _axes(0.8 + 0.2 * sum(1.3 + line.count("\n") for line in lines))
    places = dict(zip(order, range(len(order)), strict=True))
    for verdict in found:
        if verdict.count.total:
            at, count = (KINDS.index(verdict.by), places[verdict.id]), verdict.count
            colour, marker = WORD_STYLE[verdict.word]
            axes.plot(*at, marker, color=colour, markersize=8)
            text = f"{count.supported:,} / {count.open:,} / {count.contradicted:,}"
            axes.annotate(text, at, (8, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(order)), lines, fontsize=8, linespacing=0.95)
    axes.set_xticks(range(len(KINDS)), KINDS)
    axes.xaxis.tick_top()
    axes.set(xlim=(-0.3, len(KINDS) - 0.2), ylim=(len(order) - 0.5, -0.5))
    axes.tick_params(length=0)
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, label=word)
        for word, (colour, marker) in WORD_STYLE.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure
