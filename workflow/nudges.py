"""Prune with norms that are nudged, several times: `python -m workflow.nudges`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.nudges --model smollm2-135m --out data/studies
"""

import sys
from pathlib import Path

from stade_book.studies import nudges
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from workflow import growing


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    study = growing.begun(nudges.STUDY, name, texts, folder, device)

    def prune(about: dict) -> None:
        cell = Cell(nudges.nudged(about["nudge"]), about["pattern"], seed=about["draw"])
        pruning.prune_model(study.model, study.ids, cell, progress=True)

    # Draw by draw, so that what is there at any time is as much of each pattern.
    draws = [(nudge, draw) for nudge, several in nudges.DRAWS.items() for draw in several]
    wanted = (
        {"method": nudges.METHOD, "pattern": pattern, "nudge": nudge, "draw": draw}
        for nudge, draw in draws
        for pattern in nudges.PATTERNS
    )
    return study.grow(wanted, prune)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("nudges", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
