"""The benchmarks measure what they say."""

import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_models import build, windows

from stade_nb import architectures, perplexity
from stade_nb.cells import DENSE, Cell

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder's modules, importable as when a script of it runs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("sweep", "floor", "parts"):
        sys.modules.pop(name, None)


def test_the_papers_cells(benchmarks):
    import sweep

    model = build("llama")
    assert len(set(sweep.table(3, []))) == 10
    assert len(set(sweep.table(2, architectures.layer_types(model)))) == 126


def test_operations_are_those_of_the_matrix_products(benchmarks):
    """Dense: counted by hand, and by torch where it counts the same products."""
    import floor
    from torch.utils.flop_counter import FlopCounterMode

    model, ids = build("llama"), windows(4)
    attention, gated = 2 * 32 * 32 + 2 * 32 * 16, 3 * 32 * 48
    linear = 3 * 2 * 64 * (attention + gated) + 2 * 64 * 32 * 64
    square = 3 * 2 * 64 * 32 * 16  # half of what a full square of attention takes
    assert floor.operations(model, [DENSE], {}, ids) == linear + square
    with FlopCounterMode(display=False) as counter, architectures.evaluating(model):
        model(input_ids=ids)
    counted = {str(op): n for op, n in counter.get_flop_counts()["Global"].items()}
    assert sum(n for op, n in counted.items() if "mm" in op) == linear
    cells = [Cell("magnitude", "0.5"), Cell("wanda", "0.5")]
    blocks = linear + square - 2 * 64 * 32 * 64
    found = floor.operations(model, cells, {0: ids}, ids)
    assert found == pytest.approx(2 * (linear + square) + blocks * (1 + 2 / 3))
    assert floor.rate(model, 64, torch.device("cpu"), 0.01) > 0


def test_parts_add_up(benchmarks, monkeypatch):
    import parts

    own = perplexity.losses_of
    start = time.perf_counter()
    with parts.by_part(torch.device("cpu")) as seconds:
        assert perplexity.losses_of is not own
        time.sleep(0.02)
        perplexity.window_losses(build("llama"), windows(4))
    assert perplexity.losses_of is own
    assert seconds["losses"] > 0 and seconds[parts.OTHER] > 0.02
    assert 0.02 < sum(seconds.values()) <= time.perf_counter() - start
