"""Measure what each compensation leaves in every single layer: `python -m workflow.rungs`.

To be run in the folder that has the calibration text. One record per model:

    python -m workflow.rungs --model smollm2-135m --calibration c4_documents.txt --out data/studies
"""

import sys
import time
from pathlib import Path

from tqdm import tqdm

from stade_book.studies import ladder, measured
from stade_nb.engine import records
from stade_nb.models import architectures, loading
from stade_nb.models.windows import calibration_windows
from workflow import reading


def measure(name: str, text: str, windows: tuple[int, int], device: str, folder: Path) -> Path:
    """Read the text with the dense model and write the record; returns its path.

    windows: how many of how many tokens. StadeError where the text or the model is missing.
    """
    start = time.perf_counter()
    model, tokenizer = loading.load(name, device)
    ids = calibration_windows(text, tokenizer, *windows, 0)
    read = ladder.by_layer(model, ids.to(model.device))
    blocks = architectures.blocks(model)
    layers = sum(len(architectures.linear_layers(block)) for block in blocks)
    fields = measured.fields(ladder.STUDY, model, calibration=ids)
    result = {
        "model": name,
        "text": {"source": text, "windows": windows[0], "length": windows[1]},
        "metric": ladder.METRIC,
        "pattern": ladder.PATTERN,
        "layers": list(tqdm(read, total=layers, desc=name)),
        "seconds": time.perf_counter() - start,
    } | measured.made(model.device)
    return records.write(folder, fields, result, indent=None)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return reading.run("rungs", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
