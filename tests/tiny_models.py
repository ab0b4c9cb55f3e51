"""Untrained models, a few thousand parameters each, of every architecture that is supported."""

import copy

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Qwen2Config,
    Qwen3Config,
)

VOCABULARY = 64
POSITIONS = 32
# Two query heads for each key and value head, so that k_proj and v_proj are narrower.
_GATED = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": POSITIONS,
}
_OPT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "ffn_dim": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
    "dropout": 0.1,
}
_MIXED = ["full_attention", "sliding_attention", "full_attention"]
CONFIGS = {
    "llama": LlamaConfig(**_GATED),
    "mistral": MistralConfig(**_GATED, sliding_window=8),
    "qwen2": Qwen2Config(**_GATED),
    "qwen2_sliding": Qwen2Config(
        **_GATED, use_sliding_window=True, sliding_window=4, max_window_layers=1
    ),
    "qwen3": Qwen3Config(**_GATED),
    "gemma": GemmaConfig(**_GATED),
    "gemma2": Gemma2Config(**_GATED, sliding_window=4),
    "gemma3": Gemma3TextConfig(**_GATED, sliding_window=4, layer_types=_MIXED),
    "opt": OPTConfig(**_OPT, word_embed_proj_dim=32),
    "opt_350m": OPTConfig(**_OPT, word_embed_proj_dim=16, do_layer_norm_before=False),
}


def build(name: str):
    """The model, with biases, norms and weights that matter, ready to evaluate."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[name]))
    for parameter in model.parameters():
        parameter.data += (0.2 if parameter.ndim == 2 else 0.1) * torch.randn(parameter.shape)
    return model.eval()


def windows(count: int, length: int = 16, seed: int = 0) -> torch.Tensor:
    """Random token ids, (count, length)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCABULARY, (count, length), generator=generator)
