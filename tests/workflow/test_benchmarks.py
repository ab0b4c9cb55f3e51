"""The benchmarks measure what they say."""

import copy
import json
import sys
import time

import pytest
import torch
from tiny_models import build, windows

from stade_nb.engine.cell import DENSE, Cell
from stade_nb.evaluation import perplexity
from stade_nb.models import architectures, blockwise
from workflow import ROOT

FOLDER = ROOT / "benchmarks"
WAYS = ("engine", "public")


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder's modules, importable as when a script of it runs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("sweep", "floor", "parts", "forward", "public", "write_readme"):
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
    with FlopCounterMode(display=False) as counter, blockwise.evaluating(model):
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


def test_the_public_loop_is_wandas(benchmarks):
    """Its masks are the engine's, and so are its perplexities, cell by cell."""
    import public

    model, ids = build("llama"), windows(6)
    before = copy.deepcopy(model.state_dict())
    found = public.beside(model, ids, ids, 4)
    assert len(found["cells"]) == 7 and found["cells"][0].startswith("dense")
    ways = [dict(zip(found["cells"], found[way]["perplexities"], strict=True)) for way in WAYS]
    # The public code sets one weight more of a matrix to zero: it takes those at the threshold.
    one_more = [way.pop("magnitude 0.5") for way in ways]
    assert one_more[0] == pytest.approx(one_more[1], rel=0.02) and one_more[0] != one_more[1]
    assert ways[0] == pytest.approx(ways[1], rel=1e-5)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    shown = public.shown(found | {"unit": "s"})
    assert shown.startswith("7 cells of Table 3 take") and "goal of 2 times" in shown
    with blockwise.evaluating(model):
        public.public(model, ids, ids, Cell("wanda", "4:8"))
    layers = [layer for _, _, layer in architectures.named_layers(model)]
    assert all(int((layer.weight == 0).sum()) == layer.weight.numel() // 2 for layer in layers)


def test_rates_of_passes(benchmarks):
    import forward

    model, ids = build("llama"), windows(6)
    with blockwise.evaluating(model):
        passes = forward.measure(model, ids, 4)
    assert all(way["rate"] > 0 and way["least"] <= way["seconds"] for way in passes.values())


def stored(name):
    way = {
        "seconds": 30.0,
        "processor": 20.0,
        "parts": {"statistics": 5.0, "forward passes": 15.0},
        "host": 300 * 2**20,
        "device": 0,
        "perplexities": [10.0, 20.0],
    }
    engine = way | {"seconds": 7.5, "perplexities": [10.0, 20.0001]}
    floor = {"operations": 1e9, "rate": 1e9, "seconds": 1.0, "held": 2**20}
    names = ("model", "windows", "machine", "versions", "date", "commit")
    content = {"about": {key: f"{key} of {name}" for key in names}}
    ways = {"each cell by itself": way, "engine": engine}
    return content | {"table3": {"ways": ways, "floor": floor}}


def test_the_readme_shows_what_is_stored(benchmarks):
    import write_readme

    assert write_readme.difference(stored("a")["table3"]) == pytest.approx(5e-6)
    text = f"before\n{write_readme.BEGIN}old\n{write_readme.END}after\n"
    shown = write_readme.written(text, [stored("a"), stored("b")])
    assert shown.startswith("before\n") and shown.endswith("after\n") and "old" not in shown
    assert "| 3 | each cell by itself | 30 | 20.0 | 4.00 | 300 |" in shown
    assert "Table 3: goal of 3 times reached (4.00 times). Where" in shown
    slow = stored("a")
    slow["table3"]["ways"]["engine"]["seconds"] = 15.0
    assert "goal of 3 times not reached (2.00 times)" in write_readme.table(slow)
    assert "*engine* forward passes 75%, statistics 25%" in shown and "date of b; commit" in shown
    assert write_readme.written(shown, [stored("a"), stored("b")]) == shown


def test_the_readme_shows_rates_beside_a_products(benchmarks):
    import write_readme

    rates = {"a product alone": 100e9, "forward passes": 76e9, "with statistics": 74e9}
    rates["head and losses"] = 50e9
    names = ("model", "windows", "machine", "versions", "date", "commit", "blocks")
    shown = write_readme.table(
        {
            "about": {key: f"the {key}" for key in names},
            "passes": {
                name: {"seconds": 1.5, "least": 1.2, "rate": rate} for name, rate in rates.items()
            },
        }
    )
    assert "| forward passes | 1.50 | 76.0 | 76% | 76% | yes |" in shown
    assert "| with statistics | 1.50 | 74.0 | 74% | 74% | no |" in shown
    assert "| head and losses | 1.50 | 50.0 | 50% | 50% |  |" in shown


def test_the_readme_shows_the_public_procedure(benchmarks):
    import write_readme

    names = ("model", "windows", "machine", "versions", "date", "commit")
    found = {
        "blocks": "4 of 30",
        "unit": "s",
        "cells": ["dense", "magnitude 2:4", "wanda 2:4"],
        "engine": {"seconds": 10.0, "perplexities": [10.0, 20.0, 20.0]},
        "public": {"seconds": 15.0, "perplexities": [10.0, 21.0, 20.002]},
    }
    content = {"about": {key: f"the {key}" for key in names}, "public": found}
    shown = write_readme.table(content)
    assert "blocks: 4 of 30" in shown and "1.50 times as many: goal of 2 times not" in shown
    assert "at most 1.0e-04 nats in Wanda's cells, and by 4.9e-02 where" in shown
    assert "furthest apart (magnitude 2:4)" in shown
    found["public"]["seconds"] = 20.0
    assert "2.00 times as many: goal of 2 times reached" in write_readme.table(content)


def test_the_readme_is_current(benchmarks):
    import write_readme

    found = [json.loads(path.read_text()) for path in sorted((FOLDER / "results").glob("*.json"))]
    readme = write_readme.README.read_text("utf-8")
    assert write_readme.written(readme, found) == readme


def test_about(benchmarks):
    import argparse

    import sweep

    chosen = argparse.Namespace(
        model="m",
        device="cpu",
        windows=4,
        evaluation_windows=5,
        window_length=None,
        batch_size=8,
        dtype="float32",
        threads=1,
    )
    about = sweep.about(chosen)
    assert about["model"] == "m" and "torch" in about["versions"] and about["machine"][0].strip()
