"""What a figure shows, read back from it."""

import numpy as np


def points(axes, label: str | None = None) -> np.ndarray:
    """(n, 2): the ends and marks of all lines of `axes`, or of those with this label.

    A figure is laid out first, so that whatever cannot be drawn raises here.
    """
    axes.figure.draw_without_rendering()
    lines = [line for line in axes.get_lines() if label in (None, line.get_label())]
    return np.concatenate([line.get_xydata() for line in lines])


def marks(axes, marker: str) -> np.ndarray:
    """(n, 2): where `axes` has this marker."""
    axes.figure.draw_without_rendering()
    lines = [line for line in axes.get_lines() if line.get_marker() == marker]
    return np.concatenate([np.empty((0, 2)), *(line.get_xydata() for line in lines)])


def legend(figure) -> list[str]:
    """The words of a figure's legends, those of its axes too."""
    figure.draw_without_rendering()
    drawn = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for one in drawn for text in one.get_texts()]


def ticks(labels) -> list[str]:
    """The words beside an axis: of `axes.get_yticklabels()`."""
    return [label.get_text() for label in labels]


def words(figure) -> list[str]:
    """All words written inside the axes of a figure, their titles too."""
    figure.draw_without_rendering()
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    return inside + [axes.get_title() for axes in figure.axes]
