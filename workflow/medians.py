"""Wanda, and a bias of medians in down, on other texts: `python -m workflow.medians`.

To be run in the folder that `workflow.texts` has filled. One record per model, which grows with
each pruned model, so that a run that is interrupted goes on with the next one:

    python -m workflow.medians --model smollm2-135m --out data/studies
"""

import sys
import time
from itertools import product
from pathlib import Path

from stade_book.studies import means, measured, medians
from stade_book.studies.calibration_texts import CALIBRATIONS, EVALUATIONS, LENGTH, WINDOWS
from stade_nb.engine import pruning, records, weights
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.files import try_folder
from stade_nb.models import architectures, loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from workflow import growing, status_of, study_words


def measure(name: str, folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    model, tokenizer = loading.load(name, device)
    asked = {
        text: evaluation_windows(source, tokenizer, WINDOWS, LENGTH).to(model.device)
        for text, source in EVALUATIONS.items()
    }
    fields = measured.fields(medians.STUDY, model, **asked)
    made = measured.made(model.device)
    about = {"model": name, "windows": [WINDOWS, LENGTH]}
    result = about | (records.read(try_folder(folder), fields) or {}) | made
    layers = {full: layer for full, _, layer in architectures.named_layers(model)}
    dense = weights.snapshot(model)
    before = {full: weight for full, (_, weight, _) in zip(layers, dense, strict=True)}

    def keep(about: dict, began: float) -> None:
        pruned = time.perf_counter() - began
        losses = {
            text: window_losses(model, ids, progress=True).tolist() for text, ids in asked.items()
        }
        cell = about | {"losses": losses, "pruning": pruned} | made
        growing.add(folder, fields, result, cell, about)

    for pattern, text in product(medians.PATTERNS, medians.CALIBRATIONS):
        about = {"pattern": pattern, "calibration": text}
        there = growing.cells_in(folder, fields)
        if sum(about.items() <= cell.items() for cell in there) == 2:
            continue
        ids = calibration_windows(CALIBRATIONS[text], tokenizer, WINDOWS, LENGTH, 0)
        ids = ids.to(model.device)
        began = time.perf_counter()
        pruning.prune_model(model, ids, medians.PLAIN, pattern, progress=True)
        keep(about | {"method": medians.PLAIN}, began)
        began = time.perf_counter()
        removed = {
            full: before[full].to(layer.weight) - layer.weight for full, layer in layers.items()
        }
        with means.correct(model, removed, ids, medians.PART, medians.WAY, progress=True):
            keep(about | {"method": medians.CANDIDATE}, began)
        weights.restore(dense)
    return records.path_of(folder, fields)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    given = study_words("medians", __doc__).parse_args(words)
    return status_of("medians", lambda: print(measure(given.model, given.out, given.device)))


if __name__ == "__main__":
    sys.exit(main())
