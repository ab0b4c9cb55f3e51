"""The greedy mask against a slow one that computes the whole loss of every candidate anew."""

import pytest
import torch

from stade_nb.beyond import greedy
from stade_nb.engine.cell import Cell, cells
from stade_nb.errors import StadeError
from stade_nb.numerics import masks
from stade_nb.numerics.methods import prune_layer
from stade_nb.numerics.moments import Moments

GENERATOR = torch.Generator().manual_seed(0)


def inputs(tokens=200, columns=12, mean=1.0):
    mixed = torch.randn(columns, columns, generator=GENERATOR, dtype=torch.float64)
    x = torch.randn(tokens, columns, generator=GENERATOR, dtype=torch.float64) @ mixed
    return x + mean * torch.randn(columns, generator=GENERATOR, dtype=torch.float64)


def slow(weight, second, pattern):
    """Row by row, step by step: the candidate with the least wᵀ S w over all that is gone."""
    masks_found = []
    for w in weight.tolist():
        size = len(w) if pattern.m is None else pattern.m
        most = int(len(w) * pattern.sparsity) if pattern.m is None else pattern.n
        gone = []
        for _ in range(most * (len(w) // size)):
            losses = {}
            for j in range(len(w)):
                if j in gone or sum(g // size == j // size for g in gone) == most:
                    continue
                some = [*gone, j]
                losses[j] = sum(w[a] * w[b] * float(second[a, b]) for a in some for b in some)
            gone.append(min(losses, key=losses.get))
        masks_found.append([j in gone for j in range(len(w))])
    return torch.tensor(masks_found)


@pytest.mark.parametrize("pattern", ["0.5", "0.25", "0.9", "2:4", "1:3", "0", "1"])
def test_the_same_mask_as_the_slow_one(pattern):
    x, parsed = inputs(), masks.parse_pattern(pattern)
    weight = torch.randn(9, 12, generator=GENERATOR, dtype=torch.float64)
    second = x.T @ x / len(x)
    assert torch.equal(greedy.chosen(weight, second, parsed), slow(weight, second, parsed))


def test_rows_do_not_depend_on_how_many_go_at_once(monkeypatch):
    x, weight = inputs(), torch.randn(9, 12, generator=GENERATOR, dtype=torch.float64)
    whole = greedy.chosen(weight, x.T @ x, masks.parse_pattern("2:4"))
    monkeypatch.setattr(greedy, "ROWS", 2)
    assert torch.equal(greedy.chosen(weight, x.T @ x, masks.parse_pattern("2:4")), whole)


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_without_covariances_it_is_the_paper_s_metric(pattern):
    """Uncorrelated inputs: the second part is 0, and the order is the metric's."""
    weight = torch.randn(9, 12, generator=GENERATOR, dtype=torch.float64)
    spread = torch.rand(12, generator=GENERATOR, dtype=torch.float64) + 0.1
    parsed = masks.parse_pattern(pattern)
    found = greedy.chosen(weight, spread.square().diag(), parsed)
    assert torch.equal(found, masks.select(weight.abs() * spread, parsed))


@pytest.mark.parametrize(("ours", "plain"), [("greedy", "wanda"), ("greedy_with_bias", "std")])
@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_the_layer_loses_less_than_by_the_metric(ours, plain, pattern):
    x = inputs()
    weight = torch.randn(40, 12, generator=GENERATOR, dtype=torch.float64)
    losses = {}
    for name in (ours, plain):
        found = prune_layer(weight, None, Moments.of(x, gram=True), name, pattern, centred=False)
        gap = x @ (weight - found.weight).T - (0 if found.bias is None else found.bias)
        losses[name] = gap.square().sum()
        assert found.pruned.sum() == weight.numel() // 2
    assert losses[ours] < 0.95 * losses[plain]


def test_bad_patterns_are_refused():
    weight, second = torch.ones(2, 6), torch.eye(6)
    with pytest.raises(StadeError, match="of a whole layer"):
        greedy.chosen(weight, second, masks.parse_pattern("0.5", "layer"))
    with pytest.raises(StadeError, match="multiple of 4"):
        greedy.chosen(weight, second, masks.parse_pattern("2:4"))


@pytest.mark.parametrize("name", ["greedy", "greedy_with_bias"])
def test_a_share_of_a_whole_layer_is_refused_before_any_work(name):
    with pytest.raises(StadeError, match=f"'{name}' with pattern 0.5 of .*; take scope 'row', or"):
        cells([name], ["0.5"], scope="layer")
    with pytest.raises(StadeError, match="is of single rows"):
        Cell(name, masks.parse_pattern("0.5", "layer"))
    assert [cell.pattern.scope for cell in cells([name], ["0.5", "2:4"])] == ["row", "row"]
    assert cells([name], ["2:4"], scope="layer")


@pytest.mark.parametrize(("name", "centres"), [("greedy", False), ("greedy_with_bias", True)])
def test_each_method_takes_its_own_matrix(name, centres):
    x, weight = inputs(mean=3.0), torch.randn(9, 12, generator=GENERATOR, dtype=torch.float64)
    second, covariance = x.T @ x / len(x), torch.cov(x.T, correction=0)
    parsed = masks.parse_pattern("0.5")
    wanted = [slow(weight, matrix, parsed) for matrix in (second, covariance)]
    assert not torch.equal(*wanted)
    found = prune_layer(weight, None, Moments.of(x, gram=True), name, parsed, centred=False)
    assert torch.equal(found.pruned, wanted[centres])
