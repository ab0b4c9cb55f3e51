"""The look of every figure: Okabe–Ito hues, and a marker for each, axes of a page's width.

Colour never carries a fact alone. A figure has no ground of its own: its text and lines stand out
by 3 to 1 at least from a white page and from a dark one, and the book's style sheet turns light
and dark about on a dark page, which makes text 4.5 to 1 on both. What has no look of its own gets
one from `SPARE`: a method or a layer type that somebody adds is drawn before it has a line here.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib_inline.backend_inline import set_matplotlib_formats
from pandas import DataFrame

# The palette's hues; orange, sky blue, green and yellow are darker than there, for white pages.
INK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#616161", "#C27E00", "#2F97D3", "#00926B", "#9A8F00", "#0072B2", "#D55E00", "#C66A9D",
)  # fmt: skip
BLACK = "#000000"  # of text on a coloured ground

Look = tuple[str, str]  # colour and marker

METHOD_STYLE: dict[str, Look] = {
    "magnitude": (VERMILION, "v"),
    "random": (YELLOW, "x"),
    "wanda": (BLUE, "o"),
    "std": (PURPLE, "^"),
    "stade": (GREEN, "s"),
    "stade_without_bias": (ORANGE, "D"),
    "stade_without_bias_as_printed": (PURPLE, "d"),
    "sparsegpt": (SKY, "P"),
    "sparsegpt_without_update": (INK, "X"),
    "wanda_with_bias": (ORANGE, "*"),
    "std_without_correction": (VERMILION, "<"),
    "std_without_bias": (YELLOW, ">"),
    "stade_equal_parameters": (GREEN, "*"),
    "std_equal_parameters": (PURPLE, "*"),
    "wanda_with_bias_equal_parameters": (SKY, "D"),
}

LAYER_STYLE: dict[str, Look] = {
    "self_attn.q_proj": (BLUE, "o"),
    "self_attn.k_proj": (SKY, "s"),
    "self_attn.v_proj": (PURPLE, "D"),
    "self_attn.o_proj": (INK, "X"),
    "self_attn.out_proj": (INK, "X"),
    "mlp.gate_proj": (VERMILION, "v"),
    "mlp.up_proj": (ORANGE, "^"),
    "mlp.down_proj": (GREEN, "P"),
    "fc1": (VERMILION, "v"),
    "fc2": (GREEN, "P"),
}

VERDICT_STYLE: dict[str, Look] = {
    "supported": (GREEN, "o"),
    "open": (INK, "d"),
    "contradicted": (VERMILION, "X"),
}

SERIES = [(BLUE, "o"), (VERMILION, "v"), (GREEN, "s"), (PURPLE, "^"), (ORANGE, "D"), (INK, "X")]

# No marker of these is in another list, and colours change faster than markers.
SPARE = [(colour, marker) for marker in "hp8H1" for colour in (BLUE, VERMILION, GREEN, INK)]

WIDTH = 7.4  # inches, the width of a page's text


def use_style() -> None:
    """Set the look of every figure of a notebook; called once, at its head."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    matplotlib.rcParams.update(
        {
            **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
            **dict.fromkeys(inked, INK),
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": INK,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "lines.markersize": 6,
            # The same figure gives the same file.
            "svg.hashsalt": "stade_nb",
        }
    )


def axes(height: float, rows: int = 1, columns: int = 1, **options):
    """A figure `height` inches high, and its axes; options: of `Figure.subplots`."""
    # Not pyplot: a figure that pyplot knows is shown twice, by the cell's value and at its end.
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def log_ticks(axes) -> None:
    """Plain numbers beside the logarithmic height of `axes`, on which all is drawn: 1, 2, 5, 10.

    Where fewer than three of these lie within its limits, even steps instead.
    """
    low, high = axes.get_ylim()
    ticks = LogLocator(subs=(1, 2, 5)).tick_values(low, high)
    few = sum(low <= tick <= high for tick in ticks) < 3
    even = MaxNLocator(5, steps=[1, 2, 5, 10], min_n_ticks=3)
    axes.yaxis.set_major_locator(even if few else LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def series() -> Iterator[Look]:
    """Looks for lines in their order, as many as there are."""
    return itertools.cycle(SERIES)


def groups(table: DataFrame, by: str) -> Iterator[tuple[str, DataFrame, dict]]:
    """Each group of a table, in order of appearance: its name, its rows, the look of its line."""
    parts = table.groupby(by, sort=False)
    for (name, rows), (colour, marker) in zip(parts, series(), strict=False):
        yield name, rows, {"color": colour, "marker": marker}


def name_ends(axes, ends: Mapping[str, tuple[float, float, str]], gap: float) -> None:
    """Write a line's name beside its end, in its colour, instead of a legend.

    ends: name -> (x, y, colour), in data. gap: the least distance of two names, as a share of the
    height of `axes`, whose limits no longer change.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = {name: to_axes.transform((x, y))[1] for name, (x, y, _) in ends.items()}
    placed = sorted(heights, key=heights.get)
    for below, name in itertools.pairwise(placed):
        heights[name] = max(heights[name], heights[below] + gap)
    if placed and heights[placed[-1]] > 1:  # what does not fit goes down, and pushes the next one
        heights[placed[-1]] = 1.0
        for name, above in itertools.pairwise(placed[::-1]):
            heights[above] = min(heights[above], heights[name] - gap)
    for name, (_, _, colour) in ends.items():
        axes.text(1.02, heights[name], name, color=colour, va="center", transform=axes.transAxes)


def methods(names: Iterable[str]) -> dict[str, Look]:
    """A look for each method, those of `METHOD_STYLE` first and in its order.

    >>> list(methods(["mine", "stade", "wanda"]))
    ['wanda', 'stade', 'mine']
    """
    return _looks(names, METHOD_STYLE)


def layers(names: Iterable[str]) -> dict[str, Look]:
    """A look for each layer type, those of `LAYER_STYLE` first and in its order."""
    return _looks(names, LAYER_STYLE)


def _looks(names: Iterable[str], known: Mapping[str, Look]) -> dict[str, Look]:
    wanted = list(dict.fromkeys(names))
    others = [name for name in wanted if name not in known]
    return {name: look for name, look in known.items() if name in wanted} | dict(
        zip(others, itertools.cycle(SPARE), strict=False)
    )
