"""Blocks, layers and heads of every supported architecture."""

import numpy as np
import pytest
import torch
from tiny_models import CONFIGS, POSITIONS, VOCABULARY, build, windows
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, MixtralConfig, OlmoConfig

from stade_nb.errors import StadeError
from stade_nb.models import architectures, token_ids

GATED_TYPES = [
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
]
OPT_TYPES = [*(f"self_attn.{name}_proj" for name in ("k", "v", "q", "out")), "fc1", "fc2"]


@pytest.mark.parametrize("name", CONFIGS)
def test_block_by_block_is_the_model(name):
    model, ids = build(name), windows(3)
    with architectures.evaluating(model):
        hidden, arguments = architectures.enter(model, ids)
        for block, by_block in zip(architectures.blocks(model), arguments, strict=True):
            hidden = architectures.run_block(block, hidden, by_block)
        assert architectures.head(model)(hidden).equal(model(input_ids=ids).logits)


@pytest.mark.parametrize("name", CONFIGS)
def test_layers(name):
    model = build(name)
    opt = name.startswith("opt")
    assert architectures.layer_types(model) == (OPT_TYPES if opt else GATED_TYPES)
    names = architectures.block_names(model)
    assert names[2] == ("model.decoder.layers.2" if opt else "model.layers.2")
    pruned = {
        id(layer)
        for block in architectures.blocks(model)
        for layer in architectures.linear_layers(block).values()
    }
    kept = {
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and id(part) not in pruned
    }
    projections = {f"model.decoder.project_{way}" for way in ("in", "out")}
    assert kept == {"lm_head"} | (projections if name == "opt_350m" else set())


@pytest.mark.parametrize("name", CONFIGS)
def test_layers_that_share_an_input(name):
    model, read = build(name), {}
    block = architectures.blocks(model)[0]
    for layer_type, layer in architectures.linear_layers(block).items():
        layer.register_forward_pre_hook(
            lambda _, args, layer_type=layer_type: read.update({layer_type: args[0]})
        )
    with architectures.evaluating(model):
        model(input_ids=windows(2))
    assert len({id(value) for value in read.values()}) == 4
    for layer_type, value in read.items():
        assert value is read[architectures.input_of(layer_type)]


def test_centred():
    uncentred = {"self_attn.o_proj", "mlp.down_proj", "self_attn.out_proj", "fc2"}
    for layer_type in {*GATED_TYPES, *OPT_TYPES}:
        assert architectures.is_centred(layer_type) == (layer_type not in uncentred)
    with pytest.raises(StadeError, match=r"did you mean 'mlp\.down_proj'"):
        architectures.is_centred("down_proj")


def test_chosen_in():
    model, opt = (architectures.blocks(build(name))[0] for name in ("llama", "opt"))
    chosen = architectures.chosen_in
    assert chosen(model, "all") == GATED_TYPES
    assert chosen(model, "mlp.up_proj") == chosen(model, "up_proj") == ["mlp.up_proj"]
    assert chosen(opt, ["fc2", "out_proj"]) == ["self_attn.out_proj", "fc2"]
    assert chosen(model, ["mlp.up_proj", "self_attn.q_proj"]) == ["self_attn.q_proj", "mlp.up_proj"]
    with pytest.raises(StadeError, match=r"unknown layer type 'attn.q_proj': did you mean 'self_"):
        chosen(model, "attn.q_proj")
    with pytest.raises(StadeError, match="unknown layer type 'fc1'"):
        chosen(model, ["self_attn.q_proj", "fc1"])
    with pytest.raises(StadeError, match="no layer types"):
        chosen(model, [])


def test_unsupported():
    gpt2 = AutoModelForCausalLM.from_config(GPT2Config(n_layer=1, n_embd=8, n_head=1))
    with pytest.raises(
        StadeError, match=r"unknown architecture 'gpt2'.*known: llama, mistral.*no list of"
    ):
        architectures.blocks(gpt2)
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    mixtral = AutoModelForCausalLM.from_config(MixtralConfig(**tiny, **heads))
    with pytest.raises(StadeError, match=r"architecture 'mixtral'.* lack \['mlp.down_proj'"):
        architectures.blocks(mixtral)
    olmo = AutoModelForCausalLM.from_config(OlmoConfig(**tiny, **heads))
    with pytest.raises(StadeError, match=r"architecture 'olmo'.*linear layers of a known one"):
        architectures.blocks(olmo)
    with pytest.raises(StadeError, match="LlamaModel has no lm_head"):
        architectures.blocks(build("llama").model)
    fused = build("llama")
    del fused.model.layers[1].mlp.up_proj
    fused.model.layers[1].mlp.experts = nn.Linear(2, 2)
    with pytest.raises(StadeError, match=r"block 1 .* lacks .*up_proj.* unknown \['mlp.experts'\]"):
        architectures.blocks(fused)


def test_a_block_that_returns_a_tuple():
    class Tuple(nn.Module):
        def forward(self, hidden, scale):
            return hidden * scale, "cache"

    out = architectures.run_block(Tuple(), torch.ones(2), {"scale": 3})
    assert out.tolist() == [3, 3]


def test_evaluating_restores_training():
    model = build("opt").train()
    with architectures.evaluating(model):
        assert not model.training and not torch.is_grad_enabled()
    assert model.training and torch.is_grad_enabled()


def test_evaluating_leaves_the_parts_that_are_not_trained_as_they_were():
    model = build("opt").train()
    model.model.decoder.layers[1].eval()
    before = [part.training for part in model.modules()]
    with architectures.evaluating(model):
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == before and not all(before)


def test_what_others_have_put_in_the_place_of_a_forward_stays_there():
    """As accelerate does, and callers who count or time."""
    model, calls = build("llama"), []
    first = architectures.blocks(model)[0]
    compute = first.forward
    first.forward = lambda *args, **kw: calls.append(1) or compute(*args, **kw)
    hidden, arguments = architectures.enter(model, windows(2))
    assert not calls
    architectures.run_block(first, hidden, arguments[0])
    assert calls == [1]
    with architectures.answering(first, lambda hidden: hidden + 1):
        assert first(torch.zeros(1)).item() == 1
    architectures.run_block(first, hidden, arguments[0])
    assert calls == [1, 1] and "forward" not in vars(architectures.blocks(model)[1])


def test_a_block_that_is_there_twice_is_entered():
    model = build("llama")
    model.model.layers[1] = model.model.layers[0]
    architectures.enter(model, windows(2))
    assert not any("forward" in vars(part) for part in model.modules())


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (windows(2)[0], r"shape \(16,\)"),
        (windows(0), r"shape \(0, 16\)"),
        (windows(2).float(), "float32"),
        (windows(2, POSITIONS + 1), "33 tokens: LlamaForCausalLM has 32 positions"),
        (windows(2) + VOCABULARY, "expected 0 to 63"),
        (windows(2) - VOCABULARY, "expected 0 to 63"),
    ],
)
def test_bad_windows(ids, message):
    with pytest.raises(StadeError, match=message):
        token_ids.check_windows(build("llama"), ids)


def offloaded():
    return build("llama").to("meta")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: nn.DataParallel(build("llama")), "model of the type DataParallel: expected a"),
        (lambda: None, "model of the type NoneType"),
        (lambda: (build("llama"), "tokenizer"), "model of the type tuple"),
        (offloaded, "LlamaForCausalLM has weights on the device 'meta'"),
    ],
)
def test_what_is_no_model_in_memory(model, message):
    with pytest.raises(StadeError, match=message):
        token_ids.check_windows(model(), windows(2))


def test_ids_without_numbers():
    with pytest.raises(StadeError, match="int64 on the device meta: expected integer ids"):
        token_ids.check_windows(build("llama"), windows(2).to("meta"))


def test_batches_of_a_number_of_numpy():
    assert [len(part) for part in token_ids.in_batches(windows(3), np.int64(2))] == [2, 1]


def test_window_length():
    model = build("llama")
    assert token_ids.window_length(model) == POSITIONS
    assert token_ids.window_length(model, 7) == 7
    model.config.max_position_embeddings = 131072
    assert token_ids.window_length(model) == 2048
    assert token_ids.window_length(model, 4096) == 4096
    with pytest.raises(StadeError, match="windows of 33 tokens"):
        token_ids.window_length(build("llama"), 33)
