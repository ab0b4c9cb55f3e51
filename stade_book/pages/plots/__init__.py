"""The book's figures."""

from stade_book.pages.plots import (
    audit,
    layers,
    real,
    sets,
    speed,
    studies,
    tables,
    texts,
    theory,
    verdicts,
)
from stade_book.style import use_style
