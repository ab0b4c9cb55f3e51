"""What enters each linear layer of a dense model, and what pruning that layer does to its output.

Both are of the model as it is, nothing pruned before the layer, so that one reading of the
calibration windows serves every way to prune.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from stade_book.studies.ladder import layer_loss
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.models import architectures, blockwise, token_ids
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

STUDY = "layer inputs"  # what the fields of its records say
# Of a distribution over a layer's inputs these shares are kept: every twentieth.
SHARES = [k / 20 for k in range(21)]
TAIL = 6.0  # so many standard deviations from the mean are the tail


@dataclass
class Shape:
    """How the inputs of a layer are spread about their means, over the tokens seen.

    moments: of each input. fourth: (in,), the sum of ((x - mean) / sigma)⁴. tail: how many of all
    numbers are more than `TAIL` sigma from their mean.
    """

    moments: Moments
    fourth: Tensor
    tail: int = 0

    def update(self, x: Tensor) -> None:
        """Add tokens, (..., in), which `moments` has seen already."""
        rows = x.detach().flatten(0, -2).to(torch.float64)
        z = (rows - self.moments.mean) * self.moments.variance.clamp_min(1e-300).rsqrt()
        self.fourth += z.square().square().sum(0)
        self.tail += (z.abs() > TAIL).sum()

    def described(self) -> dict:
        """Quantiles over the inputs, by `SHARES`, and the tail as a share of all numbers.

        ratio: |mean| / sigma. kurtosis: 3 for normal inputs. variance: of each input.
        """
        varies = self.moments.variance > 0
        sigma = self.moments.variance[varies].sqrt()
        found = {
            "ratio": self.moments.mean[varies].abs() / sigma,
            "kurtosis": self.fourth[varies] / self.moments.count,
            "variance": sigma.square(),
        }
        levels = torch.tensor(SHARES, dtype=torch.float64, device=sigma.device)
        quantiles = {name: rounded(torch.quantile(all_, levels)) for name, all_ in found.items()}
        numbers = self.moments.count * len(varies)
        return quantiles | {"tail": float(self.tail) / numbers, "constant": int((~varies).sum())}


def rounded(values: Tensor) -> list[float]:
    """Four digits are enough to show, and keep a record small."""
    return [float(f"{value:.4g}") for value in values.tolist()]


def by_block(
    model: nn.Module, ids: Tensor, cells: Sequence[Cell] = (), batch_size: int = 8
) -> Iterator[tuple[dict, dict]]:
    """For each block what its layers' inputs are like, and what each cell costs there.

    ids: (windows, tokens). The first of the pair, by the layer type whose input it is (see
    `architectures.input_of`): "all" tokens and the "rest" without each window's first, as
    `Shape.described` has them; behind v_proj also "values", the mean norm of a value vector at a
    window's first token and at the others. The second, by layer type: a number for each cell,
    E‖Wx - W*x - (b* - b)‖² / E‖Wx‖² over all tokens. StadeError where windows or cells do not fit
    the model.
    """
    token_ids.check_windows(model, ids)
    for cell in cells:
        pruning.check(model, ids, cell)
    names = architectures.block_names(model)
    with blockwise.evaluating(model):
        batches, arguments = pruning.enter_all(model, ids, batch_size)
        for index, (name, block) in enumerate(zip(names, architectures.blocks(model), strict=True)):
            run = partial(passed, block, index, batches, arguments)
            types = architectures.chosen_in(block, "all")
            with pruning.gathering(block, types, name, Needs.GRAM) as moments:
                rest, _ = watched(block, moments, ids.shape[1], rest_moments, run)
            shapes = {kind: (_shape(moments[kind]), _shape(rest[kind].moments)) for kind in moments}
            _, after = watched(block, shapes, ids.shape[1], _Both, run)
            found = {
                kind: {"all": one.described(), "rest": other.described()}
                for kind, (one, other) in shapes.items()
            }
            for kind in moments:
                if kind.endswith(("q_proj", "v_proj")):
                    found[kind]["values"] = _values(block, batches, arguments, index)
            yield found, _errors(block, name, moments, cells, types)
            batches = after


def passed(
    block: nn.Module, index: int, batches: list[Tensor], arguments: dict
) -> Iterator[Tensor]:
    """What a block, the model's number `index`, makes of each batch; see `pruning.enter_all`."""
    for hidden in batches:
        yield blockwise.run_block(block, hidden, arguments[hidden.shape][index])


@dataclass
class Rest:
    """Moments without the first token of each window."""

    moments: Moments

    def update(self, x: Tensor) -> None:
        self.moments.update(x[:, 1:])


def rest_moments(moments: Moments) -> Rest:
    """To gather moments of the same inputs without first tokens, for `watched`."""
    return Rest(Moments.zeros(moments.mean.numel(), moments.mean.device))


def _shape(moments: Moments) -> Shape:
    return Shape(moments, torch.zeros_like(moments.mean))


class _Both:
    """All tokens and the rest, in one hook."""

    def __init__(self, pair: tuple[Shape, Shape]) -> None:
        self.pair = pair

    def update(self, x: Tensor) -> None:
        self.pair[0].update(x)
        self.pair[1].update(x[:, 1:])


def watched(block: nn.Module, known: dict, length: int, make, run) -> tuple[dict, list[Tensor]]:
    """Run the block; what `make` makes of each of `known` is updated by that layer's input.

    length: tokens of a window. Returns these, and the block's outputs.
    """
    watchers = {kind: make(one) for kind, one in known.items()}
    with ExitStack() as hooks:
        for kind, watcher in watchers.items():
            layer = block.get_submodule(kind)
            hook = layer.register_forward_pre_hook(
                # OPT's MLP is given the tokens of all windows in a row.
                lambda _, args, w=watcher: w.update(args[0].reshape(-1, length, args[0].shape[-1]))
            )
            hooks.callback(hook.remove)
        return watchers, list(run())


def _values(block: nn.Module, batches: list[Tensor], arguments: dict, index: int) -> list[float]:
    """The mean norm of a value vector, a head's, at the first token of a window and at others."""
    attention = architectures.attention(block)
    sums = torch.zeros(2, dtype=torch.float64, device=batches[0].device)
    width = attention.head_dim

    def watch(_, __, output: Tensor) -> None:
        norms = output.unflatten(-1, (-1, width)).norm(dim=-1).double().mean(-1)
        sums.add_(torch.stack([norms[:, 0].sum(), norms[:, 1:].mean(1).sum()]))

    hook = attention.v_proj.register_forward_hook(watch)
    try:
        for hidden in batches:
            blockwise.run_block(block, hidden, arguments[hidden.shape][index])
    finally:
        hook.remove()
    return rounded(sums / sum(map(len, batches)))


def _errors(
    block: nn.Module, name: str, moments: dict[str, Moments], cells: Sequence[Cell], types: list
) -> dict[str, list[float]]:
    """Each cell's relative squared error in each layer type, see `by_block`."""
    found: dict[str, list[Tensor]] = {kind: [] for kind in types}
    covariance = {kind: one.cross / one.count for kind, one in moments.items()}
    for cell in cells:
        for layer, full, result in pruning.block_results(block, name, moments, cell):
            kind = full.removeprefix(f"{name}.")
            at = moments[architectures.input_of(kind)]
            spread = covariance[architectures.input_of(kind)]
            added = result.bias
            if added is not None and layer.bias is not None:
                added = added - layer.bias
            lost = layer_loss(layer.weight, result.weight, added, at.mean, spread)
            nothing = torch.zeros_like(layer.weight)
            energy = layer_loss(layer.weight, nothing, None, at.mean, spread)
            found[kind].append(lost / energy)
    return {kind: rounded(torch.stack(all_)) if all_ else [] for kind, all_ in found.items()}
