"""Prune with one share for all blocks and with OWL's: `python -m workflow.owl`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.owl --model smollm2-135m --out data/studies
"""

import sys
import time
from itertools import product
from pathlib import Path

from stade_nb.engine import pruning, records
from stade_nb.engine.cell import Cell
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from stade_nb.studies import measured, owl
from workflow import Words, status_of

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
    done = {(cell["method"], cell["pattern"], cell["allocation"]) for cell in result["cells"]}
    dense = pruning.snapshot(model)
    for sparsity, method, allocation in product(SPARSITIES, owl.METHODS, ALLOCATIONS):
        about = {"method": method, "pattern": str(sparsity), "allocation": allocation}
        if tuple(about.values()) in done:
            continue
        cell = Cell(method, sparsity)
        if allocation == owl.ALLOCATED:
            cell = owl.allocated(model, method, sparsity, share[method])
        start = time.perf_counter()
        pruning.prune_model(model, ids, cell, progress=True)
        losses = window_losses(model, asked, progress=True)
        seconds = time.perf_counter() - start
        result["cells"].append(about | {"losses": losses.tolist(), "seconds": seconds})
        records.write(folder, fields, result, indent=None)
        pruning.restore(dense)
    return records.path_of(folder, fields)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    parser = Words(prog="python -m workflow.owl", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--calibration", default="c4_documents.txt")
    parser.add_argument("--evaluation", default="wiki.test.raw")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    given = parser.parse_args(words)

    def run() -> None:
        texts = given.calibration, given.evaluation
        print(measure(given.model, texts, given.out, given.device))

    return status_of("owl", run)


if __name__ == "__main__":
    sys.exit(main())
