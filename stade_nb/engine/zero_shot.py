"""Cells of the zero-shot table: models pruned and questioned in memory, a record for each task."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stade_nb.engine import plain, prepare, records
from stade_nb.engine.cell import Cell, Corpus
from stade_nb.evaluation.harness import HARNESS, Harness
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.evaluation.tasks import Questions
from stade_nb.models import loading
from stade_nb.numerics.bias import DROPPED, KEPT


def run(
    model_name: str,
    wanted: Sequence[tuple[Cell, str]],
    calibration: Corpus,
    evaluation: Corpus,
    tasks: Sequence[Questions],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    results_dir: str | Path,
    batch_size: int | str = "auto",
    windows_at_once: int = 8,
    cache_dir: str | None = None,
    progress: bool = False,
) -> list[dict]:
    """Perplexity and zero-shot accuracies of cells of one model, in order.

    wanted: cells, each with the fate of its corrected biases, "kept" or "dropped". batch_size: of
    requests, see `zero_shot.Harness`; windows_at_once: of calibration and perplexity.
    Each result is a dict of what `plain.run_cells` returns (whose records are used, and written),
    biases, and tasks: by name the fields of the task's record and what `Harness.evaluate` returns.
    What is on disk is not computed again, and cells that leave the same model are asked once (and
    the time counted once); a run that is interrupted loses the task it was at.
    """
    asked = list(dict.fromkeys(cell for cell, _ in wanted))
    inputs = prepare.prepare(
        model_name,
        asked,
        calibration,
        evaluation,
        device=device,
        dtype=dtype,
        batch_size=windows_at_once,
        cache_dir=cache_dir,
    )
    for cell in asked:
        prepare.check(cell, inputs.model, inputs.calibration_ids)
    model, harness = inputs.model, Harness(inputs.model, inputs.tokenizer, batch_size)
    keys = dict(zip(asked, inputs.keys, strict=True))

    def fields(cell: Cell, biases: str, task: Questions | None) -> dict:
        return key_fields(keys[cell], biases, harness, task)

    dense, items = plain.snapshot(model), [None, *tasks]
    # Eq. 9 is Wanda's criterion: methods may leave the same model, which need not answer twice.
    answered: dict[tuple[str, str], dict] = {}
    with tqdm(total=len(wanted) * len(items), desc=model_name, disable=not progress) as bar:
        for cell in asked:
            variants = [b for b in (KEPT, DROPPED) if (cell, b) in wanted]
            missing = [
                (biases, task)
                for biases in variants
                for task in items
                if records.read(results_dir, fields(cell, biases, task)) is None
            ]
            bar.update(len(variants) * len(items) - len(missing))
            start = time.perf_counter()
            reports = {}
            if missing:
                reports = plain.prune(cell, model, inputs.calibration_ids, windows_at_once)
            seconds = {"prune": time.perf_counter() - start}
            state = None
            for biases, task in missing:
                bar.set_postfix_str(f"{cell}, {task.name if task else 'perplexity'}")
                if state is None or state[0] != biases:
                    if biases == DROPPED:
                        drop_biases(dense)
                    state = biases, loading.fingerprint(model)
                if task is None:
                    start = time.perf_counter()
                    losses = window_losses(model, inputs.evaluation_ids, windows_at_once)
                    took = seconds | {"evaluate": time.perf_counter() - start}
                    result = prepare.measured(losses, reports, took)
                elif (same := (state[1], task.digest)) in answered:
                    result = answered[same] | {"seconds": 0.0}
                else:
                    result = answered[same] = harness.evaluate(task, progress)
                records.write(results_dir, fields(cell, biases, task), inputs.about | result)
                bar.update()
            plain.restore(model, dense)

    def found(cell: Cell, biases: str, task: Questions | None) -> dict:
        return records.found(results_dir, fields(cell, biases, task))

    return [
        found(cell, biases, None)
        | {"biases": biases, "tasks": {t.name: found(cell, biases, t) for t in tasks}}
        for cell, biases in wanted
    ]


def key_fields(cell_fields: dict, biases: str, harness: Harness, task: Questions | None) -> dict:
    """Everything that determines a task's result, and nothing else; task None is the perplexity.

    cell_fields: from `prepare.key_fields`. A perplexity with biases kept has no other fields,
    so that all tables share it.
    """
    if task is None:
        return cell_fields if biases == KEPT else cell_fields | {"biases": biases}
    shared = {name: value for name, value in cell_fields.items() if name != "evaluation"}
    return shared | {
        "biases": biases,
        "task": task.name,
        "questions": task.digest,
        "metric": "acc",
        "harness": HARNESS,
        "bos": harness.bos,
        "positions": harness.positions,
    }


@torch.no_grad()
def drop_biases(dense: list[tuple[nn.Linear, Tensor, Tensor | None]]) -> None:
    """Undo Eq. 7 on a pruned model: biases that were added go, others get their old values back.

    dense: from `plain.snapshot`, before pruning. For an architecture without biases, such as Llama,
    this is what saving the pruned model and loading it with its old configuration does.
    """
    for layer, _, bias in dense:
        if bias is None:
            layer.bias = None
        else:
            layer.bias.copy_(bias)
