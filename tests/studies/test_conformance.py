"""The fate of biases is told from the model with them and the model without."""

import copy

import pytest
import torch
from tiny_models import build, windows

from stade_book.studies import conformance
from stade_book.studies.conformance import KEPT, LOST, OTHER, REFUSED, SAME, fate
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError

ROWS = torch.zeros(3, 5)


@pytest.mark.parametrize(
    ("found", "word"),
    [(ROWS + 5e-4, KEPT), (ROWS + 1 - 5e-4, LOST), (ROWS + 0.5, OTHER), (None, REFUSED)],
)
def test_what_is_near_one_of_the_two_is_that_one(found, word):
    assert fate(found, ROWS, ROWS + 1) == word


def test_without_added_biases_there_is_nothing_to_lose_but_the_model_itself():
    assert fate(ROWS + 5e-4, ROWS, ROWS) == SAME
    assert fate(ROWS + 0.5, ROWS, ROWS) == OTHER and fate(None, ROWS, ROWS) == REFUSED


def test_two_that_cannot_be_told_apart_are_refused():
    with pytest.raises(StadeError, match=r"differ by .*: expected 0.01 or more"):
        fate(ROWS, ROWS, ROWS + 0.005)


def test_without_its_added_biases_a_model_keeps_those_it_had():
    dense = build("qwen2")  # with biases of q, k and v
    model = copy.deepcopy(dense)
    prune_model(model, windows(4), "std", "2:4")
    bare = conformance.without(model, dense)
    block, pruned = bare.model.layers[0], model.model.layers[0]
    assert block.mlp.down_proj.bias is None and pruned.mlp.down_proj.bias is not None
    assert torch.equal(block.self_attn.q_proj.bias, pruned.self_attn.q_proj.bias)
    assert torch.equal(block.mlp.down_proj.weight, pruned.mlp.down_proj.weight)


def test_log_probabilities_sum_to_one_after_every_token():
    found = conformance.log_probabilities(build("llama"), windows(1)[0])
    assert found.shape == (16, 64)
    torch.testing.assert_close(found.exp().sum(1), torch.ones(16))


def test_a_folder_keeps_biases_where_a_configuration_can_announce_them(tmp_path):
    class Tokenizer:
        def save_pretrained(self, folder): ...

    for name, word in (("llama", KEPT), ("mistral", REFUSED)):
        dense = build(name)
        model = copy.deepcopy(dense)
        prune_model(model, windows(4), "stade", "2:4")
        ids = windows(1, seed=3)[0]
        bare = conformance.without(model, dense)
        both = [conformance.log_probabilities(one, ids) for one in (model, bare)]
        found = conformance.from_folder(model, Tokenizer(), ids, tmp_path / name)
        assert fate(found, *both) == word
