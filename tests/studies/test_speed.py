"""Sparse products are the dense ones, with the bias; a ratio is dense seconds over their own."""

import pytest
import torch
from tiny_models import build

from stade_book.studies import speed
from stade_nb.errors import StadeError
from stade_nb.models import architectures

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")


@pytest.mark.parametrize("pattern", ["0.5", "2:4", "4:8"])
@pytest.mark.parametrize("way", ["CSR", "COO"])
@pytest.mark.parametrize("tokens", [1, 7])
def test_every_way_gives_the_layers_output_with_its_bias(way, pattern, tokens):
    weight, bias = speed.pruned_weight((12, 16), pattern), torch.randn(12)
    assert (weight == 0).float().mean() == 0.5
    x = torch.randn(tokens, 16)
    expected = torch.stack([weight @ row + bias for row in x])
    torch.testing.assert_close(speed.WAYS[way](weight, bias)(x), expected)
    found = speed.timed(way, weight, bias, tokens, repetitions=2)
    assert found.error < 1e-5 and min(found.seconds, found.dense, found.setup, found.ratio) > 0


def test_a_wrong_product_shows_as_an_error(monkeypatch):
    monkeypatch.setitem(speed.WAYS, "CSR", lambda weight, bias: lambda x: x @ weight.T)
    found = speed.timed("CSR", torch.eye(4), torch.full((4,), 5.0), 3, repetitions=1)
    assert found.error > 0.5


def test_the_ratio_is_of_pairs_and_above_one_where_dense_is_slower(monkeypatch):
    clock = iter([0, 9, 0, 4, 0, 2, 0, 6, 0, 1, 0, 1, 0, 1])
    monkeypatch.setattr(speed.time, "process_time", lambda: next(clock))
    found = speed.timed("COO", torch.eye(4), torch.zeros(4), 3, repetitions=3)
    assert found == speed.Timing(seconds=1, dense=4, ratio=2, setup=9, error=0)


@pytest.mark.parametrize("name", ["llama", "opt"])
def test_a_sparse_model_computes_what_the_model_does_and_leaves_it_as_it_is(name):
    model = build(name)
    ids = torch.arange(12)[None]
    before = model(input_ids=ids).logits
    sparse = speed.sparse_model(model, "CSR")
    assert torch.equal(model(input_ids=ids).logits, before)
    torch.testing.assert_close(sparse(input_ids=ids).logits, before)
    kinds = [
        {type(layer) for layer in architectures.linear_layers(block).values()}
        for block in architectures.blocks(model)
    ]
    assert kinds == [{torch.nn.Linear}] * len(kinds)
    replaced = [one for one in sparse.modules() if isinstance(one, speed.SparseLinear)]
    linear = [architectures.linear_layers(block) for block in architectures.blocks(model)]
    assert len(replaced) == sum(map(len, linear))
    found = speed.timed_model("CSR", model, ids, repetitions=1)
    assert found.error < 1e-5 and min(found.seconds, found.dense, found.setup) > 0


def test_a_whole_model_that_loses_its_biases_shows_as_an_error(monkeypatch):
    model = build("opt")
    for block in architectures.blocks(model):
        for layer in architectures.linear_layers(block).values():
            torch.nn.init.normal_(layer.bias)
    monkeypatch.setitem(speed.WAYS, "CSR", lambda weight, bias: lambda x: x @ weight.T)
    assert speed.timed_model("CSR", model, torch.arange(12)[None], repetitions=1).error > 0.01


def test_one_thread_is_for_the_inside_alone():
    threads = torch.get_num_threads()
    with speed.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


def test_semi_structured_is_for_two_of_four_on_a_gpu():
    assert speed.possible("semi-structured", "2:4", "cuda:0")
    assert not speed.possible("semi-structured", "2:4", "cpu")
    assert not speed.possible("semi-structured", "4:8", "cuda")
    assert speed.possible("CSR", "0.9", "cpu")


def test_an_unknown_way_and_nothing_to_time_are_refused():
    with pytest.raises(StadeError, match="unknown way 'CRS': did you mean 'CSR'"):
        speed.timed("CRS", torch.eye(4), torch.zeros(4), 1)
    with pytest.raises(StadeError, match="0 tokens: expected 1 or more"):
        speed.timed("CSR", torch.eye(4), torch.zeros(4), 0)
    with pytest.raises(StadeError, match="0 repetitions: expected 1 or more"):
        speed.timed_model("CSR", build("llama"), torch.arange(3)[None], 0)
