"""The look of every figure: Okabe-Ito colours, a marker for each method, axes of a page's width."""

import matplotlib
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip

METHOD_STYLE = {
    "magnitude": (VERMILION, "v"),
    "random": (YELLOW, "x"),
    "wanda": (BLUE, "o"),
    "std": (PURPLE, "^"),
    "stade": (GREEN, "s"),
    "stade_without_bias": (ORANGE, "D"),
    "stade_without_bias_as_printed": (PURPLE, "d"),
    "sparsegpt": (SKY, "P"),
    "sparsegpt_without_update": (BLACK, "X"),
    "wanda_with_bias": (SKY, "*"),
    "std_without_correction": (VERMILION, "<"),
    "std_without_bias": (YELLOW, ">"),
}

SERIES = [(BLUE, "o"), (VERMILION, "v"), (GREEN, "s"), (PURPLE, "^"), (ORANGE, "D"), (BLACK, "X")]

WIDTH = 7.4  # inches, the width of a page's text


def use_style() -> None:
    """Set the look of every figure of a notebook; called once, at its head."""
    set_matplotlib_formats("svg", metadata={"Date": None})
    matplotlib.rcParams.update(
        {
            "figure.facecolor": "white",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "lines.markersize": 6,
            # The same figure gives the same file.
            "svg.hashsalt": "stade_nb",
        }
    )


def _axes(height: float, rows: int = 1, columns: int = 1, **options):
    # Not pyplot: a figure that pyplot knows is shown twice, by the cell's value and at its end.
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


VERDICT_STYLE = {
    "supported": (GREEN, "o"),
    "open": (BLACK, "d"),
    "contradicted": (VERMILION, "X"),
}
