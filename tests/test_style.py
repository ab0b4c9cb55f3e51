"""Figures stand out from white pages and dark ones, as drawn and as the style sheet turns them."""

import re

import pytest

from stade_book import style
from workflow import ROOT

WHITE, DARK = "#ffffff", "#121212"  # the theme's pages
INK = "INK"
# hue-rotate(180deg), as Filter Effects defines it.
TURN = [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]]
COLOURS = ["INK", "ORANGE", "SKY", "GREEN", "YELLOW", "BLUE", "VERMILION", "PURPLE"]


def channels(colour: str) -> list[float]:
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def turned(colour: list[float]) -> list[float]:
    """invert(1) hue-rotate(180deg)."""
    inverse = [1 - one for one in colour]
    return [min(1, max(0, sum(a * b for a, b in zip(row, inverse, strict=True)))) for row in TURN]


def contrast(one: list[float], other: list[float]) -> float:
    """WCAG 2's ratio of two colours."""
    linear = [
        [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        for colour in (one, other)
    ]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_the_standard():
    assert contrast(channels("#000000"), channels("#ffffff")) == pytest.approx(21)
    assert contrast(channels("#777777"), channels("#ffffff")) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_is_seen_on_either_page(name):
    colour, least = channels(getattr(style, name)), 3
    assert contrast(colour, channels(WHITE)) >= (4.5 if name == INK else least)
    assert contrast(colour, channels(DARK)) >= least
    assert contrast(turned(colour), channels(DARK)) >= (4.5 if name == INK else least)


@pytest.mark.parametrize(
    ("ends", "numbers"),
    [
        ((1.0, 1.6), ["1", "1.2", "1.4", "1.6"]),
        ((100, 101), ["100", "100.5", "101"]),
        ((6, 17), ["6", "8", "10", "12", "14", "16"]),
        ((1, 40), ["1", "2", "5", "10", "20"]),
    ],
)
def test_a_logarithmic_axis_has_three_numbers_at_least_however_short_it_is(ends, numbers):
    _, axes = style.axes(2)
    axes.plot([0, 1], ends)
    axes.set_yscale("log")
    style.log_ticks(axes)
    low, high = axes.get_ylim()
    labels = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    assert [label.get_text() for tick, label in labels if low <= tick <= high] == numbers


def test_the_style_sheet_turns_figures_as_tested_here():
    sheet = (ROOT / "book" / "_static" / "book.css").read_text("utf-8")
    images = re.escape('img:is([src$=".svg"], [src^="data:image/svg"])')
    assert re.search(rf"dark.*{images} {{\s+filter: invert\(1\) hue-rotate\(180deg\)", sheet)


def test_a_figure_has_no_ground_of_its_own(tmp_path):
    style.use_style()
    figure, axes = style.axes(2)
    axes.plot([0, 1], [0, 1])
    figure.savefig(tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text("utf-8")
    assert "#ffffff" not in drawn and style.INK in drawn


def test_names_beside_lines_keep_their_distance_and_their_order():
    _, axes = style.axes(2)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    ends = {"top": (1, 1, "k"), "near": (1, 0.99, "k"), "low": (1, 0.1, "k"), "by": (1, 0.12, "k")}
    style.name_ends(axes, ends, gap=0.1)
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    expected = {"top": 1, "near": 0.9, "low": 0.1, "by": 0.2}
    assert heights == pytest.approx(expected)
