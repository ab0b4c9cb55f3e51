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
    perplexity,
    real,
    recorded,
    scale,
    speed,
    studies,
    texts,
)

__all__ = [
    "accuracy",
    "conformance",
    "dated",
    "earlier",
    "gpu",
    "guessed",
    "ladder",
    "layers",
    "losses",
    "perplexity",
    "real",
    "recorded",
    "scale",
    "speed",
    "studies",
    "texts",
]
