"""A study's record that grows with each pruned model, so that an interrupted run goes on."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from stade_book.studies import measured
from stade_nb.engine import records, weights
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from workflow import status_of, study_words

WINDOWS, EVALUATED, LENGTH = 32, 64, 512


@dataclass(frozen=True)
class Growing:
    """A model, its windows of calibration and of evaluation, and the record, see `begun`."""

    model: nn.Module
    ids: Tensor
    asked: Tensor
    folder: Path
    fields: dict
    result: dict

    def grow(self, wanted: Iterable[dict], prune: Callable[[dict], None]) -> Path:
        """Add to the record's "cells" what of `wanted` it does not have yet; its path.

        wanted: of each cell what it is known by. prune: prunes the model so, in place; afterwards
        it is evaluated, and is as it was again.
        """
        dense, cells = weights.snapshot(self.model), self.result["cells"]
        for about in wanted:
            if any(about.items() <= cell.items() for cell in cells):
                continue
            start = time.perf_counter()
            prune(about)
            losses = window_losses(self.model, self.asked, progress=True)
            seconds = time.perf_counter() - start
            found = {"losses": losses.tolist(), "seconds": seconds}
            cells.append(about | found | measured.made(self.model.device))
            records.write(self.folder, self.fields, self.result, indent=None)
            weights.restore(dense)
        return records.path_of(self.folder, self.fields)


def begun(study: str, name: str, texts: tuple[str, str], folder: Path, device: str) -> Growing:
    """A study of a model where its record in `folder` has it, or at its beginning.

    texts: for calibration and evaluation. StadeError where the texts or the model are missing.
    """
    model, tokenizer = loading.load(name, device)
    ids = calibration_windows(texts[0], tokenizer, WINDOWS, LENGTH, 0).to(model.device)
    asked = evaluation_windows(texts[1], tokenizer, EVALUATED, LENGTH).to(model.device)
    fields = measured.fields(study, model, calibration=ids, evaluation=asked)
    about = {"model": name, "texts": list(texts), "windows": [WINDOWS, EVALUATED, LENGTH]}
    made = measured.made(model.device)
    known = made | {"cells": []} | (records.read(folder, fields) or {})
    # A record from before its cells said when they were computed: on the day that it says.
    before = {name: known[name] for name in made}
    known["cells"] = [before | cell for cell in known["cells"]]
    return Growing(model, ids, asked, folder, fields, known | about | made)


def run(name: str, about: str | None, measure: Callable[..., Path], words: list[str] | None) -> int:
    """The command line of a study that `measure` measures; returns the exit status."""
    parser = study_words(name, about)
    parser.add_argument("--calibration", default="c4_documents.txt")
    parser.add_argument("--evaluation", default="wiki.test.raw")
    given = parser.parse_args(words)

    def measured() -> None:
        texts = given.calibration, given.evaluation
        print(measure(given.model, texts, given.out, given.device))

    return status_of(name, measured)
