"""The loop over a model's blocks, with and without the step that hands a block's outputs on.

Version 1 of the public code, as far as it can be read (it lacks files and cannot run a model),
never makes a block's outputs the next block's inputs: every block is shown what enters the first.
"""

from typing import NamedTuple

import pandas
import torch
from torch import Tensor, nn

from stade_nb.engine import pruning
from stade_nb.engine.plain import restore, snapshot
from stade_nb.evaluation.perplexity import perplexity, window_losses
from stade_nb.models import architectures
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.moments import Moments


def prune(
    model: nn.Module,
    ids: Tensor,
    method: str,
    pattern: str | float | Pattern,
    *,
    hand_on: bool,
    batch_size: int = 8,
) -> dict[str, Moments]:
    """Section 2's loop in as few lines as it takes; without `hand_on`, as version 1 reads.

    Prunes `model` in place and returns the moments that each layer was pruned by, by full name.
    ids: (windows, tokens). With `hand_on` it does what `pruning.prune_model` does.
    """
    needs, seen = frozenset({"moments"}), {}
    types = architectures.layer_types(model)
    with architectures.evaluating(model):
        inputs, arguments = pruning.enter_all(model, ids, batch_size)
        names, blocks = architectures.block_names(model), architectures.blocks(model)
        for index, (name, block) in enumerate(zip(names, blocks, strict=True)):

            def run(hidden, block=block, index=index):
                return architectures.run_block(block, hidden, arguments[hidden.shape][index])

            with pruning.gathering(block, types, name, needs) as statistics:
                for hidden in inputs:
                    run(hidden)
            pruned = pruning.block_results(
                block, types, name, statistics, method, pattern, "row", 0
            )
            for layer, full, result in pruned:
                pruning.replace(layer, result)
                seen[full] = statistics[architectures.input_of(full.removeprefix(f"{name}."))]
            if hand_on:
                inputs = [run(hidden) for hidden in inputs]
    return seen


class Compared(NamedTuple):
    """Both loops: perplexities after pruning, and `statistics`, a row for each layer.

    statistics: columns block, layer; ratio, the median over input features of the root mean square
    that the loop without handing on works with, over that of the right loop; correlation of their
    logarithms over the features (1 where both rank the inputs alike).
    """

    right: float
    nothing_handed_on: float
    statistics: pandas.DataFrame


def compared(
    model: nn.Module,
    calibration_ids: Tensor,
    evaluation_ids: Tensor,
    method: str,
    pattern: str | float | Pattern,
    batch_size: int = 8,
) -> Compared:
    """Prune with either loop and evaluate; `model` is left as it was. ids: (windows, tokens)."""
    dense, perplexities, seen = snapshot(model), [], []
    for hand_on in (True, False):
        moments = prune(
            model, calibration_ids, method, pattern, hand_on=hand_on, batch_size=batch_size
        )
        perplexities.append(perplexity(window_losses(model, evaluation_ids, batch_size)))
        seen.append(moments)
        restore(model, dense)
    return Compared(*perplexities, _statistics(model, *seen))


def _statistics(
    model: nn.Module, right: dict[str, Moments], other: dict[str, Moments]
) -> pandas.DataFrame:
    rows = []
    for index, name in enumerate(architectures.block_names(model)):
        for layer_type in architectures.layer_types(model):
            full = f"{name}.{layer_type}"
            both = torch.stack([right[full].second_moment, other[full].second_moment])
            # A feature that is always zero (ReLU) has no logarithm.
            both = both[:, (both > 0).all(dim=0)].log() / 2
            ratio, alike = (both[1] - both[0]).median().exp(), torch.corrcoef(both)[0, 1]
            rows.append((index, layer_type, float(ratio), float(alike)))
    return pandas.DataFrame(rows, columns=["block", "layer", "ratio", "correlation"])
