"""Measure every layer's inputs, and what each way to prune it costs: `python -m workflow.layers`.

To be run in the folder that has the calibration text. One record per model:

    python -m workflow.layers --model smollm2-135m --calibration c4_documents.txt --out data/studies
"""

import sys
import time
from functools import partial
from pathlib import Path

from tqdm import tqdm

from stade_book.studies import layer_inputs, layer_losses, measured
from stade_nb.engine import records
from stade_nb.engine.cell import Cell, cells
from stade_nb.errors import StadeError
from stade_nb.models import architectures, loading
from stade_nb.models.windows import calibration_windows
from workflow import reading

PATTERNS = ("0.3", "0.4", "0.5", "0.6", "0.7", "2:4", "4:8")
# What the whole ladder costs takes longer, so at two patterns.
SLOW = ("wanda_linear", "wanda_affine", "std_linear", "std_affine", "dsnot", "sparsegpt")


def asked(slow: bool) -> list[Cell]:
    """Every method at every pattern; of those that solve equations two patterns, if at all."""
    return [*cells(layer_losses.RANKED, PATTERNS), *(cells(SLOW, ["0.5", "2:4"]) if slow else [])]


def measure(name: str, text: str, windows: tuple[int, int], device: str, folder: Path,
            slow: bool = True, batch_size: int = 8) -> Path:  # fmt: skip
    """Read the text with the dense model and write the record.

    windows: how many of how many tokens. StadeError where the text or the model is missing, and
    where a record of the same windows has more cells.
    """
    start = time.perf_counter()
    model, tokenizer = loading.load(name, device)
    ids = calibration_windows(text, tokenizer, *windows, 0)
    chosen = asked(slow)
    fields = measured.fields(layer_inputs.STUDY, model, calibration=ids)
    known = records.read(folder, fields)
    if known and len(known["cells"]) > len(chosen):
        raise StadeError(
            f"{records.path_of(folder, fields)} has {len(known['cells'])} cells, this run would "
            f"put {len(chosen)} in their place: leave out --quick, or write into another --out"
        )
    inputs, errors = [], []
    read = layer_inputs.by_block(model, ids.to(model.device), chosen, batch_size)
    for one, lost in tqdm(read, total=len(architectures.blocks(model)), desc=name):
        inputs.append(one)
        errors.append(lost)
    result = {
        "model": name,
        "text": {"source": text, "windows": windows[0], "length": windows[1]},
        "shares": layer_inputs.SHARES,
        "inputs": inputs,
        "cells": [[cell.method.name, cell.pattern_name, cell.pattern.scope] for cell in chosen],
        "errors": errors,
        "seconds": time.perf_counter() - start,
    } | measured.made(model.device)
    return records.write(folder, fields, result, indent=None)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    parser = reading.asked("layers", __doc__)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="without methods that solve equations")
    given = parser.parse_args(words)
    chosen = partial(measure, slow=not given.quick, batch_size=given.batch_size)
    return reading.measured("layers", given, chosen)


if __name__ == "__main__":
    sys.exit(main())
