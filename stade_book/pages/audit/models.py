"""The loop over a model's blocks, with and without the step that hands a block's outputs on.

Version 1 of the public code, as far as it can be read (it lacks files and cannot run a model),
never makes a block's outputs the next block's inputs: every block is shown what enters the first.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import pandas
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from stade_book.theory.many_weights import AnyPattern
from stade_nb.engine import pruning, weights
from stade_nb.engine.cell import Cell
from stade_nb.engine.weights import restore, snapshot
from stade_nb.evaluation.perplexity import losses_of, perplexity, perplexity_of
from stade_nb.models import architectures, blockwise, saving
from stade_nb.numerics.moments import Moments


def prune(
    model: nn.Module,
    ids: Tensor,
    method: str,
    pattern: AnyPattern,
    *,
    hand_on: bool,
    batch_size: int = 8,
) -> dict[str, Moments]:
    """Section 2's loop in as few lines as it takes; without `hand_on`, as version 1 reads.

    Prunes `model` in place and returns the moments that each layer was pruned by, by full name.
    ids: (windows, tokens). With `hand_on` it does what `pruning.prune_model` does.
    """
    cell, seen = Cell(method, pattern), {}
    types = architectures.layer_types(model)
    with blockwise.evaluating(model):
        inputs, arguments = pruning.enter_all(model, ids, batch_size)
        names, blocks = architectures.block_names(model), architectures.blocks(model)
        for index, (name, block) in enumerate(zip(names, blocks, strict=True)):

            def run(hidden, block=block, index=index):
                return blockwise.run_block(block, hidden, arguments[hidden.shape][index])

            with pruning.gathering(block, types, name, cell.method.needs) as statistics:
                for hidden in inputs:
                    run(hidden)
            for layer, full, result in pruning.block_results(block, name, statistics, cell):
                weights.replace(layer, result)
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
    pattern: AnyPattern,
    batch_size: int = 8,
) -> Compared:
    """Prune with either loop and evaluate; `model` is left as it was. ids: (windows, tokens)."""
    dense, perplexities, seen = snapshot(model), [], []
    for hand_on in (True, False):
        moments = prune(
            model, calibration_ids, method, pattern, hand_on=hand_on, batch_size=batch_size
        )
        perplexities.append(perplexity(model, evaluation_ids, batch_size))
        seen.append(moments)
        restore(dense)
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


@torch.no_grad()
def reloaded(model: nn.Module, tokenizer: object, ids: Tensor) -> pandas.DataFrame:
    """Save a pruned `model`, whose biases Eq. 7 corrected, in two ways and load it again from each.

    ids: (windows, tokens), to compare on. Rows: "not yet"; "plain" (`save_pretrained` with the
    model's own configuration, which for Llama announces no biases); "announced" (`saving.save`).
    Columns: saved; biases, how many corrected layers have one after the reload; of, how many had
    one before; unexpected, stored tensors that the reload had no place for; difference, the
    largest of any logit; perplexity on `ids`.
    """
    before = model(ids).logits
    corrected = _biased(model)
    there, level = [len(corrected)] * 2, perplexity_of(losses_of(before, ids))
    rows = [("not yet", *there, 0, 0.0, level)]
    ways = {
        "plain": model.save_pretrained,
        "announced": lambda path: saving.save(model, tokenizer, path),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, save in ways.items():
            path = Path(folder) / name
            with saving.quiet():
                save(path)
                again, found = AutoModelForCausalLM.from_pretrained(
                    path, dtype=before.dtype, output_loading_info=True
                )
            kept = len(_biased(again) & corrected), len(corrected)
            after = again.to(before.device).eval()(ids).logits
            gap = float((after - before).abs().max())
            level, unexpected = perplexity_of(losses_of(after, ids)), len(found["unexpected_keys"])
            rows.append((name, *kept, unexpected, gap, level))
    columns = ["saved", "biases", "of", "unexpected", "difference", "perplexity"]
    return pandas.DataFrame(rows, columns=columns)


def _biased(model: nn.Module) -> set[str]:
    """The names of the linear layers that have a bias."""
    linear = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear))
    return {name for name, module in linear if module.bias is not None}
