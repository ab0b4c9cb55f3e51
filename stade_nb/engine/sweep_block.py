"""One block at a time: brought to the device, watched, and for a while in pruned weights."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from stade_nb.engine import pruning
from stade_nb.engine.sweep_state import Block, Enough, Room, Stream
from stade_nb.models import architectures
from stade_nb.numerics.methods import LayerResult
from stade_nb.numerics.moments import Moments


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


def statistics(
    block: Block,
    stream: Stream,
    wanted: dict[frozenset[str], list[str]],
    room: Room,
    keep: bool = False,
) -> dict[frozenset[str], dict[str, Moments]]:
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
        hooks.enter_context(_ending_after(block.module, inputs))
        stream.show(block, room, keep)
    return found


@contextmanager
def _ending_after(block: nn.Module, types: set[str]) -> Iterator[None]:
    """`Enough` is raised as soon as the layers of all `types` have got their inputs."""
    seen: set[str] = set()

    def watcher(layer_type: str):
        def watch(*_) -> None:
            seen.add(layer_type)
            if seen == types:
                seen.clear()
                raise Enough

        return watch

    hooks = [block.get_submodule(each).register_forward_pre_hook(watcher(each)) for each in types]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def wearing(results: dict[nn.Linear, LayerResult]) -> Iterator[None]:
    """The layers have their pruned weights and biases inside, and their own again afterwards."""
    own = [(layer, layer.weight, layer.bias) for layer in results]
    try:
        for layer, result in results.items():
            layer.weight = nn.Parameter(result.weight, requires_grad=False)
            bias = result.bias
            layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        yield
    finally:
        for layer, weight, bias in own:
            layer.weight, layer.bias = weight, bias
