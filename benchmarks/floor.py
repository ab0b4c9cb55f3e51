"""The least time a table could take: floating-point operations over the rate of a large product."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stade_nb.engine import effort
from stade_nb.engine.cell import Cell
from stade_nb.models import architectures


def operations(
    model: nn.Module,
    cells: Sequence[Cell],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
) -> float:
    """Of each cell, two passes of its calibration windows, where it has any, and an evaluation.

    One of the two passes ends before the last block, whose output nobody needs. Counted are the
    matrix products of linear layers, of causal attention (half a square) and of the head.
    """
    stack = architectures.blocks(model)

    def passes(ids: Tensor, blocks: int) -> float:
        return sum(effort.of_block(block, ids) for block in stack[:blocks])

    everything = len(stack)
    head = effort.of_head(model, evaluation_ids)
    found = 0.0
    for cell in cells:
        found += passes(evaluation_ids, everything) + head
        if cell.needs_calibration:
            ids = calibration_ids[cell.seed]
            found += passes(ids, everything) + passes(ids, everything - 1)
    return found


def rate(model: nn.Module, rows: int, device: torch.device, seconds: float = 1.0) -> float:
    """Operations per second of the model's largest layer on `rows` tokens, best of many runs."""
    layers = architectures.linear_layers(architectures.blocks(model)[0]).values()
    out, inputs = max((layer.weight.shape for layer in layers), key=torch.Size.numel)
    x = torch.randn(rows, inputs, device=device).to(model.dtype)
    weight = torch.randn(out, inputs, device=device).to(model.dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        nn.functional.linear(x, weight)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inputs * out / best
