"""Where a model keeps its blocks and linear layers, and which of their inputs count as centred."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from stade_nb.errors import StadeError, unknown

_ATTENTION = "self_attn"
_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_GATED_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
GATED = frozenset([*_QKV, "self_attn.o_proj", *_GATED_MLP])
OPT = frozenset([*_QKV, "self_attn.out_proj", "fc1", "fc2"])
# The linear layers that a block of each supported `model_type` must have, no more and no fewer.
SUPPORTED = {
    "llama": GATED,
    "mistral": GATED,
    "qwen2": GATED,
    "qwen3": GATED,
    "gemma": GATED,
    "gemma2": GATED,
    "gemma3_text": GATED,
    "opt": OPT,
}
NOT_CENTRED = frozenset(["self_attn.o_proj", "mlp.down_proj", "self_attn.out_proj", "fc2"])
# Layers that read the very tensor another one reads, so that its statistics are gathered once.
_SAME_INPUT = {
    "self_attn.k_proj": "self_attn.q_proj",
    "self_attn.v_proj": "self_attn.q_proj",
    "mlp.up_proj": "mlp.gate_proj",
}
# What does the same in the blocks of Llama and of OPT, by the name that the other one has for it.
_NAMESAKE = {"o_proj": "out_proj", "out_proj": "o_proj", "down_proj": "fc2", "fc2": "down_proj"}
# The order of rows of the paper's Table 2; OPT's block keeps its own three in another one.
ORDER = (*_QKV, "self_attn.o_proj", "self_attn.out_proj", *_GATED_MLP, "fc1", "fc2")


def decoder(model: nn.Module) -> nn.Module:
    """The module that turns token ids into the hidden states before `lm_head`.

    StadeError, saying what is missing, where the architecture is not one that is supported here.
    """
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    if kind not in SUPPORTED:
        raise StadeError(f"{unknown('architecture', kind, SUPPORTED)}; {_lacking(model)}")
    body = getattr(model, "model", None)
    stack = getattr(body, "decoder", body)
    for place, name in ((model, "lm_head"), (stack, "layers"), (stack, "embed_tokens")):
        if not isinstance(getattr(place, name, None), nn.Module):
            raise StadeError(
                f"{type(model).__name__} has no {name}: expected a causal language model with "
                "blocks and a head; load it with stade_nb.models.loading.load"
            )
    return stack


def check_model(model: object) -> None:
    """StadeError for what is no language model with its weights in memory, such as a wrapper."""
    if not isinstance(model, nn.Module) or getattr(model, "config", None) is None:
        raise StadeError(
            f"model of the type {type(model).__name__}: expected a language model of transformers, "
            "such as stade_nb.load returns with its tokenizer; unwrap it"
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise StadeError(
            f"{type(model).__name__} has weights on the device 'meta', which holds no numbers: "
            "load it whole into memory, with nothing offloaded"
        )


def check_layer(layer: nn.Linear) -> None:
    """StadeError for a weight that is no parameter of floats: zeros put into it would not stay.

    torch.nn.utils.prune and parametrizations make a weight anew from tensors of their own.
    """
    if "weight" not in dict(layer.named_parameters(recurse=False)):
        raise StadeError(
            "its weight is made anew at each pass, and what is pruned would come back: make it a "
            "parameter first (torch.nn.utils.prune.remove, parametrize.remove_parametrizations)"
        )
    if not layer.weight.is_floating_point():
        raise StadeError(f"weight of {layer.weight.dtype}: expected a float dtype; convert it")


def _lacking(model: nn.Module) -> str:
    """What a model of an unknown architecture would need to be supported."""
    body = getattr(model, "model", None)
    stack = getattr(getattr(body, "decoder", body), "layers", None)
    if not isinstance(stack, nn.ModuleList) or not len(stack):
        return (
            f"{type(model).__name__} has no list of blocks at model.layers or model.decoder.layers"
        )
    found = set(linear_layers(stack[0]))
    nearest = min((GATED, OPT), key=lambda known: len(known ^ found))
    if found == nearest:
        return (
            "its blocks have the linear layers of a known one: with an entry in SUPPORTED of "
            "stade_nb/models/architectures.py and the tests of all architectures it would be "
            "supported"
        )
    return (
        f"its blocks lack {sorted(nearest - found)} and have the unknown {sorted(found - nearest)}"
    )


def blocks(model: nn.Module) -> nn.ModuleList:
    """The decoder blocks, in order. StadeError where their linear layers are not the known ones."""
    stack = decoder(model).layers
    if not len(stack):
        raise StadeError(
            f"{type(model).__name__} has no blocks: expected at least one, as nothing else is "
            "pruned; give the model the num_hidden_layers that it was saved with"
        )
    expected = SUPPORTED[model.config.model_type]
    for index, block in enumerate(stack):
        found = set(linear_layers(block))
        if found != expected:
            missing, extra = sorted(expected - found), sorted(found - expected)
            raise StadeError(
                f"block {index} of {type(model).__name__} lacks the linear layers {missing} and "
                f"has the unknown {extra}: expected {sorted(expected)}; mixtures of experts and "
                "fused projections are not supported"
            )
    return stack


def linear_layers(block: nn.Module) -> dict[str, nn.Linear]:
    """A block's linear layers by type ("self_attn.q_proj"), in module order: all that is pruned.

    Embeddings, `lm_head` and the projections around OPT-350m's blocks lie outside every block.
    """
    return {name: part for name, part in block.named_modules() if isinstance(part, nn.Linear)}


def layer_types(model: nn.Module) -> list[str]:
    """The layer types of the model's blocks, in module order."""
    return list(linear_layers(blocks(model)[0]))


def block_names(model: nn.Module) -> list[str]:
    """The full name of each block ("model.layers.0"), as in the model's state dict."""
    stack = blocks(model)
    prefix = next(name for name, part in model.named_modules() if part is stack)
    return [f"{prefix}.{index}" for index in range(len(stack))]


def named_layers(model: nn.Module) -> Iterator[tuple[str, str, nn.Linear]]:
    """Each linear layer of the blocks, in module order: its full name, its type, itself."""
    for name, block in zip(block_names(model), blocks(model), strict=True):
        for layer_type, layer in linear_layers(block).items():
            yield f"{name}.{layer_type}", layer_type, layer


def chosen_in(block: nn.Module, layers: str | Sequence[str]) -> list[str]:
    """Table 2's choice of a block's layers: "all", one layer type or several, in module order.

    A layer type may go by its last part, "q_proj". StadeError for an unknown one, or none at all.
    """
    known = list(linear_layers(block))
    wanted = [layers] if isinstance(layers, str) else list(layers)
    if wanted == ["all"]:
        return known
    if "all" in wanted:
        raise StadeError(
            f"layer types {', '.join(map(str, wanted))}: expected 'all' alone, or layer types"
        )
    short = {name.rpartition(".")[2]: name for name in known}
    wanted = [short.get(name, name) for name in wanted]
    for name in wanted:
        if name not in known:
            meant = short.get(_NAMESAKE.get(str(name).rpartition(".")[2]), "")
            raise unknown("layer type", name, ["all", *known], meant)
    if not wanted:
        raise StadeError("no layer types: expected 'all' or at least one of " + ", ".join(known))
    return [name for name in known if name in wanted]


def is_centred(layer_type: str) -> bool:
    """Sec. 3.2: whether STADE takes the layer's input as centred, because a norm precedes it.

    StadeError for an unknown layer type.
    """
    known = frozenset().union(*SUPPORTED.values())
    if layer_type not in known:
        raise unknown("layer type", layer_type, sorted(known))
    return layer_type not in NOT_CENTRED


def is_mlp(layer_type: str) -> bool:
    """Whether a layer type belongs to a block's MLP rather than to its attention."""
    return not layer_type.startswith(f"{_ATTENTION}.")


def place(layer_type: str) -> tuple[int, str]:
    """A key to sort layer types by: those of Table 2 in its `ORDER`, then all others by name."""
    return (ORDER.index(layer_type) if layer_type in ORDER else len(ORDER), layer_type)


def input_of(layer_type: str) -> str:
    """The layer type whose input this one shares: q for k and v, gate for up, else itself."""
    return _SAME_INPUT.get(layer_type, layer_type)


def attention(block: nn.Module) -> nn.Module:
    """A block's attention with its projections; it returns its output and, or None, its weights."""
    return block.get_submodule(_ATTENTION)


def leaves_attention(types: list[str]) -> bool:
    """Whether none of the layer types belongs to `attention`."""
    return all(map(is_mlp, types))


def after_blocks(model: nn.Module) -> list[nn.Module]:
    """The layers behind the last block in their order, the one that makes logits last."""
    stack = decoder(model)
    names = ("norm", "final_layer_norm", "project_out")
    last = [getattr(stack, name) for name in names if getattr(stack, name, None) is not None]
    return [*last, model.lm_head]


def head(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Hidden states after the last block, (..., hidden), to logits, (..., vocabulary)."""
    last = after_blocks(model)
    cap = getattr(model.config, "final_logit_softcapping", None)

    def logits(hidden: Tensor) -> Tensor:
        for part in last:
            hidden = part(hidden)
        return hidden if cap is None else torch.tanh(hidden / cap) * cap

    return logits
