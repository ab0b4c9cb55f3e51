"""What each embedded model is: architecture, size and training, chosen before any pruning.

Sizes are those that two CPU cores can train on 100 tokens per parameter in about an hour: an
undertrained model does not distinguish pruning methods, however large it is.
"""

from dataclasses import asdict, dataclass

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, OPTConfig, PretrainedConfig, PreTrainedTokenizerFast

from stade_nb.corpus.documents import SEPARATOR
from stade_nb.errors import unknown


@dataclass(frozen=True)
class Recipe:
    """One embedded model. Widths are divisible by 16, so that every N:M pattern fits."""

    architecture: str  # "llama" or "opt"
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int  # fewer than heads: grouped-query attention (Llama only)
    tokens_per_parameter: int = 104  # parameters outside the embeddings
    window: int = 256
    batch: int = 8  # windows a step
    learning_rate: float = 3e-3
    warmup: float = 0.02  # share of the steps; then a cosine to zero
    weight_decay: float = 0.1
    seed: int = 0

    def as_dict(self) -> dict:
        """All entries by name, as checkpoints and training records keep them."""
        return asdict(self)


RECIPES: dict[str, Recipe] = {
    "llama-230k": Recipe("llama", hidden=64, intermediate=176, layers=5, heads=4, kv_heads=2),
    "llama-390k": Recipe("llama", hidden=96, intermediate=256, layers=4, heads=6, kv_heads=2),
    "opt-450k": Recipe("opt", hidden=96, intermediate=384, layers=4, heads=6, kv_heads=6),
    "opt-340k": Recipe("opt", hidden=96, intermediate=384, layers=3, heads=6, kv_heads=6),
}


def recipe(name: str) -> Recipe:
    """The recipe of an embedded model; StadeError for an unknown name."""
    if name not in RECIPES:
        raise unknown("embedded model", name, RECIPES)
    return RECIPES[name]


def configuration(recipe: Recipe) -> PretrainedConfig:
    """The ``transformers`` configuration of a recipe."""
    common = {
        "vocab_size": VOCABULARY,
        "hidden_size": recipe.hidden,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "max_position_embeddings": recipe.window,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": None,
    }
    if recipe.architecture == "llama":
        return LlamaConfig(
            intermediate_size=recipe.intermediate, num_key_value_heads=recipe.kv_heads, **common
        )
    return OPTConfig(
        ffn_dim=recipe.intermediate,
        word_embed_proj_dim=recipe.hidden,
        dropout=0.0,
        attention_dropout=0.0,
        **common,
    )


VOCABULARY = 1024


def train(documents: list[str], vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Byte-pair encoding with ``vocabulary`` entries, trained on the documents.

    The alphabet is printable ASCII and the line end: a byte alphabet would spend a quarter of so
    small a vocabulary on bytes that this corpus never has. Other characters are replaced by
    their ASCII base letter where they have one and by ``?`` where not.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.Replace(Regex(r"\p{M}"), ""),
            normalizers.Replace(Regex(r"[^\x20-\x7e\n]"), "?"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # the byte-level pre-tokenizer writes the space as Ġ and the line end as Ċ
    alphabet = [chr(code) for code in range(0x21, 0x7F)] + ["Ġ", "Ċ"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[SEPARATOR],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SEPARATOR,
        eos_token=SEPARATOR,
        clean_up_tokenization_spaces=False,
    )
