"""The engine: many cells carried through a model together, one traversal for each group of them."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from stade_nb.engine import plan, records
from stade_nb.engine.cell import Cell, Setting
from stade_nb.engine.prepare import prepare
from stade_nb.engine.streams import Block, Room
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError
from stade_nb.models import architectures, loading


def sweep(
    model: str, cells: Sequence[Cell], setting: Setting, progress: bool = False
) -> list[dict]:
    """The results of `cells` on one model, in order; those already on disk are not computed again.

    Each is a dict of the record's fields (see `prepare.key_fields`) and of: model, loaded (zeros
    and size of the layers that could be pruned, before anything was), perplexity, losses (one per
    evaluation window), zeros, sizes and added_bias (by layer), seconds, versions, and both corpora;
    the same, but faster, as `prune_model` and `perplexity` give for each cell.

    The model lies in host memory and only one of its blocks on the device, so it may be larger
    than that. Cells travel in groups (see `plan.groups`); the records of a group are written
    when it has arrived, and a run that is interrupted loses the group it was at, and no other.

    StadeError, before anything is computed, where one of the cells does not fit the model. A cell
    that fails on its way does not stop the others of its group.

    >>> import stade_nb as snb
    >>> few = snb.Windows("embedded", 4, 64)
    >>> setting = snb.Setting(few, few, results_dir=getfixture("tmp_path"))
    >>> dense, stade = snb.sweep("llama-230k", snb.cells(["dense", "stade"], ["2:4"]), setting)
    >>> dense["perplexity"] < stade["perplexity"]
    True
    """
    place = loading.check_device(setting.device)
    prepared = prepare(model, cells, setting, home="cpu")
    keys, results_dir = prepared.keys, setting.results_dir
    missing = unfinished(keys, keys, results_dir)
    for cell in missing:
        prepared.check(cell)

    on_device, in_all = plan.limits(place, setting.device_memory, setting.memory)
    ids = prepared.calibration_ids, prepared.evaluation_ids
    units = plan.units(prepared.model, missing)
    blocks = len(architectures.blocks(prepared.model))
    with tqdm(total=len(units) * blocks, desc=model, disable=not progress) as bar:

        def step(cell: Cell, block: Block, _: object) -> None:
            bar.set_postfix_str(f"{cell}, block {block.index + 1} of {blocks}", refresh=False)
            bar.update()

        for group in plan.groups(prepared.model, units, *ids, in_all):
            # Another process may have finished some of them meanwhile.
            group = [left for unit in group if (left := unfinished(unit, keys, results_dir))]
            if not group:
                continue
            outcomes = traverse(
                prepared.model,
                [unit[0] for unit in group],
                *ids,
                batch_size=setting.batch_size,
                room=Room(place, on_device),
                observe=step,
            )
            for unit, outcome in zip(group, outcomes, strict=True):
                if not isinstance(outcome, StadeError):
                    write(unit, prepared.facts | outcome, keys, results_dir)
            for outcome in outcomes:
                if isinstance(outcome, StadeError):
                    raise outcome
    # Records of earlier versions do not say how many zeros the model had.
    loaded = {"loaded": prepared.facts["loaded"]}
    return [records.found(results_dir, keys[cell]) | loaded for cell in cells]


def unfinished(
    cells: Sequence[Cell], keys: dict[Cell, dict], results_dir: str | Path
) -> list[Cell]:
    """Those of the cells that have no record."""
    return [cell for cell in cells if records.read(results_dir, keys[cell]) is None]


def write(unit: list[Cell], result: dict, keys: dict[Cell, dict], results_dir: str | Path) -> None:
    """The records of cells with one result, whose time is counted once."""
    for cell in unit:
        if unfinished([cell], keys, results_dir):
            records.write(results_dir, keys[cell], result)
            result = result | {"seconds": dict.fromkeys(result["seconds"], 0.0)}
