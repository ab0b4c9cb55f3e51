"""Prune with one share for all blocks and with OWL's: `python -m workflow.owl`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.owl --model smollm2-135m --out data/studies
"""

import sys
from itertools import product
from pathlib import Path

from stade_book.studies import owl
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from workflow import growing

SPARSITIES = (0.7, 0.5, 0.6)  # in order of worth
ALLOCATIONS = (owl.UNIFORM, owl.ALLOCATED)


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    study = growing.begun(owl.STUDY, name, texts, folder, device)
    if "outliers" not in study.result:
        study.result["outliers"] = owl.shares(study.model, study.ids, progress=True)

    def prune(about: dict) -> None:
        method, sparsity = about["method"], float(about["pattern"])
        cell = Cell(method, sparsity)
        if about["allocation"] == owl.ALLOCATED:
            share = study.result["outliers"][method]
            cell = owl.allocated(study.model, method, sparsity, share)
        pruning.prune_model(study.model, study.ids, cell, progress=True)

    wanted = (
        {"method": method, "pattern": str(sparsity), "allocation": allocation}
        for sparsity, method, allocation in product(SPARSITIES, owl.METHODS, ALLOCATIONS)
    )
    return study.grow(wanted, prune)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("owl", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
