"""One traversal of a model that carries many cells along, each as `cells.compute` does it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stade_nb.engine import prepare, pruning, sweep_plan
from stade_nb.engine.cell import Cell
from stade_nb.engine.sweep_block import brought_to, statistics, surroundings_on, wearing
from stade_nb.engine.sweep_state import Block, Room, Stream
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import check_losses, losses_of
from stade_nb.models import architectures
from stade_nb.numerics import methods
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.moments import Moments

Gathered = dict[frozenset[str], dict[str, Moments]]


@dataclass
class Carried:
    """A cell on its way: what enters its next block, and what is known of it so far.

    types: of the layers to prune. calibration: None where nothing is gathered, or no more.
    """

    cell: Cell
    types: list[str]
    calibration: Stream | None
    evaluation: Stream | None
    losses: Tensor | None = None
    reports: dict[str, pruning.LayerReport] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"prune": 0.0, "evaluate": 0.0})
    error: StadeError | None = None

    @property
    def needs(self) -> frozenset[str]:
        """What the cell's method wants gathered."""
        return methods.METHODS[self.cell.method].needs

    @property
    def leaves_attention(self) -> bool:
        """Whether the blocks' attention stays unpruned."""
        return architectures.leaves_attention(self.types)


def traverse(
    model: nn.Module,
    cells: Sequence[Cell],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    *,
    batch_size: int,
    room: Room,
    step: Callable[[Cell, int], None] = lambda cell, block: None,
) -> list[dict | StadeError]:
    """Section 2's loop for `cells` at once: of each what `cells.compute` returns, or its error.

    The model, wherever it lies, is left as it was; besides what is around its blocks, one block at
    a time is on the device of `room`. Time spent for several cells is counted for the first one.
    calibration_ids: by seed. step: called with the number of the block that a cell has left.
    """
    stack, names = architectures.blocks(model), architectures.block_names(model)
    with architectures.evaluating(model), surroundings_on(model, room.device):
        head = architectures.head(model)

        def score(stream: Stream, block: Block, **attention: bool) -> Tensor:
            ids = iter(evaluation_ids.to(room.device).split(batch_size))

            def losses(hidden: Tensor) -> Tensor:
                return losses_of(head(hidden), next(ids))

            return check_losses(torch.cat(stream.outputs(block, room, losses, **attention)))

        carried = enter(model, cells, calibration_ids, evaluation_ids, batch_size, room)
        for index, name in enumerate(names):
            module = brought_to(stack[index], room.device)
            block = Block(module, name, index, last=index + 1 == len(names))
            shared: dict[Stream, Gathered] = {}
            for one in carried:
                if one.error is None:
                    try:
                        advance(one, carried, block, shared, room, score)
                    except StadeError as error:
                        one.error = StadeError(f"cell '{one.cell}': {error}")
                        one.calibration = one.evaluation = None
                step(one.cell, index)
    return [one.error or prepare.measured(one.losses, one.reports, one.seconds) for one in carried]


def enter(
    model: nn.Module,
    cells: Sequence[Cell],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    batch_size: int,
    room: Room,
) -> list[Carried]:
    """All cells before the first block, where they share the windows that they have in common."""

    def stream(ids: Tensor, users: int) -> Stream:
        return Stream(*pruning.enter_all(model, ids, batch_size, room.keep), users)

    start = time.perf_counter()
    seeds = [cell.seed for cell in cells if cell.needs_calibration]
    calibration = {seed: stream(calibration_ids[seed], seeds.count(seed)) for seed in set(seeds)}
    evaluation = stream(evaluation_ids, len(cells))
    carried = [
        Carried(
            cell,
            sweep_plan.types_of(model, cell),
            calibration[cell.seed] if cell.needs_calibration else None,
            evaluation,
        )
        for cell in cells
    ]
    carried[0].seconds["prune"] += time.perf_counter() - start
    return carried


def advance(
    one: Carried,
    carried: list[Carried],
    block: Block,
    shared: dict[Stream, Gathered],
    room: Room,
    score: Callable[..., Tensor],
) -> None:
    """Prune the block as one cell says and push its windows through; the block is dense again then.

    carried, shared: see `statistics_for`. score: the losses of a stream before the last block.
    """
    reuse = one.leaves_attention
    with timed(one, "prune", room.device):
        results = pruned(one, block, statistics_for(one, carried, block, shared, room))
    with wearing(results):
        with timed(one, "prune", room.device):
            if one.calibration is not None:
                one.calibration = (
                    None if block.last else one.calibration.after(block, room, reuse=reuse)
                )
        with timed(one, "evaluate", room.device):
            others = [other for other in carried if other is not one]
            keep = reuse and any(
                other.evaluation is one.evaluation and other.leaves_attention for other in others
            )
            attention = {"reuse": reuse, "keep": keep}
            if block.last:
                one.losses, one.evaluation = score(one.evaluation, block, **attention), None
            else:
                one.evaluation = one.evaluation.after(block, room, **attention)


def statistics_for(
    one: Carried,
    carried: list[Carried],
    block: Block,
    shared: dict[Stream, Gathered],
    room: Room,
) -> dict[str, Moments]:
    """Moments of what enters the layers, by layer type, as the method of `one` needs them.

    Those of all cells in `carried` that still read the same windows are gathered in one pass, and
    kept in `shared` for the others.
    """
    if one.calibration is None:
        return {}
    found = shared.get(one.calibration)
    if found is None:
        wanted: dict[frozenset[str], list[str]] = {}
        together = [other for other in carried if other.calibration is one.calibration]
        for other in together:
            wanted.setdefault(other.needs, []).extend(other.types)
        # Behind the last block's layers nothing is calibrated.
        keep = not block.last and any(other.leaves_attention for other in together)
        found = statistics(block, one.calibration, wanted, room, keep)
        if one.calibration.users > 1:
            shared[one.calibration] = found
    return found[one.needs]


def pruned(one: Carried, block: Block, known: dict[str, Moments]) -> dict[nn.Linear, LayerResult]:
    """What pruning makes of the block's layers in one cell; their reports are noted."""
    cell, results = one.cell, {}
    how = cell.method, cell.pattern, cell.scope, cell.seed
    for layer, full, result in pruning.block_results(
        block.module, one.types, block.name, known, *how
    ):
        one.reports[full] = pruning.report_of(layer, result)
        results[layer] = result
    return results


@contextmanager
def timed(one: Carried, what: str, device: torch.device) -> Iterator[None]:
    """Add the seconds spent inside, the device's own included, to those of a cell."""
    start = time.perf_counter()
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    one.seconds[what] += time.perf_counter() - start
