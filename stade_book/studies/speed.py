"""What zeros gain in time: dense products and those of torch's sparse formats, side by side.

One linear layer (`timed`) or a whole model (`timed_model`). Each way is timed in turn with the
dense product of the same weights, in the same loop, so that what the machine does besides falls on
both; what is compared is the median of the pairs' ratios.
"""

import copy
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stade_nb.errors import StadeError, unknown
from stade_nb.models import architectures, blockwise
from stade_nb.numerics import masks
from stade_nb.numerics.masks import Pattern

Product = Callable[[Tensor], Tensor]


class Timing(NamedTuple):
    """One way to compute a layer, beside the dense one.

    seconds, dense: medians. ratio: the median over pairs of dense seconds over its own, so that
    more than 1 is faster than dense. setup: seconds, once. error: the largest difference from the
    dense output, over the largest output.
    """

    seconds: float
    dense: float
    ratio: float
    setup: float
    error: float


def pruned_weight(shape: tuple[int, int], pattern: str | Pattern, seed: int = 0) -> Tensor:
    """A random weight, (out, in) float32, without its smallest entries as `pattern` has it."""
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return weight.masked_fill(masks.select(weight.abs(), masks.parse_pattern(pattern)), 0)


def _dense(weight: Tensor, bias: Tensor) -> Product:
    return lambda x: nn.functional.linear(x, weight, bias)


def _csr(weight: Tensor, bias: Tensor) -> Product:
    stored = weight.to_sparse_csr()
    return lambda x: torch.addmm(bias[:, None], stored, x.T).T


def _coo(weight: Tensor, bias: Tensor) -> Product:
    stored = weight.to_sparse_coo()
    return lambda x: torch.sparse.addmm(bias[:, None], stored, x.T).T


def _semi_structured(weight: Tensor, bias: Tensor) -> Product:
    stored = torch.sparse.to_sparse_semi_structured(weight)
    return lambda x: nn.functional.linear(x, stored, bias)


WAYS: dict[str, Callable[[Tensor, Tensor], Product]] = {
    "CSR": _csr,
    "COO": _coo,
    "semi-structured": _semi_structured,
}


def possible(way: str, pattern: str | Pattern, device: str | torch.device) -> bool:
    """Whether torch has a way for the pattern there: semi-structured is for 2:4 on a GPU alone.

    StadeError for an unknown way.

    >>> [possible("semi-structured", p, "cuda") for p in ("2:4", "4:8", "0.5")]
    [True, False, False]
    """
    if way not in WAYS:
        raise unknown("way", way, WAYS)
    parsed = masks.parse_pattern(pattern)
    groups = (parsed.n, parsed.m) == (2, 4)
    return way != "semi-structured" or (groups and torch.device(device).type == "cuda")


def timed(
    way: str,
    weight: Tensor,
    bias: Tensor,
    tokens: int,
    repetitions: int = 5,
) -> Timing:
    """`way` beside the dense product of `weight`, (out, in), for so many tokens.

    bias: (out,), such as Eq. 7 corrects, part of both. StadeError for an unknown way, no tokens
    and no repetitions.
    """
    if tokens < 1:
        raise StadeError(f"{tokens} tokens: expected 1 or more")
    x = torch.randn(tokens, weight.shape[1], generator=torch.Generator().manual_seed(tokens))
    dense = _dense(weight, bias)
    return _beside(way, dense, lambda: WAYS[way](weight, bias), x.to(weight), repetitions)


class SparseLinear(nn.Module):
    """A linear layer that computes its product in one of `WAYS`; weight (out, in), bias (out,)."""

    def __init__(self, way: str, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.product = WAYS[way](weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return self.product(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


def sparse_model(model: nn.Module, way: str) -> nn.Module:
    """The model with every linear layer of its blocks in `way`; what is dense in both is shared."""
    shared = copy.deepcopy(model, {id(one): one for one in model.parameters()})
    for block in architectures.blocks(shared):
        for name, layer in architectures.linear_layers(block).items():
            bias = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
            block.set_submodule(name, SparseLinear(way, layer.weight, bias))
    return shared


def timed_model(way: str, model: nn.Module, ids: Tensor, repetitions: int = 3) -> Timing:
    """`way` in a whole pruned model beside the dense products: one forward pass over `ids`.

    ids: (windows, tokens). Attention, norms and the head are in both, as they are. `error` is of
    the logits. StadeError for an unknown way and no repetitions.
    """

    def reads(one: nn.Module) -> Product:
        return lambda ids: one(input_ids=ids, use_cache=False).logits

    with blockwise.evaluating(model):
        return _beside(way, reads(model), lambda: reads(sparse_model(model, way)), ids, repetitions)


def _beside(
    way: str, dense: Product, make: Callable[[], Product], x: Tensor, repetitions: int
) -> Timing:
    """What `make` returns, in turn with `dense`, on the same `x`."""
    if way not in WAYS:
        raise unknown("way", way, WAYS)
    if repetitions < 1:
        raise StadeError(f"{repetitions} repetitions: expected 1 or more")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch calls its formats prototypes
        setup, sparse = clocked(make, x.device)
        # The first calls choose kernels and allocate.
        expected, found = dense(x), sparse(x)
        error = float((found - expected).abs().max() / expected.abs().max())
        pairs = [
            [clocked(lambda f=f: f(x), x.device)[0] for f in (dense, sparse)]
            for _ in range(repetitions)
        ]
    ratio = statistics.median(one / other for one, other in pairs)
    dense_seconds, seconds = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Timing(seconds, dense_seconds, ratio, setup, error)


def clocked(call: Callable[[], object], device: torch.device) -> tuple[float, object]:
    """Seconds that a call takes, and what it returns.

    On a CPU processor time, of all threads together, so that other work on the machine is not
    counted; on a GPU time on the clock, the device's own included.
    """
    if device.type != "cuda":
        start = time.process_time()
        found = call()
        return time.process_time() - start, found
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    found = call()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start, found


@contextmanager
def one_thread() -> Iterator[None]:
    """On a CPU torch computes with one thread inside, so that processor time is time on a clock."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
