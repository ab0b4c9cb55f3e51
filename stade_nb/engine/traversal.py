"""One traversal of a model that carries many cells along, each as `prune_model` does it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from stade_nb.engine import pruning, streams, weights
from stade_nb.engine.cell import Cell
from stade_nb.engine.prepare import measured
from stade_nb.engine.streams import Block, Carried, Results, Room, Stream, Watch
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import check_losses, losses_of
from stade_nb.models import architectures, blockwise, token_ids
from stade_nb.models.blockwise import Enough
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

Gathered = dict[Needs, dict[str, Moments]]


def traverse(
    model: nn.Module,
    cells: Sequence[Cell],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    *,
    batch_size: int,
    room: Room,
    watch: Watch | None = None,
) -> list[dict | StadeError]:
    """Section 2's loop for `cells` at once: of each what `prepare.measured` returns, or its error.

    The model, wherever it lies, is left as it was; besides what is around its blocks, one block at
    a time is on the device of `room`. Time spent for several cells is counted for the first one.
    calibration_ids: by seed. watch: who is told when a cell has left a block, and has arrived.
    """
    stack, names = architectures.blocks(model), architectures.block_names(model)
    watch = watch or Watch()
    with blockwise.evaluating(model), streams.surroundings_on(model, room.device):
        head = architectures.head(model)

        def score(stream: Stream, block: Block, **attention: bool) -> Tensor:
            together = pruning.at_once(model, evaluation_ids, batch_size)
            ids = iter(token_ids.in_batches(evaluation_ids.to(room.device), together))

            def losses(hidden: Tensor) -> Tensor:
                # The logits of a window at a time: those of a batch would be the peak of memory.
                pairs = zip(hidden.split(1), next(ids).split(1), strict=True)
                return torch.cat([losses_of(head(row), one) for row, one in pairs])

            return check_losses(torch.cat(stream.outputs(block, room, losses, **attention)).cpu())

        carried = enter(model, cells, calibration_ids, evaluation_ids, batch_size, room)
        for one in carried:
            go_on(one, watch.begun(one.cell), room)
        for index, name in enumerate(names):
            if all(one.passed > index for one in carried):
                continue
            module = streams.brought_to(stack[index], room.device)
            block = Block(module, name, index, last=index + 1 == len(names))
            shared: dict[Stream, Gathered] = {}
            for one in carried:
                if one.passed > index:
                    continue
                results: Results = {}
                if one.error is None:
                    try:
                        results = advance(one, carried, block, shared, room, score)
                    except StadeError as error:
                        one.error = StadeError(f"cell '{one.cell}': {error}")
                        one.calibration = one.evaluation = None
                one.passed = index + 1
                watch.left(one, block, results)
                if block.last:
                    watch.arrived(one)
                del results  # not to be held beside the next block
    return [outcome(one) for one in carried]


def outcome(one: Carried) -> dict | StadeError:
    """What `prepare.measured` returns of a cell that has arrived, or its error."""
    return one.error or measured(one.losses, one.report, one.seconds)


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

    start, block = time.perf_counter(), architectures.blocks(model)[0]
    seeds = [cell.seed for cell in cells if cell.needs_calibration]
    calibration = {seed: stream(calibration_ids[seed], seeds.count(seed)) for seed in set(seeds)}
    evaluation = stream(evaluation_ids, len(cells))
    carried = [
        Carried(
            cell,
            cell.types_in(block),
            calibration[cell.seed] if cell.needs_calibration else None,
            evaluation,
        )
        for cell in cells
    ]
    carried[0].seconds["prune"] += time.perf_counter() - start
    return carried


def go_on(one: Carried, state: dict | None, room: Room) -> None:
    """Put a cell where `state`, of `unfinished.read`, has it; where there is none it begins."""
    entered = {use: getattr(one, use) for use in ("calibration", "evaluation")}
    fits = state is not None and all(
        [batch.shape for batch in state[use]]
        == [batch.shape for batch in (stream.batches if stream else ())]
        for use, stream in entered.items()
    )
    if not fits:
        return
    own = {}
    for use, stream in entered.items():
        if stream is not None:
            stream.users -= 1
            batches = [room.keep(batch.to(room.device)) for batch in state[use]]
            own[use] = Stream(batches, stream.arguments)
    one.passed, one.report = state["passed"], state["report"]
    one.seconds |= state["seconds"]
    one.calibration, one.evaluation = own.get("calibration"), own["evaluation"]


def advance(
    one: Carried,
    carried: list[Carried],
    block: Block,
    shared: dict[Stream, Gathered],
    room: Room,
    score: Callable[..., Tensor],
) -> Results:
    """Prune the block as one cell says and push its windows through; the block is dense again then.

    carried, shared: see `statistics_for`. score: the losses of a stream before the last block.
    Returns what pruning has made of the layers.
    """
    reuse = one.leaves_attention
    with timed(one, "prune", room.device):
        results = pruned(one, block, statistics_for(one, carried, block, shared, room))
    with weights.wearing(results):
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
    return results


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
        wanted: dict[Needs, list[str]] = {}
        together = [other for other in carried if other.calibration is one.calibration]
        for other in together:
            wanted.setdefault(other.cell.method.needs, []).extend(other.types)
        # Behind the last block's layers nothing is calibrated.
        keep = not block.last and any(other.leaves_attention for other in together)
        found = statistics(block, one.calibration, wanted, room, keep)
        if one.calibration.users > 1:
            shared[one.calibration] = found
    return found[one.cell.method.needs]


def statistics(
    block: Block,
    stream: Stream,
    wanted: dict[Needs, list[str]],
    room: Room,
    keep: bool,
) -> dict[Needs, dict[str, Moments]]:
    """Section 2, step 2: `pruning.gathering` for several needs in one pass of `stream`.

    wanted: the layer types by what their methods need. Each of the needs is served by itself, so
    that moments have the same bits whoever else is served. A batch's pass ends with the last input
    that anybody wants. keep: keep the attention's outputs, see `Stream.show`.
    """
    with ExitStack() as hooks:
        found = {
            needs: hooks.enter_context(pruning.gathering(block.module, types, block.name, needs))
            for needs, types in wanted.items()
        }
        inputs = {layer_type for moments in found.values() for layer_type in moments}
        seen: set[str] = set()

        def watch(layer_type: str, *_) -> None:
            seen.add(layer_type)
            if seen == inputs:
                seen.clear()
                raise Enough

        for each in inputs:
            layer = block.module.get_submodule(each)
            hooks.enter_context(layer.register_forward_pre_hook(partial(watch, each)))
        stream.show(block, room, keep)
    return found


def pruned(one: Carried, block: Block, known: dict[str, Moments]) -> Results:
    """What pruning makes of the block's layers in one cell; their reports are noted."""
    results: Results = {}
    for layer, full, result in pruning.block_results(block.module, block.name, known, one.cell):
        one.report[full] = weights.report_of(layer, result)
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
