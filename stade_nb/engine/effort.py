"""How long cells will take: the operations of their passes, at a rate that a block has shown.

Counted are the matrix products (see `arithmetic`), which nearly all of the time goes into, and what
choosing weights takes besides, as if it were such products.
"""

import time

import torch
from torch import Tensor, nn

from stade_nb.engine import arithmetic
from stade_nb.engine.cell import Cell
from stade_nb.engine.streams import brought_to, surroundings_on
from stade_nb.models import architectures, blockwise
from stade_nb.numerics.metrics import Needs

# To score, sort and mask one weight takes about as long as so many operations of a product.
_OF_A_MASK = 3_000
# Sums of cross products are in float64, in which products take twice as long.
_OF_FLOAT64 = 2
# What is tried has about so many tokens: enough for the rate of large products, and soon over.
_TOKENS = 1024


def of_block(block: nn.Module, ids: Tensor) -> float:
    """Operations of one pass of `ids`, (windows, tokens), through a block."""
    return arithmetic.of_blocks([block], *ids.shape).total


def of_cell(
    model: nn.Module, cell: Cell, calibration_ids: dict[int, Tensor], evaluation_ids: Tensor
) -> list[float]:
    """Operations of a cell in each block: two calibration passes, an evaluation and its choices.

    Behind the last block no calibration is needed; its logits are counted with it.
    """
    stack = architectures.blocks(model)
    found = [of_block(block, evaluation_ids) for block in stack]
    found[-1] += arithmetic.of_head(model, evaluation_ids.numel())
    for index, block in enumerate(stack):
        layers = architectures.linear_layers(block)
        types = cell.types_in(block)
        found[index] += _OF_A_MASK * sum(layers[each].weight.numel() for each in types)
        if not cell.needs_calibration:
            continue
        ids = calibration_ids[cell.seed]
        found[index] += of_block(block, ids) * (1 if block is stack[-1] else 2)
        if cell.method.needs >= Needs.GRAM:
            found[index] += _OF_FLOAT64 * arithmetic.of_gram([block], cell, ids.numel())
            found[index] += sum(_of_solver(layers[each].weight) for each in types)
    return found


def _of_solver(weight: Tensor) -> float:
    """SparseGPT's: an inverse and two Cholesky factors, and a rank-1 update for each column."""
    out, inputs = weight.shape
    return _OF_FLOAT64 * (2.0 * inputs**3 + 2.0 * out * inputs**2)


def rate(model: nn.Module, ids: Tensor, device: torch.device) -> float:
    """Operations per second of the model's first block on some of `ids`, the second of two runs."""
    few = ids[: max(1, _TOKENS // ids.shape[1])]
    with blockwise.evaluating(model), surroundings_on(model, device):
        hidden, arguments = blockwise.enter(model, few)
        block = brought_to(architectures.blocks(model)[0], device)
        seconds = min(_timed(block, hidden, arguments[0], device) for _ in range(2))
    return of_block(block, few) / seconds


def _timed(block: nn.Module, hidden: Tensor, arguments: dict, device: torch.device) -> float:
    start = time.perf_counter()
    blockwise.run_block(block, hidden, arguments)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return max(time.perf_counter() - start, 1e-9)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> [duration(seconds) for seconds in (0.3, 75, 600, 7000)]
    ['1 s', '75 s', '10 min', '1.9 h']
    """
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
