"""A whole model pruned block by block: the plain path that every faster one is compared with."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from stade_nb.engine import plan
from stade_nb.engine.cell import Cell
from stade_nb.engine.report import Report
from stade_nb.engine.weights import replace
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import with_bar
from stade_nb.models import architectures, blockwise, token_ids
from stade_nb.numerics import masks, methods
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import LayerResult, Method
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

# So many numbers a CPU's cache holds, in float32, beside what they are computed from.
CACHED = 1 << 21
# A card's share for windows in a block, and how often each one takes its tokens × the widest layer:
# on an H100 LLaMA 7B took 21 times that, all that was there included (data/gpu.json).
CARD_SHARE, TAKEN = 1 / 4, 32


def prune_model(
    model: nn.Module,
    calibration_ids: Tensor | None,
    cell: Cell | Method | str,
    pattern: str | float | Pattern | None = None,
    *,
    batch_size: int = 8,
    progress: bool = False,
    keep: object | None = None,
) -> Report:
    """Section 4's procedure, after Wanda: prune `model` in place, one block after the other.

    A block's statistics come from one pass of all windows through that block, still unpruned,
    behind the blocks already pruned. calibration_ids: (windows, tokens), or None for a method that
    looks at weights only. cell: what is to be done, or a method by name, with a `pattern`, for all
    layers. batch_size: windows at once. keep: a `kept.KeptBlocks`, from which a killed run goes on.
    Returns a report for each pruned layer by its full name, in module order. StadeError, and
    nothing pruned, where method, pattern, layers and windows do not fit the model; where inputs
    overflow on the way, the blocks before are pruned.

    >>> import stade_nb as snb
    >>> model, tokenizer = snb.load("llama-230k")
    >>> ids = snb.calibration_windows("embedded", tokenizer, windows=4, length=64, seed=0)
    >>> report = snb.prune_model(model, ids, "stade", "2:4")
    >>> report["model.layers.0.mlp.down_proj"]
    LayerReport(zeros=5632, size=11264, added_bias=64)
    """
    cell = cell_of(cell, pattern)
    check(model, calibration_ids, cell)
    stack, names = architectures.blocks(model), architectures.block_names(model)
    report = Report()
    with blockwise.evaluating(model):
        batches, arguments, passed = [], {}, 0
        if cell.needs_calibration:
            batches, arguments = enter_all(model, calibration_ids, batch_size)
        if keep is not None:
            passed, report, hidden = keep.begun()
            batches = hidden or batches
        for index, name in enumerate(with_bar(names, cell.method.name, progress)):
            if index < passed:
                continue
            block = stack[index]
            with gathering(block, cell.types_in(block), name, cell.method.needs) as statistics:
                for hidden in batches:
                    blockwise.run_block(block, hidden, arguments[hidden.shape][index])
            for layer, full, result in block_results(block, name, statistics, cell):
                report[full] = replace(layer, result)
            # In place, batch by batch: two copies of all hidden states would be the peak of memory.
            for at, hidden in enumerate(batches if index + 1 < len(stack) else ()):
                batches[at] = blockwise.run_block(block, hidden, arguments[hidden.shape][index])
            if keep is not None:
                keep.left(index, report, batches)
    return report


def cell_of(cell: Cell | Method | str, pattern: str | float | Pattern | None) -> Cell:
    """The cell itself, or that of a method and a pattern; StadeError for one without the other."""
    if isinstance(cell, Cell) != (pattern is None):
        raise StadeError(
            f"'{cell}' with pattern {pattern!r}: expected a cell alone, or a method and a pattern, "
            "such as 'stade', '2:4'"
        )
    return cell if pattern is None else Cell(cell, pattern)


def check(model: nn.Module, calibration_ids: Tensor | None, cell: Cell) -> None:
    """StadeError where `prune_model` could not do what `cell` asks of it."""
    if cell.method.equal_parameters:
        masks.check_extra(cell.pattern)
    chosen = cell.types_in(architectures.blocks(model)[0])
    architectures.check_model(model)
    for full, layer_type, layer in architectures.named_layers(model):
        if layer_type in chosen:
            with named(full):
                architectures.check_layer(layer)
                masks.check_groups(layer.in_features, cell.pattern)
    if cell.needs_calibration:
        if calibration_ids is None:
            raise StadeError(
                f"method {cell.method.name!r} without calibration windows: expected token ids, "
                "(windows, tokens); see stade_nb.models.windows.calibration_windows"
            )
        token_ids.check_windows(model, calibration_ids)


@contextmanager
def named(layer: str) -> Iterator[None]:
    """A StadeError that is raised inside says which layer it is about."""
    try:
        yield
    except StadeError as error:
        raise StadeError(f"layer '{layer}': {error}") from error


def enter_all(
    model: nn.Module,
    ids: Tensor,
    batch_size: int,
    keep: Callable[[Tensor], Tensor] = Tensor.detach,
) -> tuple[list[Tensor], dict[torch.Size, list[dict]]]:
    """The first block's inputs of all windows, in batches, and every block's keyword arguments.

    The arguments (masks, positions) depend on a batch's shape only, so they are kept by shape.
    keep: where to put a batch, for those who cannot hold all of them in one place.
    """
    batches, arguments = [], {}
    for part in token_ids.in_batches(ids, at_once(model, ids, batch_size)):
        hidden, by_block = blockwise.enter(model, part)
        batches.append(keep(hidden))
        arguments.setdefault(hidden.shape, by_block)
    return batches, arguments


def at_once(model: nn.Module, ids: Tensor, batch_size: int) -> int:
    """How many windows of `ids` go through a block together: `batch_size`, or as many as fit.

    On a GPU that is by its memory, all of it, so that a run that goes on has the same batches. On a
    CPU what one layer hands to the next is to stay in the cache: of wide layers and long windows
    one or two are quicker than many.
    """
    layers = architectures.linear_layers(architectures.blocks(model)[0]).values()
    numbers = ids.shape[1] * max(max(layer.weight.shape) for layer in layers)
    if memory := plan.card_memory(model.device):
        fit = int(CARD_SHARE * memory) // (TAKEN * model.dtype.itemsize * numbers)
    else:
        fit = CACHED // numbers if model.device.type == "cpu" else batch_size
    return min(batch_size, max(1, fit))


def dense_statistics(
    model: nn.Module, ids: Tensor, needs: Needs, batch_size: int = 8
) -> Iterator[tuple[str, nn.Module, dict[str, Moments]]]:
    """Each block of the model as it is: its name, itself, and `gathering`'s moments of its layers.

    ids: (windows, tokens), read once; nothing is pruned. StadeError where the model cannot read
    them, and as `gathering` has it.
    """
    token_ids.check_windows(model, ids)
    names = architectures.block_names(model)
    with blockwise.evaluating(model):
        batches, arguments = enter_all(model, ids, batch_size)
        for index, (name, block) in enumerate(zip(names, architectures.blocks(model), strict=True)):
            types = architectures.chosen_in(block, "all")
            with gathering(block, types, name, needs) as statistics:
                for at, hidden in enumerate(batches):
                    how = arguments[hidden.shape][index]
                    batches[at] = blockwise.run_block(block, hidden, how)
            yield name, block, statistics


@contextmanager
def gathering(
    block: nn.Module, types: list[str], name: str, needs: Needs
) -> Iterator[dict[str, Moments]]:
    """Gather `Moments` of what reaches the block's linear layers while it runs inside the context.

    Yields them by the layer type whose input it is (see `architectures.input_of`); empty where
    `needs` is nothing. name: of the block. At its end StadeError for inputs that are not finite.
    """
    wanted = dict.fromkeys(map(architectures.input_of, types)) if needs else {}
    layers = {layer_type: block.get_submodule(layer_type) for layer_type in wanted}
    statistics = {
        layer_type: Moments.zeros(layer.in_features, layer.weight.device, gram=needs >= Needs.GRAM)
        for layer_type, layer in layers.items()
    }

    def update(layer_type: str, _: nn.Module, args: tuple[Tensor]) -> None:
        statistics[layer_type].update(args[0], finite=False)

    with ExitStack() as hooks:
        for layer_type, layer in layers.items():
            hooks.enter_context(layer.register_forward_pre_hook(partial(update, layer_type)))
        yield statistics
    for layer_type, moments in statistics.items():
        with named(f"{name}.{layer_type}"):
            moments.check_finite()  # not batch by batch: a GPU's host waits for the answer


def block_results(
    block: nn.Module, name: str, statistics: dict[str, Moments], cell: Cell
) -> Iterator[tuple[nn.Linear, str, LayerResult]]:
    """Each of the block's layers that `cell` prunes, its full name and what pruning makes of it.

    name: of the block. statistics: from `gathering`. The layers themselves are left alone.
    """
    for layer_type in cell.types_in(block):
        layer, full = block.get_submodule(layer_type), f"{name}.{layer_type}"
        with named(full):
            result = methods.prune_layer(
                layer.weight,
                layer.bias,
                statistics.get(architectures.input_of(layer_type)),
                cell.method.of(layer_type),
                cell.pattern_in(name),
                centred=architectures.is_centred(layer_type),
                generator=generator_of(cell.seed, full),
            )
        yield layer, full, result


def generator_of(seed: int, layer: str) -> torch.Generator:
    """Random numbers of a layer: they depend on the seed and its name, not on what ran before."""
    digest = hashlib.sha256(f"{seed} {layer}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
