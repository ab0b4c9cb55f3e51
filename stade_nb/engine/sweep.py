"""The engine: many cells carried through a model together, one traversal for each group of them."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from stade_nb.engine import effort, plan, records, unfinished
from stade_nb.engine.cell import Cell, Setting, several
from stade_nb.engine.keeping import Keeping
from stade_nb.engine.prepare import Prepared, prepare
from stade_nb.engine.streams import Block, Carried, Room
from stade_nb.engine.traversal import outcome, traverse
from stade_nb.errors import StadeError
from stade_nb.files import megabytes
from stade_nb.models import loading

BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def sweep(
    model: str | Path, cells: Sequence[Cell], setting: Setting, progress: bool = False
) -> list[dict]:
    """The results of `cells` on one model, in order; those already on disk are not computed again.

    Each is a dict of the record's fields (see `prepare.key_fields`) and of: model, loaded (zeros
    and size of the layers that could be pruned, before anything was), perplexity, losses (one per
    evaluation window), zeros, sizes and added_bias (by layer), seconds, versions, and both corpora;
    the same, but faster, as `prune_model` and `perplexity` give for each cell.

    The model lies in host memory and only one of its blocks on the device, so it may be larger
    than that. Cells travel in groups (see `plan.group`); a cell's record is written when it has
    arrived. Of those on their way what they need to go on is kept at least every
    `setting.keep_every` seconds (see `keeping`), so that a run that is interrupted loses no more.

    model: its name, see `load`. StadeError, before anything is computed, where one of the cells
    does not fit the model, where its record could not be written, and where the setting has no
    windows to evaluate, or no results_dir. A cell that fails on its way does not stop the others of
    its group.

    >>> import stade_nb as snb
    >>> few = snb.Windows("embedded", 4, 64)
    >>> setting = snb.Setting(few, few, results_dir=folder)  # of yours
    >>> dense, stade = snb.sweep("llama-230k", snb.cells(["dense", "stade"], ["2:4"]), setting)
    >>> dense["perplexity"] < stade["perplexity"]
    True
    """
    cells = several(cells)
    if setting.evaluation is None or setting.results_dir is None:
        raise StadeError(
            f"a sweep with evaluation {setting.evaluation} and results_dir {setting.results_dir}: "
            "expected windows to evaluate, and a folder for the records"
        )
    loading.check_device(setting.device)
    prepared = prepare(model, cells, setting, home="cpu")
    keys, results_dir = prepared.keys, setting.results_dir
    missing = without_record(keys, keys, results_dir)
    for cell in missing:
        prepared.check(cell)
    prepared.try_places(results_dir, [keys[cell] for cell in missing])
    if missing:
        compute(prepared, missing, setting, progress)
    # Records of earlier versions do not say how many zeros the model had.
    loaded = {"loaded": prepared.facts["loaded"]}
    return [records.found(results_dir, keys[cell]) | loaded for cell in cells]


def compute(
    prepared: Prepared, missing: Sequence[Cell], setting: Setting, progress: bool = False
) -> None:
    """Compute the `missing` cells and write their records; those that were on their way go on."""
    model, keys, results_dir = prepared.model, prepared.keys, setting.results_dir
    ids = prepared.calibration_ids, prepared.evaluation_ids
    place = loading.check_device(setting.device)
    on_device, in_all = plan.limits(place, setting.device_memory, setting.memory)
    files = {c: unfinished.path_of(results_dir, keys[c], setting.batch_size) for c in missing}
    unfinished.clear(results_dir, keys.values(), files.values())
    parts = {cell: effort.of_cell(model, cell, *ids) for cell in missing}
    rate = effort.rate(model, ids[1], place)
    # The seconds that are left of each cell, by the rate of one block and then of what is done.
    left = {c: sum(parts[c][unfinished.passed(files[c]) :]) / rate for c in missing}
    units, slower, elapsed, done = plan.units(model, missing), 1.0, 0.0, 0.0
    bar = tqdm(
        total=sum(left[unit[0]] for unit in units),
        desc=prepared.facts["model"],
        disable=not progress,
        bar_format=BAR,
        smoothing=0,
    )
    with bar:
        if progress:
            size = megabytes(max(sum(held(prepared, unit[0])) for unit in units))
            cells = f"{len(missing)} cell{'s' * (len(missing) != 1)}"
            bar.write(
                f"{prepared.facts['model']}: {cells} to compute, about "
                f"{effort.duration(bar.total)}; of a cell on its way up to {size} are kept in "
                f"{str(Path(results_dir) / unfinished.FOLDER)!r}",
                file=sys.stderr,
            )

        def step(cell: Cell, block: Block) -> None:
            nonlocal done
            seconds = parts[cell][block.index] / rate
            done += seconds
            bar.set_postfix_str(f"{cell}, block {block.index + 1} of {len(parts[cell])}", False)
            # Sums in another order differ in their last digit; a bar beyond its end warns.
            bar.total = max(bar.total, bar.n + seconds)
            bar.update(seconds)

        while units:
            seconds = {unit[0]: slower * left[unit[0]] for unit in units}
            planned = plan.group(model, units, *ids, in_all, seconds, setting.keep_every)
            units = units[len(planned) :]
            # Another process may have finished some of them meanwhile.
            group = [rest for unit in planned if (rest := without_record(unit, keys, results_dir))]
            gone = sum(left[unit[0]] for unit in planned) - sum(left[u[0]] for u in group)
            bar.total = max(bar.total - gone, bar.n)
            if not group:
                continue
            first = {unit[0]: unit for unit in group}

            def arrive(one: Carried, first: dict[Cell, list[Cell]] = first) -> None:
                if one.error is None:
                    unit, result = first[one.cell], prepared.facts | outcome(one)
                    for cell in without_record(unit, keys, results_dir):
                        records.write(results_dir, keys[cell], result)
                        # The time of cells with one result is counted once.
                        result = result | {"seconds": dict.fromkeys(result["seconds"], 0.0)}
                    unfinished.clear(results_dir, [keys[cell] for cell in unit], ())

            start = time.perf_counter()
            outcomes = traverse(
                model,
                list(first),
                *ids,
                batch_size=setting.batch_size,
                room=Room(place, on_device),
                watch=Keeping(
                    {cell: files[cell] for cell in first},
                    setting.keep_every,
                    sum(sum(held(prepared, cell)) for cell in first),
                    arrive,
                    step,
                ),
            )
            for failed in outcomes:
                if isinstance(failed, StadeError):
                    raise failed
            elapsed += time.perf_counter() - start
            slower = elapsed / done


def held(prepared: Prepared, cell: Cell) -> list[int]:
    """Bytes of the hidden states that a cell has between two blocks: what it needs to go on."""
    read = [prepared.evaluation_ids]
    if cell.needs_calibration:
        read.append(prepared.calibration_ids[cell.seed])
    return [plan.hidden_bytes(prepared.model, ids) for ids in read]


def without_record(
    cells: Sequence[Cell], keys: dict[Cell, dict], results_dir: str | Path
) -> list[Cell]:
    """Those of the cells that have no record."""
    return [cell for cell in cells if records.read(results_dir, keys[cell]) is None]
