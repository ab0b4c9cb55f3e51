"""Prune with norms that are rounded otherwise, several times: `python -m workflow.rounding`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.rounding --model smollm2-135m --out data/studies
"""

import sys
from itertools import product
from pathlib import Path

from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.studies import rounding
from workflow import growing


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    study = growing.begun(rounding.STUDY, name, texts, folder, device)

    def prune(about: dict) -> None:
        cell = Cell(rounding.drawn(about["draw"]), about["pattern"], seed=about["draw"])
        pruning.prune_model(study.model, study.ids, cell, progress=True)

    wanted = (
        {"method": rounding.METHOD, "pattern": pattern, "draw": draw}
        for draw, pattern in product(range(rounding.DRAWS), rounding.PATTERNS)
    )
    return study.grow(wanted, prune)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("rounding", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
