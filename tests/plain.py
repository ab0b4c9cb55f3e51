"""Cells one by one, by `prune_model` and `window_losses` alone, kept as the engine's records."""

import time
from collections.abc import Sequence

from torch import Tensor, nn
from tqdm import tqdm

from stade_nb.engine import prepare, records
from stade_nb.engine.cell import Cell, Setting
from stade_nb.engine.pruning import prune_model
from stade_nb.engine.weights import restore, snapshot
from stade_nb.evaluation.perplexity import window_losses


def run_cells(
    model: str, cells: Sequence[Cell], setting: Setting, progress: bool = False
) -> list[dict]:
    """What `sweep` returns, and the same records; a run that is interrupted loses one cell."""
    prepared = prepare.prepare(model, cells, setting)
    keys, folder = prepared.keys, setting.results_dir
    missing = [cell for cell, key in keys.items() if records.read(folder, key) is None]
    for cell in missing:
        prepared.check(cell)
    dense = snapshot(prepared.model)
    for cell in tqdm(missing, desc=model, disable=not progress):
        # Cells with the same record, or one that another process has finished meanwhile.
        if records.read(folder, keys[cell]) is None:
            ids = prepared.calibration_ids.get(cell.seed), prepared.evaluation_ids
            result = prepared.facts | compute(cell, prepared.model, *ids, setting.batch_size)
            restore(dense)
            records.write(folder, keys[cell], result)
    return [records.found(folder, keys[cell]) for cell in cells]


def compute(
    cell: Cell,
    model: nn.Module,
    calibration_ids: Tensor | None,
    evaluation_ids: Tensor,
    batch_size: int,
) -> dict:
    """What is measured of one cell, see `prepare.measured`; model: dense before, pruned after."""
    start = time.perf_counter()
    report = prune_model(model, calibration_ids, cell, batch_size=batch_size)
    pruned = time.perf_counter()
    losses = window_losses(model, evaluation_ids, batch_size)
    seconds = {"prune": pruned - start, "evaluate": time.perf_counter() - pruned}
    return prepare.measured(losses, report, seconds)
