"""A whole model pruned block by block: the plain path that every faster one is compared with."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import DynamicCache

from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics import masks, methods
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.moments import Moments


@dataclass(frozen=True)
class LayerReport:
    """One pruned layer: its zeros, its number of weights, and the bias values it did not have."""

    zeros: int
    size: int
    added_bias: int


def prune_model(
    model: nn.Module,
    calibration_ids: Tensor | None,
    method: str,
    pattern: str | float | Pattern,
    *,
    layers: str | list[str] | tuple[str, ...] = "all",
    scope: str = "row",
    seed: int = 0,
    batch_size: int = 8,
    progress: bool = False,
    count_biases: bool = False,
    share_cache: bool = False,
) -> dict[str, LayerReport]:
    """Section 4's procedure, after Wanda: prune `model` in place, one block after the other.

    A block's statistics come from one pass of all windows through that block, still unpruned,
    behind the blocks already pruned. calibration_ids: (windows, tokens), or None for a method that
    looks at weights only. layers: "all", a layer type or several. seed: for the method "random".
    count_biases: prune one more weight for each bias that is added, see `methods.prune_layer`.
    share_cache: to compare with runs that have this fault, see `sharing_one_cache`.
    Returns a report for each pruned layer by its full name, in module order. StadeError, and
    nothing pruned, where method, pattern, layers and windows do not fit the model.
    """
    chosen, pattern = methods.method(method), masks.parse_pattern(pattern)
    check(model, calibration_ids, method, pattern, layers, scope, count_biases)
    stack, names = architectures.blocks(model), architectures.block_names(model)
    types = architectures.chosen_types(model, layers)
    reports = {}
    with architectures.evaluating(model):
        batches, arguments = [], {}
        if chosen.needs:
            at_once = 1 if share_cache else batch_size
            batches, arguments = enter_all(model, calibration_ids, at_once)
            if share_cache:
                arguments = sharing_one_cache(model, arguments)
        for index, name in enumerate(tqdm(names, desc=str(method), disable=not progress)):
            block = stack[index]
            with gathering(block, types, name, chosen.needs) as statistics:
                for hidden in batches:
                    architectures.run_block(block, hidden, arguments[hidden.shape][index])
            how = method, pattern, scope, seed, count_biases
            results = block_results(block, types, name, statistics, *how)
            for layer, full, result in results:
                reports[full] = replace(layer, result)
            # In place, batch by batch: two copies of all hidden states would be the peak of memory.
            for at, hidden in enumerate(batches if index + 1 < len(stack) else ()):
                batches[at] = architectures.run_block(block, hidden, arguments[hidden.shape][index])
    return reports


def check(
    model: nn.Module,
    calibration_ids: Tensor | None,
    method: str,
    pattern: str | float | Pattern,
    layers: str | list[str] | tuple[str, ...] = "all",
    scope: str = "row",
    count_biases: bool = False,
) -> None:
    """StadeError where `prune_model` could not do what these arguments ask of it."""
    chosen, pattern = methods.method(method), masks.parse_pattern(pattern)
    masks.check_scope(scope)
    if count_biases:
        masks.check_extra(pattern)
    types = architectures.chosen_types(model, layers)
    for name, block in zip(
        architectures.block_names(model), architectures.blocks(model), strict=True
    ):
        for layer_type in types:
            columns = block.get_submodule(layer_type).in_features
            masks.check_groups(columns, pattern, f"{name}.{layer_type}")
    if chosen.needs:
        if calibration_ids is None:
            raise StadeError(
                f"method {chosen.name!r} without calibration windows: expected token ids, "
                "(windows, tokens); see stade_nb.models.corpora.calibration_windows"
            )
        architectures.check_windows(model, calibration_ids)


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
    for part in ids.split(batch_size):
        hidden, by_block = architectures.enter(model, part)
        batches.append(keep(hidden))
        arguments.setdefault(hidden.shape, by_block)
    return batches, arguments


def sharing_one_cache(
    model: nn.Module, arguments: dict[torch.Size, list[dict]]
) -> dict[torch.Size, list[dict]]:
    """`arguments` of `enter_all`, one window a batch, with one key-value cache for all windows.

    A loop that captures a block's keyword arguments once and hands on all of them, where nobody
    has switched caches off, hands on the cache of that pass too: later windows then attend to the
    first one and not to themselves. No way to calibrate, but one that reference values were made.
    """
    cache = {"past_key_values": DynamicCache(config=model.config), "use_cache": True}
    return {shape: [kwargs | cache for kwargs in by_block] for shape, by_block in arguments.items()}


@contextmanager
def gathering(
    block: nn.Module, types: list[str], name: str, needs: frozenset[str]
) -> Iterator[dict[str, Moments]]:
    """Gather `Moments` of what reaches the block's linear layers while it runs inside the context.

    Yields them by the layer type whose input it is (see `architectures.input_of`); empty where
    `needs` is empty. needs: of a method, "moments" and "gram". StadeError, naming the layer, where
    `Moments.update` has one.
    """
    wanted = dict.fromkeys(map(architectures.input_of, types)) if needs else {}
    layers = {layer_type: block.get_submodule(layer_type) for layer_type in wanted}
    statistics = {
        layer_type: Moments.zeros(layer.in_features, layer.weight.device, gram="gram" in needs)
        for layer_type, layer in layers.items()
    }

    def watcher(layer_type: str):
        def update(_, args):
            try:
                statistics[layer_type].update(args[0])
            except StadeError as error:
                raise StadeError(f"layer '{name}.{layer_type}': {error}") from error

        return update

    hooks = [
        layer.register_forward_pre_hook(watcher(layer_type)) for layer_type, layer in layers.items()
    ]
    try:
        yield statistics
    finally:
        for hook in hooks:
            hook.remove()


def block_results(
    block: nn.Module,
    types: list[str],
    name: str,
    statistics: dict[str, Moments],
    method: str,
    pattern: str | float | Pattern,
    scope: str,
    seed: int,
    count_biases: bool = False,
) -> Iterator[tuple[nn.Linear, str, methods.LayerResult]]:
    """Each of the block's layers of `types`, its full name and what pruning makes of it.

    name: of the block. statistics: from `gathering`. The layers themselves are left alone.
    """
    for layer_type in types:
        layer, full = block.get_submodule(layer_type), f"{name}.{layer_type}"
        result = methods.prune_layer(
            layer.weight,
            layer.bias,
            statistics.get(architectures.input_of(layer_type)),
            method,
            pattern,
            centred=architectures.is_centred(layer_type),
            scope=scope,
            generator=generator_of(seed, full),
            layer=full,
            count_biases=count_biases,
        )
        yield layer, full, result


def generator_of(seed: int, layer: str) -> torch.Generator:
    """Random numbers of a layer: they depend on the seed and its name, not on what ran before."""
    digest = hashlib.sha256(f"{seed} {layer}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@torch.no_grad()
def replace(layer: nn.Linear, result: methods.LayerResult) -> LayerReport:
    """Put a pruned weight, and bias where there is one, into `layer`."""
    report = report_of(layer, result)
    layer.weight.copy_(result.weight)
    if result.bias is not None and layer.bias is None:
        layer.bias = nn.Parameter(result.bias, requires_grad=layer.weight.requires_grad)
    elif result.bias is not None:
        layer.bias.copy_(result.bias)
    return report


def report_of(layer: nn.Linear, result: methods.LayerResult) -> LayerReport:
    """The report of a layer, not changed yet, and of what takes its place."""
    added = result.bias.numel() if result.bias is not None and layer.bias is None else 0
    return LayerReport(int((result.weight == 0).sum()), result.weight.numel(), added)
