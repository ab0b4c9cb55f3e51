"""Cells on their way through a model: its blocks, hidden states between them, and who watches.

Hidden states are on the device while there is room, else on the host.
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stade_nb.engine.cell import Cell
from stade_nb.engine.report import Report
from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise
from stade_nb.models.blockwise import Enough
from stade_nb.numerics.methods import LayerResult

Results = dict[nn.Linear, LayerResult]


class Room:
    """Room for `limit` bytes of hidden states on `device`; what does not fit waits on the host.

    spilled: the bytes that did not fit so far.
    """

    def __init__(self, device: torch.device | str, limit: float = math.inf) -> None:
        self.device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0"
        self.left, self.spilled = limit, 0

    def keep(self, hidden: Tensor) -> Tensor:
        """The same numbers, to be held in place of `hidden`; when they go, their room is free."""
        if hidden.nbytes <= self.left:
            self.left -= hidden.nbytes
            weakref.finalize(hidden, self._release, hidden.nbytes)
            return hidden
        self.spilled += hidden.nbytes
        # From pinned memory the way back does not make the device wait for the host.
        pinned = self.device.type == "cuda"
        host = torch.empty(hidden.shape, dtype=hidden.dtype, device="cpu", pin_memory=pinned)
        return host.copy_(hidden, non_blocking=True)

    def take(self, kept: Tensor) -> Tensor:
        """What `keep` returned, on the device."""
        return kept.to(self.device, non_blocking=True)

    def _release(self, size: int) -> None:
        self.left += size


@dataclass(frozen=True)
class Block:
    """A block where it is computed, its full name and its number, and whether it is the last."""

    module: nn.Module
    name: str
    index: int
    last: bool


@dataclass(eq=False)
class Stream:
    """Windows on their way through the model: hidden states in batches, before the same block.

    arguments: every block's keyword arguments by the shape of a batch. users: how many have yet to
    go on from here; the last one makes room batch by batch. attention: what the block's attention,
    unpruned, makes of a batch, by the batch's place, for those who can use it.
    """

    batches: list[Tensor | None]
    arguments: dict[torch.Size, list[dict]]
    users: int = 1
    attention: dict[int, Tensor] = field(default_factory=dict)

    def after(self, block: Block, room: Room, **attention: bool) -> Stream:
        """The same windows after `block`; attention: see `outputs`."""
        return Stream(self.outputs(block, room, room.keep, **attention), self.arguments)

    def outputs(
        self,
        block: Block,
        room: Room,
        then: Callable[[Tensor], Tensor],
        reuse: bool = False,
        keep: bool = False,
    ) -> list[Tensor | None]:
        """`then` of what `block` makes of each batch.

        reuse: the block's attention is unpruned, so that kept outputs of it need not be computed.
        keep: keep them for the next one.
        """
        self.users -= 1
        done: list[Tensor | None] = []
        for place in range(len(self.batches)):
            kept = self.batches[place]
            if not self.users:
                self.batches[place] = None
            with self._attention(block, room, place, reuse, keep):
                hidden = self._output(block, room.take(kept))
            del kept
            if not self.users:
                self.attention.pop(place, None)
            done.append(then(hidden))
        return done

    def show(self, block: Block, room: Room, keep: bool) -> None:
        """Run `block` for the sake of its hooks, which end the pass of a batch by `Enough`.

        keep: as in `outputs`, what of its attention has been computed by then.
        """
        for place, kept in enumerate(self.batches):
            with suppress(Enough), self._attention(block, room, place, False, keep):
                self._output(block, room.take(kept))

    def _output(self, block: Block, hidden: Tensor) -> Tensor:
        arguments = self.arguments[hidden.shape][block.index]
        return blockwise.run_block(block.module, hidden, arguments)

    @contextmanager
    def _attention(
        self, block: Block, room: Room, place: int, reuse: bool, keep: bool
    ) -> Iterator[None]:
        """The block's attention answers with what is kept of it, or what it makes is kept."""
        if not (keep or (reuse and place in self.attention)):
            yield
            return
        module = architectures.attention(block.module)
        compute = module.forward

        def forward(*args, **kwargs):
            if reuse and place in self.attention:
                return room.take(self.attention[place]), None
            out = compute(*args, **kwargs)
            self.attention[place] = room.keep(out[0])
            return out

        with blockwise.answering(module, forward):
            yield


@dataclass
class Carried:
    """A cell on its way: what enters its next block, and what is known of it so far.

    types: of the layers to prune. calibration: None where nothing is gathered, or no more.
    passed: how many blocks it has left.
    """

    cell: Cell
    types: list[str]
    calibration: Stream | None
    evaluation: Stream | None
    losses: Tensor | None = None
    report: Report = field(default_factory=Report)
    seconds: dict[str, float] = field(default_factory=lambda: {"prune": 0.0, "evaluate": 0.0})
    error: StadeError | None = None
    passed: int = 0

    @property
    def leaves_attention(self) -> bool:
        """Whether the blocks' attention stays unpruned."""
        return architectures.leaves_attention(self.types)


class Watch:
    """Who is told what cells make of each block; this one does nothing.

    Others may say that a cell has been on its way before, keep what it needs to go on, and take
    what has arrived.
    """

    def begun(self, cell: Cell) -> dict | None:
        """What `unfinished.write` has kept of a cell that goes on, None for one that begins."""

    def left(self, one: Carried, block: Block, results: Results) -> None:
        """A cell has left a block; results: what it has made of the layers there, if anything."""

    def arrived(self, one: Carried) -> None:
        """A cell has left the last block, or failed."""


@contextmanager
def surroundings_on(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Everything but the blocks (embeddings, last norm, head) is on `device` inside."""
    home = model.device

    def move(where: torch.device) -> None:
        stack = architectures.decoder(model)
        blocks, stack.layers = stack.layers, nn.ModuleList()
        try:
            model.to(where)
        finally:
            stack.layers = blocks

    if home == device:
        yield
        return
    try:
        move(device)
        yield
    finally:
        move(home)


def brought_to(block: nn.Module, device: torch.device) -> nn.Module:
    """The block itself where it is on `device`, else a copy of it there."""
    tensors = [*block.parameters(), *block.buffers()]
    if all(tensor.device == device for tensor in tensors):
        return block
    # What a deep copy finds in its memo it takes for copied.
    memo = {id(tensor): _like(tensor, tensor.detach().to(device)) for tensor in tensors}
    return copy.deepcopy(block, memo)


def _like(tensor: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(values, requires_grad=tensor.requires_grad)
    return values
