"""What the pages of the paper's tables run and show."""

from stade_nb.pages.tables import accuracy, earlier, layers, perplexity, studies

__all__ = ["accuracy", "earlier", "layers", "perplexity", "studies"]
