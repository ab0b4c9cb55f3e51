"""Estimates: operations as counted by hand, and a rate by a clock."""

import pytest
import torch
from tiny_models import build, windows
from torch import nn

from stade_nb.engine import arithmetic, effort
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.engine.streams import Room
from stade_nb.engine.traversal import traverse
from stade_nb.models import architectures, blockwise


def test_operations_of_a_cell_block_by_block():
    model, ids = build("llama"), windows(4)
    weights = 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48
    one = 64 * (2 * weights + 2 * 32 * 16)
    head = 2 * 64 * 32 * 64
    assert effort.of_block(model.model.layers[0], ids) == one
    assert effort.of_cell(model, DENSE, {}, ids) == [one, one, one + head]
    masks = effort._OF_A_MASK * weights
    wanda = effort.of_cell(model, Cell("wanda", "0.5"), {0: ids}, ids)
    assert wanda == [3 * one + masks, 3 * one + masks, 2 * one + masks + head]
    few = effort.of_cell(model, Cell("wanda", "0.5", "mlp.up_proj"), {0: ids}, ids)
    assert few[0] == 3 * one + effort._OF_A_MASK * 32 * 48
    assert sum(effort.of_cell(model, Cell("sparsegpt", "0.5"), {0: ids}, ids)) > sum(wanda)


def test_the_rate_is_that_of_a_block(monkeypatch):
    """By a clock that only the block moves: the first run is the slower one, as it often is."""
    model, ids = build("opt"), windows(100)
    run, clock, took = blockwise.run_block, [0.0], [0.5, 0.05]

    def timed(block, hidden, arguments):
        clock[0] += took.pop(0)
        return run(block, hidden, arguments)

    monkeypatch.setattr(blockwise, "run_block", timed)
    monkeypatch.setattr(effort.time, "perf_counter", lambda: clock[0])
    rate = effort.rate(model, ids, torch.device("cpu"))
    tried = effort.of_block(model.model.decoder.layers[0], ids[: 1024 // 16])
    assert rate == pytest.approx(tried / 0.05)
    assert isinstance(model.model.decoder.layers, nn.ModuleList)


@pytest.mark.parametrize("name", ["llama", "opt"])
def test_an_estimate_counts_the_passes_that_a_cell_makes(name, monkeypatch):
    model, ids, cell = build(name), windows(6), Cell("wanda", "0.5")
    run, made = blockwise.run_block, []

    def counted(block, hidden, arguments):
        made.append(effort.of_block(block, torch.empty(hidden.shape[:2])))
        return run(block, hidden, arguments)

    monkeypatch.setattr(blockwise, "run_block", counted)
    traverse(model, [cell], {0: ids}, ids, batch_size=2, room=Room("cpu"))
    stack = architectures.blocks(model)
    weights = sum(
        layer.weight.numel()
        for block in stack
        for layer in architectures.linear_layers(block).values()
    )
    besides = effort._OF_A_MASK * weights + arithmetic.of_head(model, ids.numel())
    expected = sum(effort.of_cell(model, cell, {0: ids}, ids))
    assert expected == pytest.approx(sum(made) + besides)


def test_seconds_as_a_person_says_them():
    said = [effort.duration(seconds) for seconds in (0.01, 119, 121, 3600, 5400, 86400)]
    assert said == ["1 s", "119 s", "2 min", "60 min", "1.5 h", "24.0 h"]
    with pytest.raises(TypeError):
        effort.duration(None)
