"""The models of a page's parameters with their text, for pages that look inside a model."""

from types import SimpleNamespace
from typing import NamedTuple

from torch import Tensor, nn

from stade_nb.models import corpora, loading
from stade_nb.models.architectures import window_length
from stade_nb.pages import layer_inputs
from stade_nb.pages.layer_inputs import LayerInputs
from stade_nb.pages.tables import tables
from stade_nb.training import model_cards


class Example(NamedTuple):
    """An unpruned model, its tokenizer, and the windows of ids (windows, tokens) on its device."""

    model: nn.Module
    tokenizer: object
    calibration_ids: Tensor
    evaluation_ids: Tensor


def load(p: SimpleNamespace, name: str | None = None) -> Example:
    """`name`, or the model `p.example`, with the windows that a table's cells would have.

    p: a notebook's checked parameters; the first of its seeds draws the calibration windows.
    """
    model, tokenizer, calibration = _calibrated(p, name or p.example, p.seeds[0])
    length = window_length(model, p.window_length)
    evaluation = corpora.evaluation_windows(p.evaluation, tokenizer, p.evaluation_windows, length)
    return Example(model, tokenizer, calibration, evaluation.to(model.device))


def inputs(p: SimpleNamespace, seed: int) -> dict[str, list[LayerInputs]]:
    """What `layer_inputs.gather` finds of each of `p.models`, by their `tables.labels`.

    p: a notebook's checked parameters. seed: of the calibration windows that the models read.
    """
    found = {}
    for name, label in tables.labels(model_cards.names(p.models)).items():
        model, _, ids = _calibrated(p, name, seed)
        found[label] = layer_inputs.gather(model, ids, batch_size=p.batch_size)
    return found


def _calibrated(p: SimpleNamespace, name: str, seed: int) -> tuple[nn.Module, object, Tensor]:
    model, tokenizer = loading.load(name, p.device, p.dtype)
    length = window_length(model, p.window_length)
    ids = corpora.calibration_windows(p.calibration, tokenizer, p.windows, length, seed)
    return model, tokenizer, ids.to(model.device)
