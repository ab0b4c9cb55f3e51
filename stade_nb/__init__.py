"""Prune language models as the STADE paper does (arXiv 2503.22451), and measure what is left.

The names below are the library; what the companion to the paper is made with is the package
`stade_book`. Importing this one is quick: a name is looked up when it is first asked for, and torch
or transformers with it.

>>> import stade_nb as snb
>>> model, tokenizer = snb.load("llama-230k")
>>> calibration = snb.calibration_windows("embedded", tokenizer, windows=4, length=64, seed=0)
>>> text = snb.evaluation_windows("embedded", tokenizer, windows=4, length=64)
>>> dense = snb.perplexity(model, text)
>>> report = snb.prune_model(model, calibration, snb.METHODS["stade"], "2:4")
>>> snb.perplexity(model, text) > dense
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors, which look names up without running anything
    from stade_nb.engine.cell import Cell, Setting, Windows, cells
    from stade_nb.engine.pruning import prune_model
    from stade_nb.engine.sweep import sweep
    from stade_nb.errors import StadeError
    from stade_nb.evaluation.harness import zero_shot
    from stade_nb.evaluation.perplexity import perplexity, window_losses
    from stade_nb.models.loading import embedded_models, load
    from stade_nb.models.saving import save
    from stade_nb.models.windows import calibration_windows, evaluation_windows
    from stade_nb.numerics.masks import Pattern, parse_pattern, select
    from stade_nb.numerics.methods import METHODS, Method, prune_layer
    from stade_nb.numerics.moments import Moments

__version__ = "0.1.0"

# Where each name lives.
_ROOMS = {
    "errors": ["StadeError"],
    "numerics.masks": ["Pattern", "parse_pattern", "select"],
    "numerics.methods": ["METHODS", "Method", "prune_layer"],
    "numerics.moments": ["Moments"],
    "models.loading": ["embedded_models", "load"],
    "models.saving": ["save"],
    "models.windows": ["calibration_windows", "evaluation_windows"],
    "evaluation.perplexity": ["perplexity", "window_losses"],
    "evaluation.harness": ["zero_shot"],
    "engine.cell": ["Cell", "Setting", "Windows", "cells"],
    "engine.pruning": ["prune_model"],
    "engine.sweep": ["sweep"],
}
_HOME = {name: f"stade_nb.{room}" for room, names in _ROOMS.items() for name in names}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    """A public name, from the room where it lives (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'stade_nb' has no attribute {name!r}")
    try:
        if name == "prune_layer":  # which takes methods beyond the paper by name as well
            import_module("stade_nb.beyond.methods")
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        return _without(name, (error.name or "").partition(".")[0])


def _without(name: str, package: str) -> object:
    """In the place of a name that needs a package of an extra: help() and "import *" go on."""

    def absent(*_: object, **__: object) -> None:
        from stade_nb.errors import StadeError

        raise StadeError(
            f"{name} needs {package}, which is not installed: pip install '.[zero-shot]' in the "
            "project's folder installs it"
        )

    absent.__name__, absent.__doc__ = name, f"Needs {package}, which is not installed."
    return absent


def __dir__() -> list[str]:
    return [*globals(), *__all__]
