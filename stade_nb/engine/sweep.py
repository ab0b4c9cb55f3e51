"""The engine: many cells carried through a model together, one traversal for each group of them."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from stade_nb.engine import prepare, records, sweep_plan
from stade_nb.engine.cell import Cell, Corpus
from stade_nb.engine.sweep_state import Room
from stade_nb.engine.sweep_traversal import traverse
from stade_nb.errors import StadeError
from stade_nb.models import architectures, loading


def run_sweep(
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
    memory: int | None = None,
    device_memory: int | None = None,
) -> list[dict]:
    """What `cells.run_cells` returns, and the same records, in less time.

    The model lies in host memory and only one of its blocks on the `device`, so it may be larger
    than that. Cells travel in groups (see `sweep_plan.groups`); the records of a group are written
    when it has arrived, and a run that is interrupted loses the group it was at, and no other.

    memory: bytes that the hidden states of a group may take, on device and host together; a single
    cell takes what it needs. device_memory: bytes of them that stay on the device, the others are
    spilled to the host. None: by what is free.
    StadeError, before anything is computed, where one of the cells does not fit the model. A cell
    that fails on its way does not stop the others of its group.
    """
    sweep_plan.check_bytes(memory=memory, device_memory=device_memory)
    place = loading.check_device(device)
    inputs = prepare.prepare(
        model_name,
        cells,
        calibration,
        evaluation,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        cache_dir=cache_dir,
        home="cpu",
    )
    keys = dict(zip(cells, inputs.keys, strict=True))
    missing = [cell for cell, key in keys.items() if records.read(results_dir, key) is None]
    for cell in missing:
        prepare.check(cell, inputs.model, inputs.calibration_ids)

    on_device, in_all = sweep_plan.limits(place, device_memory, memory)
    ids = inputs.calibration_ids, inputs.evaluation_ids
    units = sweep_plan.units(inputs.model, missing)
    blocks = len(architectures.blocks(inputs.model))
    with tqdm(total=len(units) * blocks, desc=model_name, disable=not progress) as bar:

        def step(cell: Cell, block: int) -> None:
            bar.set_postfix_str(f"{cell}, block {block + 1} of {blocks}", refresh=False)
            bar.update()

        for group in sweep_plan.groups(inputs.model, units, *ids, in_all):
            # Another process may have finished some of them meanwhile.
            group = [left for unit in group if (left := unfinished(unit, keys, results_dir))]
            if not group:
                continue
            outcomes = traverse(
                inputs.model,
                [unit[0] for unit in group],
                *ids,
                batch_size=batch_size,
                room=Room(place, on_device),
                step=step,
            )
            for unit, outcome in zip(group, outcomes, strict=True):
                if not isinstance(outcome, StadeError):
                    write(unit, inputs.about | outcome, keys, results_dir)
            for outcome in outcomes:
                if isinstance(outcome, StadeError):
                    raise outcome
    return [records.found(results_dir, key) for key in inputs.keys]


def unfinished(cells: list[Cell], keys: dict[Cell, dict], results_dir: str | Path) -> list[Cell]:
    """Those of the cells that have no record."""
    return [cell for cell in cells if records.read(results_dir, keys[cell]) is None]


def write(unit: list[Cell], result: dict, keys: dict[Cell, dict], results_dir: str | Path) -> None:
    """The records of cells with one result, whose time is counted once."""
    for cell in unit:
        if unfinished([cell], keys, results_dir):
            records.write(results_dir, keys[cell], result)
            result = result | {"seconds": dict.fromkeys(result["seconds"], 0.0)}
