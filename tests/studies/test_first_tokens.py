"""Statistics without first tokens: against windows cut by hand, and the rule of the study."""

import pytest
import torch
from tiny_models import CONFIGS, build, windows

from stade_book.studies import first_tokens, layer_inputs
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics import methods
from stade_nb.numerics.moments import Moments
from workflow import first_tokens as workflow_first_tokens
from workflow import growing


@pytest.mark.parametrize("method", ["wanda", "std"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_first_block_is_pruned_by_what_hooks_by_hand_see(name, method):
    model, plain, ids = build(name), build(name), windows(5)
    report = first_tokens.prune_apart(model, ids, Cell(method, "0.5"), batch_size=2)
    assert report == pruning.prune_model(build(name), ids, method, "0.5")  # as many zeros
    block, seen = architectures.blocks(plain)[0], {}
    for kind, layer in architectures.linear_layers(block).items():
        layer.register_forward_pre_hook(lambda _, args, kind=kind: seen.update({kind: args[0]}))
    with torch.no_grad():
        plain(ids)
    for kind, layer in architectures.linear_layers(block).items():
        x = seen[kind].reshape(*ids.shape, -1)[:, 1:]
        expected = methods.prune_layer(
            layer.weight, layer.bias, Moments.of(x), method, "0.5",
            centred=architectures.is_centred(kind),
        )  # fmt: skip
        pruned = architectures.blocks(model)[0].get_submodule(kind)
        assert pruned.weight.ne(0).equal(expected.weight.ne(0))
        if expected.bias is not None:
            torch.testing.assert_close(pruned.bias, expected.bias)


def test_without_first_tokens_that_differ_it_is_the_plain_path(monkeypatch):
    """With a moment for every token, block after block, it comes to what `prune_model` makes."""
    monkeypatch.setattr(layer_inputs.Rest, "update", lambda self, x: self.moments.update(x))
    for name in CONFIGS:
        model, plain, ids = build(name), build(name), windows(4)
        first_tokens.prune_apart(model, ids, Cell("std", "0.5"), batch_size=2)
        pruning.prune_model(plain, ids, "std", "0.5", batch_size=2)
        state = plain.state_dict()
        for key, tensor in model.state_dict().items():
            torch.testing.assert_close(tensor, state[key])


@pytest.mark.parametrize(("method", "tokens"), [("sparsegpt", 8), ("magnitude", 8), ("wanda", 1)])
def test_what_has_no_rest_is_refused(method, tokens):
    model = build("llama")
    with pytest.raises(StadeError, match=f"'{method}' and windows of {tokens} tokens without"):
        first_tokens.prune_apart(model, windows(2, tokens), Cell(method, "0.5"))


def test_a_record_has_a_pair_for_each_method(tmp_path, monkeypatch):
    for name, value in {"WINDOWS": 4, "EVALUATED": 3, "LENGTH": 32}.items():
        monkeypatch.setattr(growing, name, value)
    workflow_first_tokens.measure("llama-230k", ("embedded", "embedded"), tmp_path)
    found = first_tokens.gains(first_tokens.recorded(["llama-230k", "opt-340k"], tmp_path))
    assert list(found["method"]) == list(first_tokens.METHODS)
    assert (found["all"] != found["rest"]).all()
    assert (found["low"] <= found["change"]).all() and (found["change"] <= found["high"]).all()
