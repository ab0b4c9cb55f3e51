"""Blocks, layers and heads of every supported architecture."""

import pytest
from tiny_models import CONFIGS, build, windows
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, MixtralConfig, OlmoConfig

from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise

GATED_TYPES = [
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
]
OPT_TYPES = [*(f"self_attn.{name}_proj" for name in ("k", "v", "q", "out")), "fc1", "fc2"]


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
    with blockwise.evaluating(model):
        model(input_ids=windows(2))
    assert len({id(value) for value in read.values()}) == 4
    for layer_type, value in read.items():
        assert value is read[architectures.input_of(layer_type)]


@pytest.mark.parametrize("name", CONFIGS)
def test_an_input_that_counts_as_centred_is_what_a_norm_puts_out(name):
    """By the layer's name it would be wrong of a model that norms a block's output (OLMo 2)."""
    model, normed, read = build(name), [], {}
    for part in model.modules():
        if type(part).__name__.endswith("Norm"):
            part.register_forward_hook(lambda *of: normed.append(of[-1]))
    second = architectures.blocks(model)[1]  # the first reads embeddings where norms come last
    for layer_type, layer in architectures.linear_layers(second).items():
        layer.register_forward_pre_hook(
            lambda _, args, layer_type=layer_type: read.update({layer_type: args[0]})
        )
    with blockwise.evaluating(model):
        model(input_ids=windows(2))
    for layer_type, value in read.items():
        behind = any(
            out.numel() == value.numel() and out.equal(value.view_as(out)) for out in normed
        )
        assert behind == architectures.is_centred(layer_type), layer_type


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


@pytest.mark.parametrize(
    ("model", "name", "meant"),
    [
        ("llama", "out_proj", "self_attn.o_proj"),
        ("llama", "self_attn.out_proj", "self_attn.o_proj"),
        ("llama", "fc2", "mlp.down_proj"),
        ("opt", "o_proj", "self_attn.out_proj"),
        ("opt", "down_proj", "fc2"),
    ],
)
def test_a_name_of_the_other_architecture_is_answered_by_what_does_the_same(model, name, meant):
    block = architectures.blocks(build(model))[0]
    with pytest.raises(StadeError, match=f"unknown layer type '{name}': did you mean '{meant}'"):
        architectures.chosen_in(block, ["q_proj", name])


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
