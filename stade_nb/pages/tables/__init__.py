"""What the pages of the paper's tables run and show."""

from stade_nb.pages.tables import accuracy, earlier, ladder, layers, perplexity, real, texts

__all__ = ["accuracy", "earlier", "ladder", "layers", "perplexity", "real", "texts"]
