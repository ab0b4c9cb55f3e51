"""Scores of newer methods against plain loops over weights and tokens, in float64."""

import math

import pytest
import tiny_models
import torch

from stade_nb.beyond import scores
from stade_nb.beyond.methods import BEYOND
from stade_nb.engine.pruning import prune_model
from stade_nb.numerics.moments import Moments


@pytest.fixture
def layer():
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64) + 1
    return x, torch.randn(3, 6, generator=generator, dtype=torch.float64)


def loop(weight, value):
    """value(i, j) at every weight."""
    return torch.tensor(
        [[value(i, j) for j in range(weight.shape[1])] for i in range(weight.shape[0])],
        dtype=torch.float64,
    )


def column_norm(x, j):
    return math.sqrt(sum(float(row[j]) ** 2 for row in x))


def test_ria_weighs_a_weight_by_its_column_and_its_row(layer):
    x, weight = layer

    def value(i, j):
        column = sum(abs(float(weight[k, j])) for k in range(3))
        row = sum(abs(float(weight[i, k])) for k in range(6))
        size = abs(float(weight[i, j]))
        return (size / column + size / row) * math.sqrt(column_norm(x, j))

    torch.testing.assert_close(scores.ria(weight, Moments.of(x).norm), loop(weight, value))


def test_symwanda_is_what_a_removed_weight_adds_to_both_sides(layer):
    """‖(W* - W)X‖² + ‖Yᵀ(W* - W)‖² for each weight set to zero by itself, on the samples."""
    x, weight = layer
    y = x @ weight.T

    def value(i, j):
        change = torch.zeros_like(weight)
        change[i, j] = -weight[i, j]
        return math.sqrt((x @ change.T).square().sum() + (y @ change).square().sum())

    gram = Moments.of(x, gram=True).gram
    torch.testing.assert_close(scores.symwanda(weight, gram), loop(weight, value))


def test_nowag_scales_columns_then_rows_to_norm_1(layer):
    x, weight = layer
    unit = weight.clone()
    for j in range(6):
        unit[:, j] /= math.sqrt(sum(float(v) ** 2 for v in unit[:, j]))
    for i in range(3):
        unit[i] /= math.sqrt(sum(float(v) ** 2 for v in unit[i]))

    def value(i, j):
        return float(unit[i, j]) ** 2 * column_norm(x, j) ** 2 / len(x)

    found = scores.nowag(weight, Moments.of(x).second_moment)
    torch.testing.assert_close(found, loop(weight, value))


def test_a_row_or_column_of_zeros_scores_0_and_not_nan(layer):
    x, weight = layer
    weight[1], weight[:, 4] = 0, 0
    moments = Moments.of(x, gram=True)
    for metric in (scores.RIA, scores.SYMWANDA, scores.NOWAG):
        found = metric.score(weight.half(), moments, None)
        assert found.dtype == torch.float32 and not found.isnan().any()
        assert not found[1].any() and not found[:, 4].any() and found[0, 0] > 0


@pytest.mark.parametrize("name", ["ria", "nowag"])
def test_a_share_is_taken_from_the_whole_layer_as_in_the_public_code(name):
    model = tiny_models.build("llama")
    prune_model(model, tiny_models.windows(4), BEYOND[name], "0.5")
    gone = model.model.layers[0].mlp.up_proj.weight == 0
    assert gone.sum() == gone.numel() // 2 and len(set(gone.sum(1).tolist())) > 1
