"""What cells are computed from, and what their records are called: the same for every path."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import transformers
from torch import Tensor, nn

from stade_nb.engine import pruning, records
from stade_nb.engine.cell import Cell, Corpus
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.files import digest_of_ids
from stade_nb.models import architectures, corpora, loading


@dataclass(frozen=True)
class Inputs:
    """A model with its tokenizer and token windows, and for each cell the fields of its record.

    calibration_ids: (windows, tokens) by seed. about: what every record says besides.
    """

    model: nn.Module
    tokenizer: object
    calibration_ids: dict[int, Tensor]
    evaluation_ids: Tensor
    keys: list[dict]
    about: dict


def prepare(
    model_name: str,
    cells: Sequence[Cell],
    calibration: Corpus,
    evaluation: Corpus,
    *,
    device: str,
    dtype: str,
    batch_size: int,
    cache_dir: str | None = None,
    home: str | None = None,
) -> Inputs:
    """Load the model and draw the windows of `cells`.

    home: where the model's weights are to lie, if not on the `device` that computes.
    StadeError where anything of this is impossible.
    """
    if batch_size < 1:
        raise StadeError(f"batch_size {batch_size}: expected 1 or more windows at a time")
    device = loading.check_device(device)
    model, tokenizer = loading.load(model_name, home or device, dtype, cache_dir)
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
        "fingerprint": loading.fingerprint(model),
        "evaluation": digest_of_ids(evaluation_ids),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": device.type,
    }
    about = {
        "model": model_name,
        "calibration_corpus": asdict(calibration),
        "evaluation_corpus": asdict(evaluation),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    keys = [key_fields(cell, model, calibration_ids, constants) for cell in cells]
    return Inputs(model, tokenizer, calibration_ids, evaluation_ids, keys, about)


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
        "seed": cell.seed if cell.depends_on_seed else 0,
        "calibration": None if ids is None else digest_of_ids(ids),
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


def measured(losses: Tensor, reports: dict[str, pruning.LayerReport], seconds: dict) -> dict:
    """What a record says of one cell: its perplexity and what its layers have become.

    losses: (windows,), from `window_losses`. reports: by layer name, none for a dense model.
    seconds: by what was done. Returns numbers, lists and dicts only, as JSON has them.
    """
    return {
        "perplexity": perplexity(losses),
        "losses": losses.tolist(),
        "zeros": {layer: report.zeros for layer, report in reports.items()},
        "sizes": {layer: report.size for layer, report in reports.items()},
        "added_bias": {layer: report.added_bias for layer, report in reports.items()},
        "seconds": seconds,
    }
