"""The plots of the calibration texts: what the bias correction does from one text to another."""

import numpy as np
import pandas
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stade_book import style
from stade_book.claims import paper
from stade_book.studies.calibration_texts import CALIBRATIONS, CORRECTED, EVALUATIONS, PATTERNS
from stade_book.style import BLACK, INK

LIMIT = 20  # per cent, where the colours end


def effects(table: pandas.DataFrame) -> Figure:
    """The effect of the correction from each calibration text to each evaluated one, in percent.

    table: from `calibration_texts.effects`, of one model. A panel for each mask and pattern; a
    frame marks the text itself, a star an interval that does not hold zero.
    """
    order = [(pattern, mask) for mask in CORRECTED for pattern in PATTERNS]
    parts = dict(list(table.groupby(["pattern", "mask"], sort=False)))
    panels = [(key, parts[key]) for key in order if key in parts]
    rows = [name for name in CALIBRATIONS if name in set(table["calibration"])]
    columns = list(EVALUATIONS)
    figure, axes = style.axes(
        0.9 + (0.5 + 0.3 * len(rows)) * ((len(panels) + 1) // 2),
        (len(panels) + 1) // 2,
        2,
        squeeze=False,
        sharey=True,
    )
    norm = TwoSlopeNorm(0, -LIMIT, LIMIT)
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    for place, ((pattern, mask), some) in zip(axes.flat, panels, strict=False):
        values = np.full((len(rows), len(columns)), np.nan)
        for row in some.itertuples():
            at = rows.index(row.calibration), columns.index(row.evaluation)
            values[at] = 100 * row.change
            star = "*" if row.low > 0 or row.high < 0 else ""
            text = f"{values[at]:+.1f}{star}".replace("-", "−")
            strong = abs(values[at]) > 0.6 * LIMIT
            place.text(*at[::-1], text, ha="center", va="center", fontsize=10,
                       color="white" if strong else BLACK)  # fmt: skip
            if row.home:
                corner = (at[1] - 0.47, at[0] - 0.45)
                place.add_patch(Rectangle(corner, 0.94, 0.9, fill=False, edgecolor=BLACK, lw=2))
        image = place.imshow(values, cmap="PuOr_r", norm=norm, aspect="auto")
        narrow = [name.replace("tation", "-\ntation") for name in columns]
        place.set_xticks(range(len(columns)), narrow)
        place.set_yticks(range(len(rows)), rows)
        place.tick_params(length=0, labelsize=10)
        place.set_title(f"{paper.title(mask)}'s mask, {paper.sparsity(pattern)}", fontsize=10)
        place.grid(False)
        place.spines[:].set_visible(False)
    figure.supxlabel("evaluated on", fontsize=10)
    figure.supylabel("calibrated on", fontsize=10)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, extend="both")
    bar.set_label("perplexity with the correction / without, − 1, %")
    return figure


def by_distance(table: pandas.DataFrame, distances: pandas.DataFrame) -> Figure:
    """The effect of the correction by the distance of the two texts' means, a mark for each pair.

    table: as for `effects`. distances: from `text_means.by_layer_type`; a pair's is the median of
    its layer types.
    """
    pairs = distances.groupby(["calibration", "evaluation"])["sigmas"].median().rename("sigmas")
    joined = table.merge(pairs.reset_index(), on=["calibration", "evaluation"])
    figure, axes = style.axes(3.4)
    looks = style.methods(CORRECTED)
    for mask, some in joined.groupby("mask"):
        colour, marker = looks[mask]
        for home, fill in ((True, colour), (False, "none")):
            part = some[some["home"] == home]
            where = "same text" if home else "another text"
            look = {"marker": marker, "color": colour, "markerfacecolor": fill, "linestyle": "none"}
            label = f"{paper.title(mask)}'s mask, {where}"
            axes.plot(part["sigmas"], 100 * part["change"], label=label, **look)
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance of the two texts' means, in standard deviations of the inputs")
    axes.set_ylabel("effect of the correction, %")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def by_budget(table: pandas.DataFrame) -> Figure:
    """Perplexity by the number of calibration tokens, a line for each method, a bar for its seeds.

    table: from `budget.perplexities`.
    """
    figure, axes = style.axes(3.4)
    ways = list(table.groupby("method", sort=False))
    looks = style.methods(method for method, _ in ways)
    for place, (method, some) in enumerate(ways):
        colour, marker = looks[method]
        middle, at = some["perplexity"], some["tokens"] * 1.03 ** (place - (len(ways) - 1) / 2)
        ends = [middle - some["low"], some["high"] - middle]
        look = {"marker": marker, "color": colour, "capsize": 3}
        axes.errorbar(at, middle, ends, label=paper.title(method), **look)
    axes.set_xscale("log", base=2)
    tokens = sorted(table["tokens"].unique())
    axes.set_xticks(tokens, [f"{size:,}" for size in tokens])
    axes.set_xlabel("calibration tokens")
    axes.set_ylabel("perplexity on WikiText-2")
    figure.legend(loc="outside upper center", ncols=4)
    return figure
