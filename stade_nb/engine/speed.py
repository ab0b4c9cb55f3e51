"""What zeros gain in time: one linear layer's product, dense and in the sparse formats of torch.

Each way is timed in turn with the dense product of the same weight, in the same loop, so that what
the machine does besides falls on both; what is compared is the median of the pairs' ratios.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stade_nb.errors import StadeError, unknown
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
    if way not in WAYS:
        raise unknown("way", way, WAYS)
    if tokens < 1 or repetitions < 1:
        raise StadeError(f"{tokens} tokens, {repetitions} repetitions: expected 1 or more of each")
    x = torch.randn(tokens, weight.shape[1], generator=torch.Generator().manual_seed(tokens))
    x = x.to(weight)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch calls its formats prototypes
        setup, sparse = _clocked(lambda: WAYS[way](weight, bias), weight.device)
        dense = _dense(weight, bias)
        # The first calls choose kernels and allocate.
        expected, found = dense(x), sparse(x)
        error = float((found - expected).abs().max() / expected.abs().max())
        pairs = [
            [_clocked(lambda f=f: f(x), weight.device)[0] for f in (dense, sparse)]
            for _ in range(repetitions)
        ]
    ratio = statistics.median(one / other for one, other in pairs)
    dense_seconds, seconds = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Timing(seconds, dense_seconds, ratio, setup, error)


def _clocked(call: Callable[[], object], device: torch.device) -> tuple[float, object]:
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
