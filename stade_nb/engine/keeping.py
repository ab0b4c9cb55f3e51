"""The engine's watch: cells that arrive are recorded, and those on their way kept in time."""

import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from stade_nb.engine import unfinished
from stade_nb.engine.cell import Cell
from stade_nb.engine.streams import Block, Carried, Results, Watch
from stade_nb.errors import StadeError
from stade_nb.files import megabytes

# What is kept sooner than it must be takes at most this share of the time, and not more often
# than this share of `every`.
_SHARE, _SOONEST = 1 / 100, 1 / 10
_BYTES_PER_SECOND = 2e8  # of a disk that nobody has measured yet


def has_room(folder: Path, needed: int) -> bool:
    """Whether files of `needed` bytes fit beside as many old ones; if not, a warning says so."""
    place = next(one for one in (folder, *folder.parents) if one.is_dir())
    free = shutil.disk_usage(place).free
    if free < 2 * needed:
        warnings.warn(
            f"no room to keep what is unfinished: {megabytes(2 * needed)} in {str(folder)!r}, "
            f"where {megabytes(free)} are free; a run that is killed loses the cells it was at",
            stacklevel=2,
        )
    return free >= 2 * needed


class Pace:
    """When to keep what is unfinished: at least `every` seconds, and sooner where it is cheap."""

    def __init__(self, every: float, needed: int) -> None:
        self.every, self.needed = every, needed
        self.kept = self.seen = time.monotonic()
        self.longest, self.speed = 0.0, _BYTES_PER_SECOND

    def step(self) -> bool:
        """Note that a step is done; whether to keep now, so that the next one is not too much."""
        now = time.monotonic()
        self.longest, self.seen = max(self.longest, now - self.seen), now
        return self.is_due(now - self.kept)

    def is_due(self, since: float) -> bool:
        """Whether to keep now, so many seconds `since` the last time or the beginning."""
        if since + self.longest >= self.every:
            return True
        return since >= _SOONEST * self.every and self.needed / self.speed <= _SHARE * since

    def done(self, size: int = 0, seconds: float = 0.0) -> None:
        """It is kept: so many bytes, in so many seconds."""
        self.speed = size / max(seconds, 1e-9) or self.speed
        self.kept = self.seen = time.monotonic()


class Keeping(Watch):
    """Of a group of cells: `arrived` is called with each that has arrived, the others are kept.

    paths: where, see `unfinished.path_of`. every: seconds of computing that a kill may cost, but
    for those of one cell in one block. needed: bytes of all files together. step: called with a
    cell and a block that it has left.
    """

    def __init__(
        self,
        paths: dict[Cell, Path],
        every: float,
        needed: int,
        arrived: Callable[[Carried], None],
        step: Callable[[Cell, Block], None],
    ) -> None:
        self.paths, self.pace = paths, Pace(every, needed)
        self.arrived, self.step = arrived, step
        self.under_way: dict[Cell, Carried] = {}
        self.possible: bool | None = None

    def begun(self, cell: Cell) -> dict | None:
        """See `Watch.begun`."""
        return unfinished.read(self.paths[cell])

    def left(self, one: Carried, block: Block, results: Results) -> None:
        """Note that a cell has left a block, and keep all that have, where it is time."""
        self.step(one.cell, block)
        if one.error is not None or block.last:
            self.under_way.pop(one.cell, None)
        else:
            self.under_way[one.cell] = one
        if self.pace.step():
            self.keep()

    def keep(self) -> None:
        """Keep all cells that have left a block since the last time."""
        if self.possible is None:
            folder = next(iter(self.paths.values())).parent
            self.possible = has_room(folder, self.pace.needed)
        size, start = 0, time.monotonic()
        if self.possible and self.under_way:
            if torch.cuda.is_available() and torch.cuda.is_initialized():
                torch.cuda.synchronize()  # copies to the host may still be on their way
            try:
                for cell, one in self.under_way.items():
                    unfinished.write(self.paths[cell], one)
                    size += self.paths[cell].stat().st_size
            # Another process may have come to the end meanwhile, and cleared the folder.
            except (StadeError, OSError) as error:
                warnings.warn(f"what is unfinished is not kept: {error}", stacklevel=2)
                self.possible = False
        self.under_way.clear()
        self.pace.done(size, time.monotonic() - start)
