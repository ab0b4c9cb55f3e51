"""A study's record that grows with each pruned model, so that an interrupted run goes on."""

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor, nn

from stade_nb.engine import pruning, records
from stade_nb.evaluation.perplexity import window_losses
from workflow import Words, status_of


def grow(
    model: nn.Module,
    asked: Tensor,
    wanted: Iterable[dict],
    prune: Callable[[dict], None],
    folder: Path,
    fields: dict,
    result: dict,
) -> Path:
    """Add to the result's "cells" what of `wanted` it does not have yet; the record's path.

    wanted: of each cell what it is known by. prune: prunes `model` so, in place; afterwards it is
    evaluated on the windows `asked`, and is as it was again.
    """
    dense = pruning.snapshot(model)
    for about in wanted:
        if any(about.items() <= cell.items() for cell in result["cells"]):
            continue
        start = time.perf_counter()
        prune(about)
        losses = window_losses(model, asked, progress=True)
        seconds = time.perf_counter() - start
        result["cells"].append(about | {"losses": losses.tolist(), "seconds": seconds})
        records.write(folder, fields, result, indent=None)
        pruning.restore(dense)
    return records.path_of(folder, fields)


def run(name: str, about: str | None, measure: Callable[..., Path], words: list[str] | None) -> int:
    """The command line of a study that `measure` measures; returns the exit status."""
    parser = Words(
        prog=f"python -m workflow.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--calibration", default="c4_documents.txt")
    parser.add_argument("--evaluation", default="wiki.test.raw")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    given = parser.parse_args(words)

    def measured() -> None:
        texts = given.calibration, given.evaluation
        print(measure(given.model, texts, given.out, given.device))

    return status_of(name, measured)
