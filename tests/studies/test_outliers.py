"""Outlying channels: found by their definition, and what each metric keeps of what reads them."""

import pandas
import pytest
import torch
from tiny_models import CONFIGS, build, windows

from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from stade_book.studies import outliers
from stade_nb.engine.cell import cells
from stade_nb.models import architectures
from stade_nb.numerics.moments import Moments


def seen_by(model, ids):
    """What reaches every linear layer, (tokens, in), by block and type."""
    seen, hooks = {}, []
    for index, block in enumerate(architectures.blocks(model)):
        for kind, layer in architectures.linear_layers(block).items():
            keep = lambda _, args, key=(index, kind): seen.update({key: args[0]})  # noqa: E731
            hooks.append(layer.register_forward_pre_hook(keep))
    with torch.no_grad():
        model.eval()(input_ids=ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    return {key: x.double().flatten(0, -2) for key, x in seen.items()}


def test_dead_channels_do_not_lower_what_counts_as_far_out():
    sizes = torch.tensor([0.0] * 6 + [1.0] * 3 + [6.0], dtype=torch.float64)
    x = sizes * torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    assert outliers.outlying(Moments.of(x)).tolist() == [False] * 9 + [True]


def test_a_channel_is_outlying_by_its_root_mean_square():
    x = torch.randn(400, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 2] += 8  # by its mean
    x[:, 5] *= 8  # by its spread
    x[:, 7] *= 4  # not far enough
    x[:, 8] = 0
    assert outliers.outlying(Moments.of(x)).nonzero().flatten().tolist() == [2, 5]
    assert not outliers.outlying(Moments.of(torch.zeros(4, 3))).any()


@pytest.mark.parametrize("name", CONFIGS)
def test_layers_are_described_as_their_inputs_and_masks_are(name):
    model, ids = build(name), windows(5)
    with torch.no_grad():  # a channel that stands out behind every norm
        for where, weight in model.named_parameters():
            if "norm" in where and where.endswith("weight") and len(weight) > 1:
                weight[1] = 30
    seen, asked = seen_by(model, ids), cells(["wanda", "std"], ["0.5", "2:4"])
    rows = list(outliers.by_layer(model, ids, asked, batch_size=2))
    assert {(row["block"], row["layer_type"]) for row in rows} == set(seen)
    assert any(row["outlying"] for row in rows)
    for row in rows:
        x = seen[row["block"], row["layer_type"]]
        size = x.square().mean(0).sqrt()
        large = size > outliers.TIMES * size[size > 0].median()
        assert (row["channels"], row["outlying"]) == (len(size), int(large.sum()))
        energy = (size[large].square().sum() / size.square().sum()).item()
        assert row["energy"] == pytest.approx(energy, rel=1e-5)
        if not large.any():
            assert row["kept"] == [None] * 4 and row["by_mean"] is None
            continue
        mean = x.mean(0)[large].square().sum() / size[large].square().sum()
        assert row["by_mean"] == pytest.approx(mean.item(), rel=1e-4)
        layer = architectures.blocks(model)[row["block"]].get_submodule(row["layer_type"])
        score = layer.weight.double().abs() * size
        half = score.shape[1] // 2
        kept = torch.zeros_like(score).scatter(1, score.topk(score.shape[1] - half).indices, 1)
        assert row["kept"][0] == pytest.approx(kept[:, large].mean().item(), abs=1e-9)


def test_std_spares_them_as_wanda_does_or_less_or_more():
    rows = pandas.DataFrame(
        [(0.9, 0.86), (0.9, 0.8), (0.5, 0.9), (None, None)], columns=["wanda", "std"], dtype=float
    )
    assert outliers.verdicts(rows).tolist() == [SUPPORTED, CONTRADICTED, OPEN, ""]


def test_a_record_has_a_row_for_each_layer_and_its_means_leave_out_layers_without_any():
    about = {"channels": 8, "energy": 0.5, "by_mean": 0.25, "layer_type": "mlp.up_proj"}
    record = {
        "model": "one",
        "cells": [["magnitude", "0.5"], ["wanda", "0.5"], ["std", "0.5"], ["wanda", "2:4"]],
        "layers": [
            about | {"block": 0, "outlying": 2, "kept": [0.5, 0.9, 0.6, 0.7]},
            about | {"block": 1, "outlying": 0, "by_mean": None, "kept": [None] * 4},
            about | {"block": 2, "outlying": 1, "kept": [0.4, 0.8, 0.78, 0.7]},
        ],
    }
    found = outliers.layers(record, "0.5")
    assert found["verdict"].tolist() == [CONTRADICTED, "", SUPPORTED]
    assert found["change"][0] == pytest.approx(-0.3)
    (row,) = outliers.by_type(found).itertuples()
    assert (row.blocks, row.outlying) == (2, 1.5)
    assert (row.magnitude, row.wanda) == (pytest.approx(0.45), pytest.approx(0.85))


def test_what_is_kept_less_is_ranked_beside_what_it_costs():
    rows = [("one", 0.9, 0.8, 0.01), ("one", 0.9, 0.6, 0.05), ("one", 0.9, 0.7, 0.02)]
    rows += [("one", 0.9, 0.1, None), ("two", 0.9, 0.8, 0.01)]
    kept = pandas.DataFrame(rows, columns=["model", "wanda", "std", "perplexity"])
    assert outliers.goes_with_cost(kept) == {"one": pytest.approx(1.0)}
