"""ROSE's order against plain loops, and SparseGPT where nothing changes places."""

import pytest
import torch

from stade_nb.beyond import rose
from stade_nb.errors import StadeError
from stade_nb.numerics import masks
from stade_nb.numerics.methods import METHODS, prune_layer
from stade_nb.numerics.moments import Moments

GENERATOR = torch.Generator().manual_seed(3)


def layer(columnar: float, out=24, columns=40):
    """A weight with large columns at its end, and correlated inputs."""
    mixed = torch.randn(columns, columns, generator=GENERATOR, dtype=torch.float64)
    x = torch.randn(400, columns, generator=GENERATOR, dtype=torch.float64) @ mixed
    weight = torch.randn(out, columns, generator=GENERATOR, dtype=torch.float64)
    weight[:, -8:] *= columnar
    return weight, x


def slow(weight, x, sparsity, block):
    """The order by Python's own sorting."""
    norms = [sum(v * v for v in x[:, j].tolist()) ** 0.5 for j in range(x.shape[1])]
    blocks = []
    for start in range(0, len(norms), block):
        at = range(start, min(start + block, len(norms)))
        scores = sorted((abs(w) * norms[j], i, j) for i, row in enumerate(weight.tolist())
                        for j, w in enumerate(row) if j in at)  # fmt: skip
        loss = dict.fromkeys(at, 0.0)
        for score, _, j in scores[: int(len(scores) * sparsity)]:
            loss[j] += score
        blocks.append((sum(loss.values()) / len(at), sorted(at, key=lambda j, loss=loss: -loss[j])))
    sums = [total for total, _ in blocks]
    if (max(sums) - min(sums)) / max(sums) <= 0.5:
        return list(range(len(norms)))
    return [j for _, inside in sorted(blocks, key=lambda one: -one[0]) for j in inside]


@pytest.mark.parametrize("columnar", [1.0, 6.0])
@pytest.mark.parametrize("block", [8, 16, 128])
def test_the_order_is_that_of_plain_loops(columnar, block):
    weight, x = layer(columnar)
    found = rose.order(weight, Moments.of(x).norm, masks.parse_pattern(0.5), block)
    assert found.tolist() == slow(weight, x, 0.5, block)


def test_a_short_last_block_is_not_a_difference_between_blocks():
    weight = torch.randn(96, 576, generator=GENERATOR, dtype=torch.float64)
    found = rose.order(weight, torch.ones(576), masks.parse_pattern(0.5))
    assert found.tolist() == list(range(576))


def test_without_a_column_pattern_it_is_sparsegpt_bit_for_bit():
    weight, x = layer(1.0, columns=256)  # two blocks
    moments = Moments.of(x, gram=True)
    one, other = (
        prune_layer(weight, None, moments, method, 0.5, centred=True)
        for method in ("rose", "sparsegpt")
    )
    assert torch.equal(one.weight, other.weight) and torch.equal(one.pruned, other.pruned)


@pytest.mark.parametrize(("pattern", "block"), [("0.5", 8), ("2:4", 4)])
def test_columns_come_back_to_their_places(pattern, block, monkeypatch):
    weight, x = layer(6.0)
    parsed = masks.parse_pattern(pattern)
    monkeypatch.setattr(rose.order, "__defaults__", (block,))
    at = rose.order(weight, Moments.of(x).norm, parsed)
    assert at.tolist() != list(range(40)) and sorted(at.tolist()) == list(range(40))
    moments = Moments.of(x, gram=True)
    found = prune_layer(weight, None, moments, "rose", pattern, centred=True)
    # The same layer with its columns moved beforehand is SparseGPT's, moved.
    moved = prune_layer(
        weight[:, at], None, Moments.of(x[:, at], gram=True), "sparsegpt", pattern, centred=True
    )
    assert torch.equal(found.pruned[:, at], moved.pruned)
    torch.testing.assert_close(found.weight[:, at], moved.weight, rtol=1e-6, atol=1e-8)
    if parsed.m:
        assert (found.pruned.view(24, -1, 4).sum(dim=2) == 2).all()


def test_large_columns_first_leave_less_error():
    weight, x = layer(1.0, columns=256)
    weight[:, 128:] *= 6
    moments = Moments.of(torch.cat([x] * 2), gram=True)
    losses = {}
    for method in ("rose", "sparsegpt"):
        found = prune_layer(weight, None, moments, method, 0.7, centred=True)
        losses[method] = (x @ (weight - found.weight).T).square().sum()
    assert losses["rose"] < losses["sparsegpt"]
    assert METHODS["sparsegpt"].updates_weights


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(StadeError, match="multiple of 4"):
        rose.order(torch.ones(2, 6), torch.ones(6), masks.parse_pattern("2:4"))
