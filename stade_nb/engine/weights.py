"""What pruning puts into a model's layers, and how they get their own weights and biases back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stade_nb.engine.report import LayerReport
from stade_nb.models import architectures
from stade_nb.numerics.methods import LayerResult

# The linear layers of a model with their weights, and biases or None.
Snapshot = list[tuple[nn.Linear, Tensor, Tensor | None]]


def replace(layer: nn.Linear, result: LayerResult) -> LayerReport:
    """Put a pruned weight, and bias where there is one, into `layer`."""
    report = report_of(layer, result)
    put(layer, result.weight, result.bias)
    return report


@torch.no_grad()
def put(layer: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    """Copy a weight, (out, in), and a bias, (out,), where there is one, into `layer`."""
    layer.weight.copy_(weight)
    if bias is not None and layer.bias is None:
        with torch.inference_mode(False):  # or it could not be changed outside of that mode
            layer.bias = nn.Parameter(bias.to(layer.weight).clone(), layer.weight.requires_grad)
    elif bias is not None:
        layer.bias.copy_(bias)


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


def report_of(layer: nn.Linear, result: LayerResult) -> LayerReport:
    """The report of a layer, not changed yet, and of what takes its place."""
    added = result.bias.numel() if result.bias is not None and layer.bias is None else 0
    return LayerReport(int((result.weight == 0).sum()), result.weight.numel(), added)


def snapshot(model: nn.Module) -> Snapshot:
    """The weights and biases that pruning may change, in host memory: a GPU has no second room."""

    def kept(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.detach().to("cpu", copy=True)

    return [
        (layer, kept(layer.weight), kept(layer.bias))
        for _, _, layer in architectures.named_layers(model)
    ]


@torch.no_grad()
def restore(dense: Snapshot) -> None:
    """Put a snapshot's weights and biases back; biases that were added go."""
    for layer, weight, _ in dense:
        layer.weight.copy_(weight)
    drop_biases(dense)


@torch.no_grad()
def drop_biases(dense: Snapshot) -> None:
    """Undo Eq. 7 on a pruned model: biases that were added go, others get their old values back.

    dense: from `snapshot`, before pruning. For an architecture without biases, such as Llama, this
    is what saving the pruned model and loading it with its old configuration does.
    """
    for layer, _, bias in dense:
        if bias is None:
            layer.bias = None
        else:
            layer.bias.copy_(bias)
