"""Compute the grid "texts in and out": `python -m workflow.grid --results-dir DIR`.

To be run in the folder that `workflow.texts` has filled: records then say the texts by their
names. Each cell is pruned once and evaluated on every text; what is on disk is not computed again.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from stade_book.studies.calibration_texts import (
    CALIBRATIONS,
    EVALUATIONS,
    LENGTH,
    METHODS,
    PATTERNS,
    WINDOWS,
)
from stade_nb.engine.cell import Cell, Setting, Windows, cells
from stade_nb.engine.texts import sweep_texts
from stade_nb.errors import unknown
from workflow import Words, status_of


def compute(asked: argparse.Namespace) -> None:
    """All cells, the dense one first. StadeError where one cannot be computed.

    What is misspelt is said before the first one is.
    """
    chosen = asked.calibrations.split(",")
    for calibration in chosen:
        if calibration not in CALIBRATIONS:
            raise unknown("calibration text", calibration, CALIBRATIONS)
    texts = [Windows(source, WINDOWS, LENGTH) for source in EVALUATIONS.values()]
    groups = [METHODS[:2], METHODS[2:4], METHODS[4:]]
    if asked.methods:
        groups = [asked.methods.split(",")]
    runs = [("C4", [Cell("dense", "0")])]
    for pattern in asked.patterns.split(","):
        for methods in groups:
            for calibration in chosen:
                runs.append((calibration, cells(methods, [pattern], seeds=asked.seeds)))
    for calibration, some in tqdm(runs, desc=asked.model):
        windows = Windows(CALIBRATIONS[calibration], WINDOWS, LENGTH)
        sweep_texts(asked.model, some, Setting(windows, None, asked.results_dir), texts)


def seeds(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    return [int(seed) for seed in text.split(",")]


def main(words: list[str] | None = None) -> int:
    """Compute the grid; returns the exit status."""
    parser = Words(prog="python -m workflow.grid", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--patterns", default=",".join(PATTERNS))
    parser.add_argument("--methods", help="default: those of the page, in order of worth")
    parser.add_argument("--calibrations", default=",".join(CALIBRATIONS))
    parser.add_argument("--seeds", type=seeds, default="0")
    parser.add_argument("--results-dir", type=Path, default=Path("results"))
    given = parser.parse_args(words)
    return status_of("grid", lambda: compute(given))


if __name__ == "__main__":
    sys.exit(main())
