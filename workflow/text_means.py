"""Measure how far apart texts' means are: `python -m workflow.text_means --out data/studies`.

To be run in the folder that `workflow.texts` has filled, as `workflow.grid`. The record has its
distances by layer type, and the hash of each text's token ids.
"""

import sys
import time
from pathlib import Path

from stade_book.studies import measured, text_means
from stade_book.studies.calibration_texts import CALIBRATIONS, EVALUATIONS, LENGTH, WINDOWS
from stade_nb.engine import records
from stade_nb.files import digest_of_ids, try_folder
from stade_nb.models import loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from workflow import Words, status_of
from workflow.reading import AT_ONCE


def measure(name: str, folder: Path) -> Path:
    """Read every text with the dense model and write the record.

    StadeError where a text or the model is missing.
    """
    start = time.perf_counter()
    model, tokenizer = loading.load(name)
    calibrated = {
        text: calibration_windows(source, tokenizer, WINDOWS, LENGTH, 0)
        for text, source in CALIBRATIONS.items()
    }
    evaluated = {
        text: evaluation_windows(source, tokenizer, WINDOWS, LENGTH)
        for text, source in EVALUATIONS.items()
    }
    table = text_means.by_layer_type(
        text_means.distances(
            {text: text_means.input_moments(model, ids) for text, ids in calibrated.items()},
            {text: text_means.input_moments(model, ids) for text, ids in evaluated.items()},
        )
    )
    fields = {
        "study": text_means.STUDY,
        "numerics": records.NUMERICS_VERSION,
        "fingerprint": loading.fingerprint(model),
        "calibration": {text: digest_of_ids(ids) for text, ids in calibrated.items()},
        "evaluation": {text: digest_of_ids(ids) for text, ids in evaluated.items()},
    }
    result = {
        "model": name,
        "rows": table.to_dict("list"),
        "tokens": WINDOWS * LENGTH,
        "seconds": time.perf_counter() - start,
    } | measured.made(model.device)
    return records.write(folder, fields, result, indent=None)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    parser = Words(prog="python -m workflow.text_means", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    given = parser.parse_args(words)

    def run() -> None:
        print(measure(given.model, try_folder(given.out)))

    return status_of("text_means", run, AT_ONCE)


if __name__ == "__main__":
    sys.exit(main())
