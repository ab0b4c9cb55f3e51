"""A study's record that grows with each pruned model, so that an interrupted run goes on."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from stade_book.studies import measured
from stade_book.studies.measured import EVALUATED, LENGTH, TEXTS, WINDOWS
from stade_nb.engine import records, weights
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.files import held, try_folder
from stade_nb.models import loading
from stade_nb.models.windows import calibration_windows, evaluation_windows
from workflow import status_of, study_words


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
        dense = weights.snapshot(self.model)
        for about in wanted:
            # Another process may have added some meanwhile.
            if any(about.items() <= cell.items() for cell in cells_in(self.folder, self.fields)):
                continue
            start = time.perf_counter()
            prune(about)
            losses = window_losses(self.model, self.asked, progress=True)
            seconds = time.perf_counter() - start
            found = {"losses": losses.tolist(), "seconds": seconds}
            cell = about | found | measured.made(self.model.device)
            add(self.folder, self.fields, self.result, cell, about)
            weights.restore(dense)
        return records.path_of(self.folder, self.fields)


def cells_in(folder: Path, fields: dict) -> list[dict]:
    """The cells of the record that has these fields, each with when and by what it was computed.

    A record from before its cells said so has that itself, for all of them.
    """
    known = records.read(folder, fields) or {"cells": []}
    before = {name: known[name] for name in measured.MADE if name in known}
    return [before | cell for cell in known["cells"]]


def add(folder: Path, fields: dict, result: dict, cell: dict, about: dict) -> None:
    """Write the record with one more cell, known by `about`, in place of an older one of that name.

    What another process has added meanwhile stays. result: the record's without its cells, which
    are put into it.
    """
    with held(try_folder(folder)):
        others = [one for one in cells_in(folder, fields) if not about.items() <= one.items()]
        result["cells"] = [*others, cell]
        records.write(folder, fields, result, indent=None)


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
    try_folder(folder)
    result = (records.read(folder, fields) or {}) | about | made
    return Growing(model, ids, asked, folder, fields, result)


def run(name: str, about: str | None, measure: Callable[..., Path], words: list[str] | None) -> int:
    """The command line of a study that `measure` measures; returns the exit status."""
    parser = study_words(name, about)
    parser.add_argument("--calibration", default=TEXTS[0])
    parser.add_argument("--evaluation", default=TEXTS[1])
    given = parser.parse_args(words)

    def measured() -> None:
        texts = given.calibration, given.evaluation
        print(measure(given.model, texts, given.out, given.device))

    return status_of(name, measured)
