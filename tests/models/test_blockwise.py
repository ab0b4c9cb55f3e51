"""A forward pass block by block: the model's own, whatever others have put in its place."""

import pytest
import torch
from tiny_models import CONFIGS, build, windows
from torch import nn

from stade_nb.models import architectures, blockwise


@pytest.mark.parametrize("name", CONFIGS)
def test_block_by_block_is_the_model(name):
    model, ids = build(name), windows(3)
    with blockwise.evaluating(model):
        hidden, arguments = blockwise.enter(model, ids)
        for block, by_block in zip(architectures.blocks(model), arguments, strict=True):
            hidden = blockwise.run_block(block, hidden, by_block)
        assert architectures.head(model)(hidden).equal(model(input_ids=ids).logits)


def test_a_block_that_returns_a_tuple():
    class Tuple(nn.Module):
        def forward(self, hidden, scale):
            return hidden * scale, "cache"

    out = blockwise.run_block(Tuple(), torch.ones(2), {"scale": 3})
    assert out.tolist() == [3, 3]


def test_evaluating_restores_training():
    model = build("opt").train()
    with blockwise.evaluating(model):
        assert not model.training and not torch.is_grad_enabled()
    assert model.training and torch.is_grad_enabled()


def test_evaluating_leaves_the_parts_that_are_not_trained_as_they_were():
    model = build("opt").train()
    model.model.decoder.layers[1].eval()
    before = [part.training for part in model.modules()]
    with blockwise.evaluating(model):
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == before and not all(before)


def test_what_others_have_put_in_the_place_of_a_forward_stays_there():
    """As accelerate does, and callers who count or time."""
    model, calls = build("llama"), []
    first = architectures.blocks(model)[0]
    compute = first.forward
    first.forward = lambda *args, **kw: calls.append(1) or compute(*args, **kw)
    hidden, arguments = blockwise.enter(model, windows(2))
    assert not calls
    blockwise.run_block(first, hidden, arguments[0])
    assert calls == [1]
    with blockwise.answering(first, lambda hidden: hidden + 1):
        assert first(torch.zeros(1)).item() == 1
    blockwise.run_block(first, hidden, arguments[0])
    assert calls == [1, 1] and "forward" not in vars(architectures.blocks(model)[1])


def test_a_block_that_is_there_twice_is_entered():
    model = build("llama")
    model.model.layers[1] = model.model.layers[0]
    blockwise.enter(model, windows(2))
    assert not any("forward" in vars(part) for part in model.modules())
