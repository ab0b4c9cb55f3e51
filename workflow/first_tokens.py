"""Prune with statistics of all tokens and without first ones: `python -m workflow.first_tokens`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.first_tokens --model smollm2-135m --out data/studies
"""

import sys
from itertools import product
from pathlib import Path

from stade_nb.engine import pruning, records
from stade_nb.engine.cell import Cell
from stade_nb.models import loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from stade_nb.studies import first_tokens, measured
from workflow import growing

WINDOWS, EVALUATED, LENGTH = 32, 64, 512


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    model, tokenizer = loading.load(name, device)
    ids = calibration_windows(texts[0], tokenizer, WINDOWS, LENGTH, 0).to(model.device)
    asked = evaluation_windows(texts[1], tokenizer, EVALUATED, LENGTH).to(model.device)
    fields = measured.fields(first_tokens.STUDY, model, calibration=ids, evaluation=asked)
    result = {
        "model": name,
        "texts": list(texts),
        "windows": [WINDOWS, EVALUATED, LENGTH],
        "cells": (records.read(folder, fields) or {}).get("cells", []),
    } | measured.made(model.device)
    ways = {first_tokens.ALL: pruning.prune_model, first_tokens.REST: first_tokens.prune_apart}

    def prune(about: dict) -> None:
        ways[about["tokens"]](model, ids, Cell(about["method"], about["pattern"]), progress=True)

    wanted = (
        {"method": method, "pattern": first_tokens.PATTERN, "tokens": tokens}
        for method, tokens in product(first_tokens.METHODS, ways)
    )
    return growing.grow(model, asked, wanted, prune, folder, fields, result)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("first_tokens", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
