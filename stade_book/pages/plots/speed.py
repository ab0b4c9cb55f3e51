"""The figures of time: sparse products against the dense one, a clock against the arithmetic."""

import pandas
from matplotlib.figure import Figure

from stade_book import style
from stade_book.claims import paper
from stade_book.pages.tables.scale import AGREES_WITHIN
from stade_book.style import INK


def against_dense(places: dict[str, pandas.DataFrame]) -> Figure:
    """How many times as fast as dense each format is, a panel for each number of tokens.

    places: where it was measured -> columns way, pattern, tokens, lowest, median, highest (over
    layer shapes); the first has the numbers of tokens that are drawn. The axis is logarithmic; in
    the grey the sparse product is the faster one.
    """
    rows = pandas.concat([frame.assign(place=place) for place, frame in places.items()])
    rows = rows.assign(label=rows["pattern"].map(paper.sparsity) + ", " + rows["way"])
    labels = list(dict.fromkeys(zip(rows["place"], rows["label"], strict=True)))
    counts = sorted(set(next(iter(places.values()))["tokens"]))
    figure, (panels,) = style.axes(
        1.3 + 0.24 * len(labels), columns=len(counts), sharex=True, sharey=True, squeeze=False
    )
    for axes, tokens in zip(panels, counts, strict=True):
        at = rows[rows["tokens"] == tokens]
        for place, some, look in style.groups(at, "place"):
            heights = [-labels.index((place, label)) for label in some["label"]]
            span = some[["lowest", "highest"]].sub(some["median"], axis=0).abs().T.to_numpy()
            axes.errorbar(some["median"], heights, xerr=span, linestyle="none", label=place, **look)
        axes.set_title(f"{tokens:,} token{'s' * (tokens > 1)} at once", fontsize=10)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(1, color=INK, linewidth=1)
    low, high = panels[0].get_xlim()
    for axes in panels:
        axes.axvspan(1, max(high, 2), color=INK, alpha=0.06, linewidth=0)
        axes.set_xlim(low, max(high, 2))
    panels[0].set_yticks(range(0, -len(labels), -1), [label for _, label in labels])
    figure.supxlabel("times as fast as the dense product (grey: faster)", fontsize=10)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def against_arithmetic(measured: pandas.DataFrame) -> Figure:
    """Seconds that a cell took over those that its operations predict, a mark for each record.

    measured: from `tables.scale.measured`. In the grey the two agree; both axes are logarithmic.
    """
    figure, axes = style.axes(3.2)
    labels = measured["model"] + ", threads: " + measured["threads"].astype(str)
    for label, some, look in style.groups(measured.assign(label=labels), "label"):
        axes.plot(some["predicted"], some["seconds"], linestyle="none", label=label, **look)
    ends = [measured["predicted"].min(), measured["predicted"].max()]
    axes.plot(ends, ends, color=INK, linewidth=1)
    low, high = ([end * times for end in ends] for times in (1 / AGREES_WITHIN, AGREES_WITHIN))
    axes.fill_between(ends, low, high, color=INK, alpha=0.06, linewidth=0)
    axes.set(xscale="log", yscale="log")  # which gives both axes new formatters
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set_xlabel("seconds by the number of operations")
    axes.set_ylabel("seconds measured")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
