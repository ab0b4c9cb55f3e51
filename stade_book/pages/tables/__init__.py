"""What the pages of the paper's tables run and show."""

from stade_book.pages.tables import (
    accuracy,
    conformance,
    dated,
    earlier,
    gpu,
    guessed,
    ladder,
    layers,
    losses,
    newer,
    perplexity,
    real,
    recorded,
    scale,
    sentences,
    speed,
    studies,
    texts,
    usable,
)
