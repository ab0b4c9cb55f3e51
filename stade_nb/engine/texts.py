"""Cells pruned once and evaluated on several texts: a pruned model is the same on each of them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from stade_nb.engine import records
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.prepare import prepare
from stade_nb.engine.streams import Room
from stade_nb.engine.sweep import without_record
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import perplexity_of
from stade_nb.models import loading


def sweep_texts(
    model: str, cells: Sequence[Cell], setting: Setting, evaluations: Sequence[Windows]
) -> list[list[dict]]:
    """The records of `cells` on each text, (texts, cells), as `sweep` with that text gives them.

    evaluations: windows of one length, in place of those of `setting`. All are carried through the
    pruned model together, so that a cell is pruned once and not once for each text. Batches are cut
    from all windows in a row: where the number of a text's windows is no multiple of the batch
    size, losses may differ from those of `sweep` in the last bits. Records are kept cell by cell,
    and what is on disk is not computed again. StadeError, before anything is computed, where a
    cell does not fit the model or the lengths differ.

    >>> import stade_nb as snb
    >>> few = snb.Windows("embedded", 8, 64)
    >>> setting = snb.Setting(few, None, results_dir=folder)  # of yours
    >>> texts = [few, snb.Windows("embedded", 16, 64)]
    >>> rows = sweep_texts("llama-230k", snb.cells(["wanda"], ["2:4"]), setting, texts)
    >>> [len(row["losses"]) for (row,) in rows]
    [8, 16]
    """
    place, folder = loading.check_device(setting.device), setting.results_dir
    if folder is None or not evaluations:
        raise StadeError(
            f"a sweep of {len(evaluations)} texts with results_dir {folder!r}: expected one text "
            "or more, and a folder for the records"
        )
    one, *more = evaluations
    first = prepare(model, cells, replace(setting, evaluation=one), home="cpu")
    prepared = [first, *(first.on(text, setting) for text in more)]
    texts = [each.evaluation_ids for each in prepared]
    if len(lengths := {ids.shape[1] for ids in texts}) > 1:
        raise StadeError(
            f"windows of {sorted(lengths)} tokens: expected one length for all texts of a run"
        )
    missing = [
        cell for cell in cells if any(without_record([cell], p.keys, folder) for p in prepared)
    ]
    for cell in missing:
        first.check(cell)
    for each in prepared:
        each.try_places(folder, [each.keys[cell] for cell in missing])
    for cell in missing:
        (outcome,) = traverse(
            first.model,
            [cell],
            first.calibration_ids,
            torch.cat(texts),
            batch_size=setting.batch_size,
            room=Room(place),
        )
        if isinstance(outcome, StadeError):
            raise outcome
        for each, part in zip(prepared, _parts(outcome, texts), strict=True):
            if without_record([cell], each.keys, folder):
                records.write(folder, each.keys[cell], each.facts | part)
    return [[records.found(folder, each.keys[cell]) for cell in cells] for each in prepared]


def _parts(outcome: dict, texts: Sequence[Tensor]) -> list[dict]:
    """What a traversal of all texts says of each: the time of pruning is the first one's."""
    parts, start, total = [], 0, sum(map(len, texts))
    for ids in texts:
        losses = outcome["losses"][start : start + len(ids)]
        seconds = {
            "prune": 0.0 if start else outcome["seconds"]["prune"],
            "evaluate": outcome["seconds"]["evaluate"] * len(ids) / total,
        }
        perplexity = perplexity_of(torch.tensor(losses, dtype=torch.float64))
        parts.append(outcome | {"perplexity": perplexity, "losses": losses, "seconds": seconds})
        start += len(ids)
    return parts
