"""An embedded Llama as a GGUF file, written by the gguf package, and as wheels that hold it."""

import json
import re
import zipfile
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Storage

from stade_nb.models import loading

# Part of each name in the GGUF file and of the same layer's here.
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
EMBEDDED = "llama-230k"


def tensors() -> dict[str, np.ndarray]:
    """The embedded model's weights by their names in a GGUF file, as llama.cpp orders them."""
    model, _ = loading.load(EMBEDDED)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    config = model.config
    found = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
    }
    for block in range(config.num_hidden_layers):
        for short, name in NAMES.items():
            weight = state[f"model.layers.{block}.{name}.weight"]
            heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
            if short in heads:
                # The two halves of each head, which rotary positions turn, are interleaved there.
                halves = weight.reshape(heads[short], 2, -1, weight.shape[1])
                weight = halves.swapaxes(1, 2).reshape(weight.shape)
            found[f"blk.{block}.{short}.weight"] = weight
    return found


def stored_as(name: str, weight: np.ndarray) -> Storage:
    """How SmolLM2's file stores it: 4 bits, 8 for the embeddings, all for norms and odd rows."""
    if name == "token_embd.weight":
        return Storage.Q8_0
    whole_blocks = weight.ndim == 2 and weight.shape[1] % 32 == 0
    return Storage.Q4_1 if whole_blocks else Storage.F32


def write(
    path: Path,
    quantised: bool = False,
    architecture: str = "llama",
    more: dict[str, np.ndarray] | None = None,
    scaling: gguf.RopeScalingType | None = None,
) -> Path:
    """Write the embedded model, tokenizer included, to `path`: in float32, or in 4 bits.

    more: further tensors. scaling: of the rotary positions, by a factor of 2.
    """
    config = json.loads((loading.EMBEDDED / EMBEDDED / "config.json").read_text())
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("small")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    _add_tokenizer(writer)
    if scaling is not None:
        writer.add_rope_scaling_type(scaling)
        writer.add_rope_scaling_factor(2.0)
    for name, weight in (tensors() | (more or {})).items():
        storage = stored_as(name, weight) if quantised else Storage.F32
        writer.add_tensor(name, gguf.quantize(weight, storage), raw_dtype=storage)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    content = json.loads((loading.EMBEDDED / EMBEDDED / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    control = {token["id"] for token in content["added_tokens"]}
    kinds = [gguf.TokenType.NORMAL, gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.get))
    writer.add_token_types([kinds[number in control] for number in range(len(vocabulary))])
    writer.add_token_merges([" ".join(merge) for merge in content["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)


def wheel(folder: Path, package: str, files: dict[str, bytes]) -> None:
    """A wheel of "name==version" in `folder` that holds `files`."""
    name, _, version = package.partition("==")
    stem = f"{re.sub('[-.]', '_', name)}-{version}"
    about = f"{stem}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: no-such-x\n"
    )
    tag = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{about}/METADATA", metadata)
        archive.writestr(f"{about}/WHEEL", tag)
        archive.writestr(f"{about}/RECORD", "")
