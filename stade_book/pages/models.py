"""The models of a page's parameters with their text, for pages that look inside a model."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from stade_book.pages.notebooks import Audit, Calibrated, Measured
from stade_nb import paths
from stade_nb.engine.cell import Setting, Windows
from stade_nb.engine.pruning import dense_statistics
from stade_nb.models import architectures, loading
from stade_nb.models.token_ids import window_length
from stade_nb.models.windows import calibration_windows, evaluation_windows
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments


class LayerInputs(NamedTuple):
    """A linear layer: where it is, its `weight` (out, in) and the `moments` of its inputs."""

    block: int
    layer_type: str
    weight: Tensor
    moments: Moments

    @property
    def centred(self) -> bool:
        """Whether Sec. 3.2 counts the input as centred."""
        return architectures.is_centred(self.layer_type)

    @property
    def short(self) -> str:
        """The layer type as the paper writes it: "q_proj"."""
        return self.layer_type.rpartition(".")[2]


class Example(NamedTuple):
    """An unpruned model, its tokenizer, and the windows of ids (windows, tokens) on its device."""

    model: nn.Module
    tokenizer: object
    calibration_ids: Tensor
    evaluation_ids: Tensor


def labels(names: Sequence[str]) -> dict[str, str]:
    """Names for a page: the last part of a path or hub id, or all of it where that is taken."""
    short = [name.rstrip("/").rpartition("/")[2] for name in names]
    return {name: s if short.count(s) == 1 else name for name, s in zip(names, short, strict=True)}


def labelled(given: Sequence[str]) -> dict[str, str]:
    """The models that a notebook's `models` name ("embedded" names several), with their labels."""
    return labels(loading.named(given))


def setting(p: Measured, **more: object) -> Setting:
    """With what the engine runs all cells of a page: here parameters become its arguments.

    A relative `results_dir` begins at the project's root. more: other fields of `Setting`.
    """
    return Setting(
        Windows(p.calibration, p.windows, p.window_length),
        Windows(p.evaluation, p.evaluation_windows, p.window_length),
        paths.results(p.results_dir),
        device=p.device,
        dtype=p.dtype,
        batch_size=p.batch_size,
        **more,
    )


def load(p: Audit) -> Example:
    """The model `p.example` with the windows that a table's cells would have.

    The first of the seeds draws the calibration windows.
    """
    model, tokenizer, calibration = _calibrated(p, p.example, p.seeds[0])
    length = window_length(model, p.window_length)
    evaluation = evaluation_windows(p.evaluation, tokenizer, p.evaluation_windows, length)
    return Example(model, tokenizer, calibration, evaluation.to(model.device))


def inputs(p: Calibrated, seed: int, gram: bool = False) -> dict[str, list[LayerInputs]]:
    """What `gather` finds of each of `p.models`, by their `labels`.

    seed: of the calibration windows that the models read. gram: see `gather`.
    """
    found = {}
    for name, label in labelled(p.models).items():
        model, _, ids = _calibrated(p, name, seed)
        found[label] = gather(model, ids, gram, p.batch_size)
    return found


def _calibrated(p: Calibrated, name: str, seed: int) -> tuple[nn.Module, object, Tensor]:
    model, tokenizer = loading.load(name, p.device, p.dtype)
    length = window_length(model, p.window_length)
    ids = calibration_windows(p.calibration, tokenizer, p.windows, length, seed)
    return model, tokenizer, ids.to(model.device)


def gather(
    model: nn.Module, ids: Tensor, gram: bool = False, batch_size: int = 8
) -> list[LayerInputs]:
    """Every linear layer of the blocks, in module order, with Eqs. 5 and 8 of its inputs.

    ids: (windows, tokens), read once by the model as it is. gram: also gather cross products.
    Weights and moments are returned in float64 on the CPU; layers that read the same input share
    its moments.
    """
    needs = Needs.GRAM if gram else Needs.MOMENTS
    types, found = architectures.layer_types(model), []
    for index, (_, block, statistics) in enumerate(dense_statistics(model, ids, needs, batch_size)):
        known = {name: _on_cpu(moments) for name, moments in statistics.items()}
        for layer_type in types:
            weight = block.get_submodule(layer_type).weight.detach().double().cpu()
            moments = known[architectures.input_of(layer_type)]
            found.append(LayerInputs(index, layer_type, weight, moments))
    return found


def _on_cpu(moments: Moments) -> Moments:
    cross = None if moments.cross is None else moments.cross.cpu()
    return Moments(moments.count, moments.mean.cpu(), moments.m2.cpu(), cross)
