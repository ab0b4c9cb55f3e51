"""Numerics and experiments of the executable companion to the STADE paper (arXiv 2503.22451)."""

__version__ = "0.1.0"
