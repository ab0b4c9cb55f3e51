"""The scorecard as a picture: every claim of the ledger with a mark and a word for its verdict."""

import textwrap

import pandas
from matplotlib.figure import Figure

from stade_nb import claims
from stade_nb.pages.plots.perplexity import BLACK, VERDICT_STYLE, _axes

LINE = 62  # characters of a claim on one line


def scorecard(book: pandas.DataFrame) -> Figure:
    """A line for each claim, in groups by what decides; the mark stands under its verdict.

    book: from `ledger.table`.
    """
    words = list(VERDICT_STYLE)
    figure, axes = _axes(0.26 * (len(book) + 2 * book["by"].nunique()) + 0.4)
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
