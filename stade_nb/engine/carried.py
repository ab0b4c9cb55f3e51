"""A cell on its way through the model, and who watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from stade_nb.engine.cell import Cell
from stade_nb.engine.report import Report
from stade_nb.engine.streams import Block, Stream
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics.methods import LayerResult

Results = dict[nn.Linear, LayerResult]
Observe = Callable[[Cell, Block, Results], None]


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
    """Who is told what cells make of each block; this one tells `observe`, and does nothing else.

    Others may say that a cell has been on its way before, keep what it needs to go on, and take
    what has arrived.
    """

    def __init__(self, observe: Observe | None = None) -> None:
        self.observe = observe

    def begun(self, cell: Cell) -> dict | None:
        """What `unfinished.write` has kept of a cell that goes on, None for one that begins."""
        return None

    def left(self, one: Carried, block: Block, results: Results) -> None:
        """A cell has left a block, with what it has made of the layers there."""
        if self.observe is not None:
            self.observe(one.cell, block, results)

    def arrived(self, one: Carried) -> None:
        """A cell has left the last block, or failed."""
