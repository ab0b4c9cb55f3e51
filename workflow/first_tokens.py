"""Prune with statistics of all tokens and without first ones: `python -m workflow.first_tokens`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.first_tokens --model smollm2-135m --out data/studies
"""

import sys
from itertools import product
from pathlib import Path

from stade_book.studies import first_tokens
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from workflow import growing


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    study = growing.begun(first_tokens.STUDY, name, texts, folder, device)
    ways = {first_tokens.ALL: pruning.prune_model, first_tokens.REST: first_tokens.prune_apart}

    def prune(about: dict) -> None:
        cell = Cell(about["method"], about["pattern"])
        ways[about["tokens"]](study.model, study.ids, cell, progress=True)

    wanted = (
        {"method": method, "pattern": first_tokens.PATTERN, "tokens": tokens}
        for method, tokens in product(first_tokens.METHODS, ways)
    )
    return study.grow(wanted, prune)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("first_tokens", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
