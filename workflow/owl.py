"""Prune with one share for all blocks and with OWL's: `python -m workflow.owl`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.owl --model smollm2-135m --out data/studies
"""

import sys
from itertools import product
from pathlib import Path

from stade_nb.engine import pruning, records
from stade_nb.engine.cell import Cell
from stade_nb.models import loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from stade_nb.studies import measured, owl
from workflow import growing

WINDOWS, EVALUATED, LENGTH = 32, 64, 512
SPARSITIES = (0.7, 0.5, 0.6)  # in order of worth
ALLOCATIONS = (owl.UNIFORM, owl.ALLOCATED)


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    model, tokenizer = loading.load(name, device)
    ids = calibration_windows(texts[0], tokenizer, WINDOWS, LENGTH, 0).to(model.device)
    asked = evaluation_windows(texts[1], tokenizer, EVALUATED, LENGTH).to(model.device)
    fields = measured.fields(owl.STUDY, model, calibration=ids, evaluation=asked)
    known = records.read(folder, fields) or {}
    share = known.get("outliers") or owl.shares(model, ids, progress=True)
    result = {
        "model": name,
        "texts": list(texts),
        "windows": [WINDOWS, EVALUATED, LENGTH],
        "outliers": share,
        "cells": known.get("cells", []),
    } | measured.made(model.device)

    def prune(about: dict) -> None:
        method, sparsity = about["method"], float(about["pattern"])
        cell = Cell(method, sparsity)
        if about["allocation"] == owl.ALLOCATED:
            cell = owl.allocated(model, method, sparsity, share[method])
        pruning.prune_model(model, ids, cell, progress=True)

    wanted = (
        {"method": method, "pattern": str(sparsity), "allocation": allocation}
        for sparsity, method, allocation in product(SPARSITIES, owl.METHODS, ALLOCATIONS)
    )
    return growing.grow(model, asked, wanted, prune, folder, fields, result)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("owl", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
