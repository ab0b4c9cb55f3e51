"""OWL against a slow form in plain Python; what it allocates is what is pruned."""

import math

import numpy as np
import pandas
import pytest
import torch
from tiny_models import build, windows

from stade_book.studies import owl
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics.moments import Moments


@pytest.mark.parametrize("centres", [False, True])
def test_outliers_as_a_loop_counts_them(centres):
    generator = torch.Generator().manual_seed(1)
    found, plain = [], []
    for rows, columns in ((7, 5), (3, 9)):
        weight = torch.randn(rows, columns, generator=generator) ** 5
        x = torch.randn(20, columns, generator=generator, dtype=torch.float64) + 2
        found.append(owl.scores(weight, Moments.of(x), centres))
        for row in weight.tolist():
            for j, w in enumerate(row):
                column = x[:, j].tolist()
                middle = sum(column) / len(column) if centres else 0
                plain.append(abs(w) * math.sqrt(sum((value - middle) ** 2 for value in column)))
    assert torch.cat([layer.flatten() for layer in found]).tolist() == pytest.approx(plain)
    above = [score for score in plain if score > 5 * sum(plain) / len(plain)]
    assert 0 < owl.outliers(found) == pytest.approx(len(above) / len(plain))


def test_densities_keep_their_mean_and_their_width():
    found = owl.densities([0.01, 0.03, 0.02, 0.01], 0.7)
    assert sum(found) / 4 == pytest.approx(0.3, abs=1e-15)
    assert max(found) - min(found) == pytest.approx(0.16)
    assert found[1] == max(found) and found[0] == found[3] == min(found)


@pytest.mark.parametrize("sparsity", [0.1, 0.2, 0.5])
def test_equal_shares_are_the_uniform_cell(sparsity):
    model, ids = build("llama"), windows(4)
    blocks = len(architectures.blocks(model))
    cell = owl.allocated(model, "std", sparsity, [0.2] * blocks)
    plain = build("llama")
    report = pruning.prune_model(plain, ids, Cell("std", sparsity))
    assert pruning.prune_model(model, ids, cell) == report
    assert all(cell.pattern_in(name).sparsity == sparsity for name, _ in cell.densities)
    state = plain.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_each_block_loses_what_was_allocated():
    model, ids = build("llama"), windows(4)
    names = architectures.block_names(model)
    share = list(np.linspace(0, 0.1, len(names)))
    cell = owl.allocated(model, "wanda", 0.6, share)
    report = pruning.prune_model(model, ids, cell)
    kept = dict(zip(names, owl.densities(share, 0.6), strict=True))
    for full, layer in report.items():
        name = next(name for name in names if full.startswith(f"{name}."))
        columns = dict(model.named_modules())[full].in_features
        gone = int(columns * (1 - kept[name])) / columns
        assert layer.zeros / layer.size == pytest.approx(gone)


@pytest.mark.parametrize("name", ["llama", "opt"])
def test_shares_are_of_the_model_as_it_is(name):
    model, ids = build(name), windows(4)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    found = owl.shares(model, ids, batch_size=2)
    assert set(found) == set(owl.METHODS)
    assert all(len(share) == len(architectures.blocks(model)) for share in found.values())
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    # The second block's inputs come from an unpruned first one: by hand, of Wanda's scores.
    block = architectures.blocks(model)[1]
    name = architectures.block_names(model)[1]
    inputs = {}
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, kind=kind: inputs.update({kind: args[0]}))
        for kind, layer in architectures.linear_layers(block).items()
    ]
    with torch.no_grad():
        model(ids)
    for hook in hooks:
        hook.remove()
    every = torch.cat([
        (layer.weight.abs() * inputs[kind].flatten(0, -2).norm(dim=0)).flatten()
        for kind, layer in architectures.linear_layers(block).items()
    ])  # fmt: skip
    assert found["wanda"][1] == pytest.approx(float((every > 5 * every.mean()).double().mean()))


def test_a_sparsity_without_room_is_refused():
    with pytest.raises(StadeError, match=r"sparsity 0.95 with densities .* 0.16 to 0.84"):
        owl.densities([0.0, 0.1, 0.1, 0.1], 0.95)


def test_the_rule_counts_what_is_lower():
    base = np.random.default_rng(0).normal(4, 0.5, 64)
    rows = [
        ("m", "wanda", "0.7", "uniform", list(base)),
        ("m", "wanda", "0.7", "owl", list(base - 0.1 + 0.01 * np.sin(np.arange(64)))),
        ("m", "std", "0.7", "uniform", list(base)),
    ]
    columns = ["model", "method", "pattern", "allocation", "losses"]
    (found,) = owl.gains(pandas.DataFrame(rows, columns=columns)).itertuples()
    assert found.verdict == "supported" and found.change == pytest.approx(
        math.expm1(-0.1), abs=1e-3
    )
