"""A model as one GGUF file, the format of llama.cpp: pruned weights, corrected biases, tokenizer.

Which biases a loader reads depends on its architecture. llama.cpp's for Llama takes a bias for each
linear layer of a block, its others fewer or none, and refuse a file that holds what they do not
know. What became of biases in which runtime was measured, see data/conformance.json.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from stade_nb.errors import StadeError, unknown
from stade_nb.files import write_at_once
from stade_nb.models import architectures, gguf_tokenizer, saving
from stade_nb.models.architectures import GATED
from stade_nb.models.gguf_file import check_reader
from stade_nb.numerics.methods import Method

# Architectures of GGUF by `model_type`. OPT has none, and what was tried of Gemma 3 did not come
# back the same from llama.cpp, so that Gemma is not written.
ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
}
_QKV = frozenset(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])
# The layers whose biases llama.cpp loads: what is not here makes it refuse the file.
BIASES = {"llama": GATED, "qwen2": _QKV}


def check(model: nn.Module, tokenizer: object) -> None:
    """StadeError where `write` cannot put the model or its tokenizer into a GGUF file."""
    check_reader()
    config = model.config
    if config.model_type not in ARCHITECTURES:
        raise unknown("architecture for a GGUF file:", config.model_type, ARCHITECTURES)
    kind = config.rope_parameters["rope_type"]
    if kind not in ("default", "llama3"):
        raise _unlike(model, f"rotary positions of type {kind}")
    window = getattr(config, "sliding_window", None)
    if window is not None and window < config.max_position_embeddings:
        raise _unlike(model, f"attention within a window of {window} tokens")
    gguf_tokenizer.check(tokenizer)


def check_biases(model: nn.Module, layers: set[str], file: str = "a GGUF file") -> None:
    """StadeError where llama.cpp would refuse biases of some of the layer types `layers`."""
    known = BIASES.get(ARCHITECTURES[model.config.model_type], frozenset())
    if lost := sorted(layers - known):
        raise StadeError(
            f"{file} for {type(model).__name__}: llama.cpp loads no biases of {', '.join(lost)} in "
            "this architecture and would refuse the file; prune with a method that adds none "
            "(wanda, stade_without_bias)"
        )


def check_method(
    model: nn.Module, tokenizer: object, chosen: str | Method, layers: str | tuple[str, ...] = "all"
) -> None:
    """StadeError where the model, pruned by the method, could not be written: before the work."""
    check(model, tokenizer)
    check_biases(model, saving.corrected(model, chosen, layers) | biased(model))


def biased(model: nn.Module) -> set[str]:
    """The layer types that have a bias in any block."""
    layers = architectures.named_layers(model)
    return {layer_type for _, layer_type, layer in layers if layer.bias is not None}


def write(model: nn.Module, tokenizer: object, file: str | Path, refuse: bool = True) -> Path:
    """Write the model to `file`: matrices in its own dtype, vectors in float32, and the tokenizer.

    A layer type with a bias in one block has one in all, zeros where there was none, and in a Llama
    so have its neighbours, so that transformers can be told of them by its two switches. refuse:
    StadeError where llama.cpp would load none of some biases; False writes them all the same.
    Whole or not at all. StadeError as `check` has it, and where the file cannot be written.
    """
    from gguf import GGUFWriter, get_tensor_name_map
    from gguf.constants import MODEL_ARCH_NAMES

    check(model, tokenizer)
    if refuse:
        check_biases(model, biased(model), repr(str(file)))
    architecture = ARCHITECTURES[model.config.model_type]
    (number,) = (key for key, name in MODEL_ARCH_NAMES.items() if name == architecture)
    names = get_tensor_name_map(number, model.config.num_hidden_layers)

    def fill(out: BinaryIO) -> None:
        with closing(GGUFWriter(Path(out.name), architecture)) as writer:
            _describe(writer, model)
            gguf_tokenizer.add(writer, tokenizer, model.config)
            for name, tensor in tensors(model):
                known = names.get_name(name, try_suffixes=(".weight", ".bias"))
                writer.add_tensor(known or name, *tensor)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()

    write_at_once(Path(file), fill)
    return Path(file)


def _describe(writer: object, model: nn.Module) -> None:
    """The configuration, by GGUF's names."""
    config = model.config
    heads, size = config.num_attention_heads, _head_size(config)
    writer.add_name(Path(str(config._name_or_path)).name or "pruned")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads or heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)


def tensors(model: nn.Module) -> Iterator[tuple[str, tuple]]:
    """Every tensor by its name here, as (array, None) or (raw bytes, their GGUF type)."""
    config, tied = model.config, model.config.tie_word_embeddings
    state = dict(model.state_dict())
    types = biased(model)
    if types and ARCHITECTURES[config.model_type] == "llama":
        types = GATED  # a configuration of transformers announces all of them, or none
    for full, layer_type, layer in architectures.named_layers(model):
        if layer_type in types:
            state.setdefault(f"{full}.bias", layer.weight.new_zeros(len(layer.weight)))
    for name, tensor in state.items():
        if tied and name == "lm_head.weight":
            continue
        if ARCHITECTURES[config.model_type] == "llama":
            # There the two halves of each head, which rotary positions turn, are interleaved.
            if ".q_proj." in name:
                tensor = interleaved(tensor, config.num_attention_heads)
            if ".k_proj." in name:
                tensor = interleaved(tensor, config.num_key_value_heads)
        yield name, _stored(tensor)
    if config.rope_parameters["rope_type"] == "llama3":
        yield "rope_freqs.weight", (_slower(model).float().numpy(),)


def interleaved(tensor: Tensor, heads: int) -> Tensor:
    """Rows of each head (first half, second half) one by one in turn; (out, ...) to (out, ...)."""
    return tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _stored(tensor: Tensor) -> tuple:
    """Vectors in float32, as llama.cpp wants them; matrices as they are."""
    from gguf import GGMLQuantizationType, quantize

    tensor = tensor.detach().cpu().contiguous()
    if tensor.ndim == 1:
        return (tensor.float().numpy(),)
    if tensor.dtype == torch.bfloat16:
        storage = GGMLQuantizationType.BF16
        return quantize(tensor.float().numpy(), storage), None, storage
    return (tensor.numpy(),)


def _slower(model: nn.Module) -> Tensor:
    """By what llama3's scaling divides each frequency of the rotary positions."""
    config = model.config
    size = _head_size(config)
    steps = torch.arange(0, size, 2, dtype=torch.float32) / size
    return 1 / (
        config.rope_parameters["rope_theta"] ** steps * model.model.rotary_emb.inv_freq.cpu()
    )


def _head_size(config: object) -> int:
    found = getattr(config, "head_dim", None)
    return found or config.hidden_size // config.num_attention_heads


def _unlike(model: nn.Module, what: str) -> StadeError:
    return StadeError(
        f"{type(model).__name__} with {what}: llama.cpp computes this architecture otherwise, so "
        "no GGUF file is written; save a folder instead"
    )
