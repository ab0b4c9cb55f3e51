"""The least time a table could take: floating-point operations over the rate of a large product."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stade_nb.engine import arithmetic
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.models import architectures


def operations(
    model: nn.Module,
    cells: Sequence[Cell],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
) -> float:
    """`arithmetic.operations` of the cells, all of them, for the windows as drawn.

    Each seed's windows are as many as any other's.
    """
    calibration = [Windows("drawn", *ids.shape) for ids in calibration_ids.values()]
    evaluation = Windows("drawn", *evaluation_ids.shape)
    setting = Setting(calibration[0] if calibration else None, evaluation, None)
    return arithmetic.operations(model, cells, setting).total


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
