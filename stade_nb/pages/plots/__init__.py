"""The book's figures."""

from stade_nb.pages.plots import accuracy, audit, layers, perplexity, scorecard, theory

__all__ = ["accuracy", "audit", "layers", "perplexity", "scorecard", "theory"]
