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
from workflow import Words, status_of


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
    parser = Words(prog="python -m workflow.rungs", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--calibration", default="c4_documents.txt")
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    given = parser.parse_args(words)

    def run() -> None:
        size = given.windows, given.length
        print(measure(given.model, given.calibration, size, given.device, given.out))

    return status_of("rungs", run)


if __name__ == "__main__":
    sys.exit(main())
