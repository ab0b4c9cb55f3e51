"""Where time goes: seconds spent in named functions, each without the named ones inside it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import plain
import torch

from stade_nb.engine import pruning, streams, traversal
from stade_nb.evaluation import perplexity
from stade_nb.models import blockwise, loading, windows
from stade_nb.numerics import methods
from stade_nb.numerics.moments import Moments

PARTS = {
    "loading the model": [(loading, "load"), (loading, "fingerprint")],
    "reading texts": [(windows, "calibration_windows"), (windows, "evaluation_windows")],
    "forward passes": [
        (pruning, "enter_all"),
        (blockwise, "run_block"),
        (plain, "window_losses"),
        (streams.Stream, "outputs"),
    ],
    "statistics": [(Moments, "update")],
    "masks and weights": [(methods, "prune_layer")],
    "losses": [(perplexity, "losses_of"), (traversal, "losses_of")],
}
OTHER = "everything else"


@contextmanager
def by_part(device: torch.device) -> Iterator[dict[str, float]]:
    """Seconds by part of what runs inside; `OTHER` is what none of the named functions does."""
    seconds = dict.fromkeys([*PARTS, OTHER], 0.0)
    running = [OTHER]
    last = time.perf_counter()

    def switch() -> None:
        nonlocal last
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = time.perf_counter()
        seconds[running[-1]] += now - last
        last = now

    def watched(part: str, function: Callable) -> Callable:
        @wraps(function)
        def call(*args, **kwargs):
            switch()
            running.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                switch()
                running.pop()

        return call

    own = [
        (place, name, part, getattr(place, name))
        for part, functions in PARTS.items()
        for place, name in functions
    ]
    for place, name, part, function in own:
        setattr(place, name, watched(part, function))
    try:
        yield seconds
    finally:
        switch()
        for place, name, _, function in own:
            setattr(place, name, function)
