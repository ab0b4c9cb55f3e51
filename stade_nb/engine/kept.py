"""What a killed `prune` or `evaluate` goes on from: finished blocks, losses of finished windows.

Each run has a folder of its own, named by everything that its result depends on, the code included,
so that no other run reads it. When the run is done it is removed.
"""

import shutil
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from stade_nb import paths
from stade_nb.engine import unfinished
from stade_nb.engine.keeping import Pace, has_room
from stade_nb.engine.report import LayerReport, Report
from stade_nb.engine.weights import put
from stade_nb.errors import StadeError
from stade_nb.files import digest
from stade_nb.models import architectures

FOLDER = unfinished.FOLDER  # in the package's home
OLD = 30 * 24 * 3600.0
_STATE, _LOSSES = "hidden.safetensors", "losses.safetensors"


def folder_of(fields: dict, batch_size: int) -> Path:
    """Where what is unfinished of a run is. fields: all that determines its result."""
    return paths.HOME / FOLDER / digest([fields, batch_size, unfinished.code()])[:32]


def clear(folder: Path) -> None:
    """Remove what a run has kept: it is done."""
    shutil.rmtree(folder, ignore_errors=True)


def clear_old() -> None:
    """Remove what other runs have kept and nobody has touched for `OLD` seconds.

    Another version of the code never goes on with it.
    """
    for folder in (paths.HOME / FOLDER).glob("*"):
        with suppress(OSError):
            latest = max(one.lstat().st_mtime for one in (folder, *folder.iterdir()))
            if time.time() - latest > OLD:
                clear(folder)


class _Kept:
    """Writes in its pace; where that fails a warning says so once, and the run goes on."""

    def __init__(self, folder: Path, every: float, needed: int) -> None:
        self.folder, self.pace, self.possible = folder, Pace(every, needed), True
        self.asked = False

    def _write(self, files: dict[str, tuple[dict, dict[str, Tensor]]]) -> None:
        """Write files one after the other, each with its state and tensors."""
        if not self.asked:
            self.asked, self.possible = True, has_room(self.folder, self.pace.needed)
        start, size = time.monotonic(), 0
        if self.possible:
            try:
                for name, (state, tensors) in files.items():
                    unfinished.write_state(self.folder / name, state, tensors)
                    size += (self.folder / name).stat().st_size
            # Another process may have come to the end meanwhile, and cleared the folder.
            except (StadeError, OSError) as error:
                warnings.warn(f"what is unfinished is not kept: {error}", stacklevel=2)
                self.possible = False
        self.pace.done(size, time.monotonic() - start)


class KeptBlocks(_Kept):
    """The pruned blocks of a model that `prune_model` is at, and what enters the next one.

    every: seconds of computing that a kill may cost, but for one block.
    """

    def __init__(self, folder: Path, model: nn.Module, ids: Tensor | None, every: float) -> None:
        hidden = 0 if ids is None else ids.numel() * model.config.hidden_size
        weights = sum(layer.weight.numel() for _, _, layer in architectures.named_layers(model))
        super().__init__(folder, every, (hidden + weights) * model.dtype.itemsize)
        self.model, self.written = model, 0

    def begun(self) -> tuple[int, Report, list[Tensor]]:
        """Put the blocks that are kept into the model: how many, their report, and what is next.

        0 where nothing is kept, or, said in a warning, a part of it is damaged or missing; then the
        model is as it was.
        """
        nothing = 0, Report(), []
        kept = unfinished.read_state(self.folder / _STATE)
        if kept is None:
            return nothing
        state, batches = kept
        files = [self._file(index) for index in range(state["passed"])]
        for file in files:
            if not file.exists():
                said = f"unfinished {file.name} is missing; beginning anew"
                warnings.warn(said, stacklevel=2)
                return nothing
        blocks = [unfinished.read_state(file) for file in files]
        if None in blocks:
            return nothing
        report = Report()
        for index, (about, tensors) in enumerate(blocks):
            layers = self._layers(index)
            for name, numbers in about.items():
                put(layers[name], tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))
                report[name] = LayerReport(*numbers)
        self.written = state["passed"]
        return self.written, report, [batch.to(self.model.device) for batch in batches.values()]

    def left(self, index: int, report: Report, batches: Sequence[Tensor]) -> None:
        """A block is pruned; batches: what enters the next one. Kept where it is time."""
        last = index + 1 == len(architectures.blocks(self.model))
        # What comes behind the last block may be killed, too: whoever kept some keeps all.
        if not self.pace.step() and not (last and self.written):
            return
        files = {
            self._file(one).name: self._taken(one, report) for one in range(self.written, index + 1)
        }
        hidden = {f"{place:06}": batch for place, batch in enumerate(batches)}
        self._write(files | {_STATE: ({"passed": index + 1}, hidden)})
        self.written = index + 1

    def _file(self, index: int) -> Path:
        return self.folder / f"block-{index:04}.safetensors"

    def _layers(self, index: int) -> dict[str, nn.Linear]:
        name = architectures.block_names(self.model)[index]
        layers = architectures.linear_layers(architectures.blocks(self.model)[index])
        return {f"{name}.{kind}": layer for kind, layer in layers.items()}

    def _taken(self, index: int, report: Report) -> tuple[dict, dict[str, Tensor]]:
        tensors, about = {}, {}
        for name, layer in self._layers(index).items():
            if name not in report:
                continue
            about[name] = [report[name].zeros, report[name].size, report[name].added_bias]
            tensors[f"{name}.weight"] = layer.weight
            if layer.bias is not None:
                tensors[f"{name}.bias"] = layer.bias
        return about, tensors


class KeptLosses(_Kept):
    """The losses of the windows that `window_losses` has left, in order."""

    def __init__(self, folder: Path, windows: int, every: float) -> None:
        super().__init__(folder, every, 8 * windows)

    def begun(self) -> list[Tensor]:
        """What is kept, one tensor or none."""
        kept = unfinished.read_state(self.folder / _LOSSES)
        return [] if kept is None else [kept[1]["losses"]]

    def left(self, losses: Sequence[Tensor]) -> None:
        """So many are known; kept where it is time."""
        if self.pace.step():
            self._write({_LOSSES: ({}, {"losses": torch.cat(list(losses))})})
