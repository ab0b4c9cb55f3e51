"""Cells of the tables, computed one by one by the plain path and kept as records."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stade_nb.engine import prepare, pruning, records
from stade_nb.engine.cell import DENSE, Cell, Corpus
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import architectures

__all__ = ["DENSE", "Cell", "Corpus", "compute", "prune", "run_cells"]


def run_cells(
    model_name: str,
    cells: Sequence[Cell],
    calibration: Corpus,
    evaluation: Corpus,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    results_dir: str | Path,
    batch_size: int = 8,
    cache_dir: str | None = None,
    progress: bool = False,
) -> list[dict]:
    """The results of `cells` on one model, in order; those already on disk are not computed again.

    Each is a dict of the record's fields (see `prepare.key_fields`) and of: model, perplexity,
    losses (one per evaluation window), zeros, sizes and added_bias (by layer), seconds, versions,
    and both corpora. A run that is interrupted loses the cell it was at, and no other.
    StadeError, before anything is computed, where one of the cells does not fit the model.
    """
    inputs = prepare.prepare(
        model_name,
        cells,
        calibration,
        evaluation,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        cache_dir=cache_dir,
    )
    model, keys, calibration_ids = inputs.model, inputs.keys, inputs.calibration_ids
    results = [records.read(results_dir, key) for key in keys]
    missing = [index for index, result in enumerate(results) if result is None]
    for index in missing:
        prepare.check(cells[index], model, calibration_ids)

    dense = snapshot(model)
    for index in (bar := tqdm(missing, desc=model_name, disable=not progress)):
        bar.set_postfix_str(str(cells[index]))
        # The same cell twice in one list, or one that another process has finished meanwhile.
        results[index] = records.read(results_dir, keys[index])
        if results[index] is None:
            ids = calibration_ids, inputs.evaluation_ids
            results[index] = inputs.about | compute(cells[index], model, *ids, batch_size)
            restore(model, dense)
            records.write(results_dir, keys[index], results[index])
    return [records.found(results_dir, key) for key in keys]


def compute(
    cell: Cell,
    model: nn.Module,
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    batch_size: int,
) -> dict:
    """What is measured of one cell, see `prepare.measured`.

    model: dense before, pruned afterwards. calibration_ids: (windows, tokens) by seed, for cells
    that read data. evaluation_ids: (windows, tokens). batch_size: windows at a time.
    """
    start = time.perf_counter()
    reports = prune(cell, model, calibration_ids, batch_size)
    pruned = time.perf_counter()
    losses = window_losses(model, evaluation_ids, batch_size)
    seconds = {"prune": pruned - start, "evaluate": time.perf_counter() - pruned}
    return prepare.measured(losses, reports, seconds)


def prune(
    cell: Cell, model: nn.Module, calibration_ids: dict[int, Tensor], batch_size: int
) -> dict[str, pruning.LayerReport]:
    """`pruning.prune_model` as the cell says; calibration_ids: (windows, tokens) by seed."""
    if cell.method == "dense":
        return {}
    return pruning.prune_model(
        model,
        calibration_ids.get(cell.seed),
        cell.method,
        cell.pattern,
        layers=cell.layers,
        scope=cell.scope,
        seed=cell.seed,
        batch_size=batch_size,
    )


def snapshot(model: nn.Module) -> list[tuple[nn.Linear, Tensor, Tensor | None]]:
    """The weights and biases that pruning may change."""
    layers = [
        layer
        for block in architectures.blocks(model)
        for layer in architectures.linear_layers(block).values()
    ]
    return [
        (layer, layer.weight.clone(), None if layer.bias is None else layer.bias.clone())
        for layer in layers
    ]


@torch.no_grad()
def restore(model: nn.Module, dense: list[tuple[nn.Linear, Tensor, Tensor | None]]) -> None:
    """Put a snapshot's weights and biases back; biases that were added go."""
    for layer, weight, bias in dense:
        layer.weight.copy_(weight)
        if bias is None:
            layer.bias = None
        else:
            layer.bias.copy_(bias)
