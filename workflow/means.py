"""Correct v and down by other means than the mean, the mask being the same: `workflow.means`.

To be run in the folder that has the texts. One record per model, which grows with each cell, so
that a run that is interrupted goes on with the next one:

    python -m workflow.means --model smollm2-135m --out data/studies
"""

import sys
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor

from stade_book.studies import means
from stade_nb.engine import pruning
from stade_nb.models import architectures
from workflow import growing


def measure(name: str, texts: tuple[str, str], folder: Path, device: str = "cpu") -> Path:
    """Every cell that the record does not have yet, kept as it comes; returns the record's path.

    StadeError where the texts or the model are missing.
    """
    study = growing.begun(means.STUDY, name, texts, folder, device)
    layers = {full: layer for full, _, layer in architectures.named_layers(study.model)}
    dense = {full: layer.weight.clone() for full, layer in layers.items()}
    masked: dict[str, dict[str, Tensor]] = {}  # of one pattern at a time

    def prune(about: dict) -> None:
        undo.close()
        pattern = about["pattern"]
        if pattern not in masked:
            masked.clear()
            pruning.prune_model(study.model, study.ids, means.METHOD, pattern, progress=True)
            masked[pattern] = {full: layer.weight.clone() for full, layer in layers.items()}
        for full, layer in layers.items():
            layer.weight.data.copy_(masked[pattern][full])
        if about["part"]:
            removed = {full: dense[full] - layer.weight for full, layer in layers.items()}
            way = about["part"], about["way"]
            undo.enter_context(means.correct(study.model, removed, study.ids, *way, progress=True))

    wanted = (
        {"part": part, "way": way, "pattern": pattern}
        for pattern in means.PATTERNS
        for part, ways in {"": (means.NONE,), **means.WAYS}.items()
        for way in ways
    )
    with ExitStack() as undo:
        return study.grow(wanted, prune)


def main(words: list[str] | None = None) -> int:
    """Measure one model; returns the exit status."""
    return growing.run("means", __doc__, measure, words)


if __name__ == "__main__":
    sys.exit(main())
