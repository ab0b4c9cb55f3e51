"""What the pages of the paper's tables run and show."""

from stade_nb.pages.tables import accuracy, conformance, earlier, layers, perplexity, scale, speed

__all__ = ["accuracy", "conformance", "earlier", "layers", "perplexity", "scale", "speed"]
