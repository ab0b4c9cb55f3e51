"""Cells of the zero-shot table: models pruned and questioned in memory, a record for each task."""

import time
from collections.abc import Sequence
from itertools import product

from tqdm import tqdm

from stade_nb.engine import kept, records, unfinished
from stade_nb.engine.cell import Cell, Setting
from stade_nb.engine.prepare import measured, prepare
from stade_nb.engine.pruning import prune_model
from stade_nb.engine.report import Report
from stade_nb.engine.weights import drop_biases, restore, snapshot
from stade_nb.evaluation.harness import HARNESS, Harness
from stade_nb.evaluation.kept_answers import KeptAnswers
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.evaluation.tasks import Questions
from stade_nb.models import loading
from stade_nb.numerics.bias import DROPPED, KEPT


def run(
    model: str,
    cells: Sequence[tuple[Cell, str]],
    setting: Setting,
    tasks: Sequence[Questions],
    progress: bool = False,
) -> list[dict]:
    """Perplexity and zero-shot accuracies of cells of one model, in order.

    cells: each with the fate of its corrected biases, "kept" or "dropped".
    Each result is a dict of what `sweep.sweep` returns (whose records are used, and written),
    biases, and tasks: by name the fields of the task's record and what `Harness.evaluate` returns.
    What is on disk is not computed again, and cells that leave the same model are asked once (and
    the time counted once). What a run that is interrupted goes on from is kept: answers as they
    come, pruned blocks and windows' losses at least every `setting.keep_every` seconds.
    """
    asked = list(dict.fromkeys(cell for cell, _ in cells))
    prepared = prepare(model, asked, setting)
    for cell in asked:
        prepared.check(cell)
    loaded, results_dir = prepared.model, setting.results_dir
    harness = Harness(loaded, prepared.tokenizer, setting.requests_at_once)

    def fields(cell: Cell, biases: str, task: Questions | None) -> dict:
        return key_fields(prepared.keys[cell], biases, harness, task)

    def without_record(cell: Cell) -> list[tuple[str, Questions | None]]:
        asked_for = product((b for b in (KEPT, DROPPED) if (cell, b) in cells), items)
        return [one for one in asked_for if records.read(results_dir, fields(cell, *one)) is None]

    items = [None, *tasks]
    keys = [fields(cell, *one) for cell in asked for one in without_record(cell)]
    prepared.try_places(results_dir, keys)
    dense = snapshot(loaded)
    # Eq. 9 is Wanda's criterion: methods may leave the same model, which need not answer twice.
    answered: dict[tuple[str, str], dict] = {}
    with tqdm(total=len(cells) * len(items), desc=model, disable=not progress) as bar:
        for cell in asked:
            missing = without_record(cell)
            variants = sum((cell, biases) in cells for biases in (KEPT, DROPPED))
            bar.update(variants * len(items) - len(missing))
            start, report = time.perf_counter(), Report()
            halves = kept.folder_of(prepared.keys[cell] | {"run": "zero-shot"}, setting.batch_size)
            if missing:
                ids = prepared.calibration_ids.get(cell.seed)
                blocks = kept.KeptBlocks(halves, loaded, ids, setting.keep_every)
                report = prune_model(loaded, ids, cell, batch_size=setting.batch_size, keep=blocks)
            seconds = {"prune": time.perf_counter() - start}
            state = None
            for biases, task in missing:
                bar.set_postfix_str(f"{cell}, {task.name if task else 'perplexity'}")
                if state is None or state[0] != biases:
                    if biases == DROPPED:
                        drop_biases(dense)
                    state = biases, loading.fingerprint(loaded)
                if task is None:
                    start, ids = time.perf_counter(), prepared.evaluation_ids
                    keep = kept.KeptLosses(halves / biases, len(ids), setting.keep_every)
                    losses = window_losses(loaded, ids, setting.batch_size, keep=keep)
                    took = seconds | {"evaluate": time.perf_counter() - start}
                    result = measured(losses, report, took)
                elif (same := (state[1], task.digest)) in answered:
                    result = answered[same] | {"seconds": 0.0}
                else:
                    half = unfinished.path_of(results_dir, fields(cell, biases, task), 0)
                    keep = KeptAnswers(half.with_suffix(".jsonl"))
                    result = answered[same] = harness.evaluate(task, progress, keep)
                records.write(results_dir, fields(cell, biases, task), prepared.facts | result)
                unfinished.clear(results_dir, [fields(cell, biases, task)], ())
                bar.update()
            kept.clear(halves)
            restore(dense)

    def found(cell: Cell, biases: str, task: Questions | None) -> dict:
        return records.found(results_dir, fields(cell, biases, task))

    return [
        found(cell, biases, None)
        | {"biases": biases, "tasks": {t.name: found(cell, biases, t) for t in tasks}}
        for cell, biases in cells
    ]


def key_fields(cell_fields: dict, biases: str, harness: Harness, task: Questions | None) -> dict:
    """Everything that determines a task's result, and nothing else; task None is the perplexity.

    cell_fields: from `prepare.key_fields`. A perplexity with biases kept has no other fields,
    so that all tables share it.
    """
    if task is None:
        return cell_fields if biases == KEPT else cell_fields | {"biases": biases}
    shared = {name: value for name, value in cell_fields.items() if name != "evaluation"}
    if cell_fields["dtype"] != "float32":  # lm-eval's own is the model's
        shared["softmax"] = "float32"
    return shared | {
        "biases": biases,
        "task": task.name,
        "questions": task.digest,
        "metric": "acc",
        "harness": HARNESS,
        "bos": harness.bos,
        "positions": harness.positions,
    }
