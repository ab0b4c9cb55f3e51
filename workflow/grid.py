"""Compute the grid "texts in and out": `python -m workflow.grid --results-dir DIR`.

To be run in the folder that `workflow.texts` has filled: records then say the texts by their
names. Each cell is pruned once and evaluated on every text; what is on disk is not computed again.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from stade_nb.engine.cell import Cell, Setting, Windows, cells
from stade_nb.engine.texts import sweep_texts
from stade_nb.errors import StadeError
from stade_nb.studies.calibration_texts import (
    CALIBRATIONS,
    EVALUATIONS,
    LENGTH,
    METHODS,
    PATTERNS,
    WINDOWS,
)


def compute(model: str, patterns: list[str], seeds: list[int], results_dir: Path) -> None:
    """All cells, the dense one first. StadeError where one cannot be computed."""
    texts = [Windows(source, WINDOWS, LENGTH) for source in EVALUATIONS.values()]
    runs = [("C4", [Cell("dense", "0")])]
    for pattern in patterns:
        for methods in (METHODS[:2], METHODS[2:4], METHODS[4:]):
            for calibration in CALIBRATIONS:
                runs.append((calibration, cells(methods, [pattern], seeds=seeds)))
    for calibration, some in tqdm(runs, desc=model):
        setting = Setting(Windows(CALIBRATIONS[calibration], WINDOWS, LENGTH), None, results_dir)
        sweep_texts(model, some, setting, texts)


def main(words: list[str] | None = None) -> int:
    """Compute the grid; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.grid", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--patterns", default=",".join(PATTERNS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--results-dir", type=Path, default=Path("results"))
    asked = parser.parse_args(words)
    try:
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        compute(asked.model, asked.patterns.split(","), seeds, asked.results_dir)
    except (StadeError, ValueError) as error:
        print(f"workflow.grid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
