"""Cells of the tables, computed one by one by the plain path and kept as records."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn
from tqdm import tqdm

from stade_nb import architectures, corpora, methods, models, pruning, records
from stade_nb.errors import StadeError
from stade_nb.masks import parse_pattern
from stade_nb.perplexity import perplexity, window_losses


@dataclass(frozen=True)
class Cell:
    """One cell: a model pruned one way. method "dense" with pattern "0" is the unpruned model.

    layers: "all", a layer type or several. seed: of the calibration windows, and of "random".
    Written in one way, so that equal cells are equal: aliases and patterns such as "50%" change
    to the method's name and "0.5".
    """

    method: str
    pattern: str
    layers: str | tuple[str, ...] = "all"
    scope: str = "row"
    seed: int = 0

    def __post_init__(self) -> None:
        pattern = parse_pattern(self.pattern)
        if self.method == "dense":
            if pattern.sparsity or pattern.m is not None:
                raise StadeError(f"a dense cell with pattern {self.pattern!r}: expected '0'")
            object.__setattr__(self, "pattern", "0")
        else:
            object.__setattr__(self, "method", methods.method(self.method).name)
            object.__setattr__(self, "pattern", str(pattern))
        if not isinstance(self.layers, str):
            object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def needs_calibration(self) -> bool:
        """Whether the cell looks at data before it is evaluated."""
        return self.method != "dense" and bool(methods.METHODS[self.method].needs)

    def __str__(self) -> str:
        where = "" if self.layers == "all" else f" on {self.layers}"
        return f"{self.method} {self.pattern}{where}"


DENSE = Cell("dense", "0")


@dataclass(frozen=True)
class Corpus:
    """Token windows to ask for: see corpora. windows: None takes all (evaluation only).

    length: None is the model's own, see architectures.window_length.
    """

    source: str
    windows: int | None
    length: int | None = None


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

    Each is a dict of the record's fields (see `key_fields`) and of: model, perplexity, losses (one
    per evaluation window), zeros, sizes and added_bias (by layer), seconds, versions, and both
    corpora. A run that is interrupted loses the cell it was at, and no other.
    StadeError, before anything is computed, where one of the cells does not fit the model.
    """
    model, tokenizer = models.load(model_name, device, dtype, cache_dir)
    length = architectures.window_length(model, evaluation.length)
    evaluation_ids = corpora.evaluation_windows(
        evaluation.source, tokenizer, evaluation.windows, length, cache_dir
    )
    architectures.check_windows(model, evaluation_ids)
    length = architectures.window_length(model, calibration.length)
    calibration_ids = {
        seed: corpora.calibration_windows(
            calibration.source, tokenizer, calibration.windows, length, seed, cache_dir
        )
        for seed in dict.fromkeys(cell.seed for cell in cells if cell.needs_calibration)
    }
    constants = {
        "fingerprint": models.fingerprint(model),
        "evaluation": records.digest_of_ids(evaluation_ids),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
    }
    keys = [key_fields(cell, model, calibration_ids, constants) for cell in cells]
    results = [records.read(results_dir, key) for key in keys]
    missing = [index for index, result in enumerate(results) if result is None]
    for index in missing:
        check(cells[index], model, calibration_ids)

    about = {
        "model": model_name,
        "calibration_corpus": asdict(calibration),
        "evaluation_corpus": asdict(evaluation),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    dense = pruning.snapshot(model)
    for index in (bar := tqdm(missing, desc=model_name, disable=not progress)):
        bar.set_postfix_str(str(cells[index]))
        # The same cell twice in one list, or one that another process has finished meanwhile.
        results[index] = records.read(results_dir, keys[index])
        if results[index] is None:
            measured = compute(cells[index], model, calibration_ids, evaluation_ids, batch_size)
            pruning.restore(model, dense)
            results[index] = about | measured
            records.write(results_dir, keys[index], results[index])
    return [key | result for key, result in zip(keys, results, strict=True)]


def key_fields(
    cell: Cell, model: nn.Module, calibration_ids: dict[int, Tensor], constants: dict
) -> dict:
    """Everything that determines the result of `cell`, and nothing else, for its record's key.

    calibration_ids: by seed. constants: fingerprint, evaluation, dtype and device of the run. A
    cell that reads no data has no calibration, one that draws nothing at random has seed 0, and
    naming all layer types is "all": tables share what is the same.
    """
    types = architectures.chosen_types(model, cell.layers)
    ids = calibration_ids[cell.seed] if cell.needs_calibration else None
    return constants | {
        "numerics": records.NUMERICS_VERSION,
        "method": cell.method,
        "pattern": cell.pattern,
        "layers": "all" if types == architectures.layer_types(model) else types,
        "scope": cell.scope,
        "seed": cell.seed if cell.needs_calibration or cell.method == "random" else 0,
        "calibration": None if ids is None else records.digest_of_ids(ids),
    }


def check(cell: Cell, model: nn.Module, calibration_ids: dict[int, Tensor]) -> None:
    """StadeError, naming the cell, where it does not fit the model."""
    if cell.method == "dense":
        return
    try:
        pruning.check(
            model,
            calibration_ids.get(cell.seed),
            cell.method,
            cell.pattern,
            cell.layers,
            cell.scope,
        )
    except StadeError as error:
        raise StadeError(f"cell '{cell}': {error}") from error


def compute(
    cell: Cell,
    model: nn.Module,
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    batch_size: int,
) -> dict:
    """What is measured of one cell; `model` is dense before, and pruned afterwards."""
    start, reports = time.perf_counter(), {}
    if cell.method != "dense":
        reports = pruning.prune_model(
            model,
            calibration_ids.get(cell.seed),
            cell.method,
            cell.pattern,
            layers=cell.layers,
            scope=cell.scope,
            seed=cell.seed,
            batch_size=batch_size,
        )
    pruned = time.perf_counter()
    losses = window_losses(model, evaluation_ids, batch_size)
    return {
        "perplexity": perplexity(losses),
        "losses": losses.tolist(),
        "zeros": {layer: report.zeros for layer, report in reports.items()},
        "sizes": {layer: report.size for layer, report in reports.items()},
        "added_bias": {layer: report.added_bias for layer, report in reports.items()},
        "seconds": {"prune": pruned - start, "evaluate": time.perf_counter() - pruned},
    }
