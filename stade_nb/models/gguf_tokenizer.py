"""A tokenizer's entries in a GGUF file: byte-level byte-pair encoding, as GPT-2 has it."""

import json

from stade_nb.errors import StadeError
from stade_nb.models.tokenizing import LLAMA3, QWEN2

# llama.cpp has the ways to cut a text into words by name; these by the regular expressions of a
# tokenizer.json, none for GPT-2's own.
WAYS = {(): "gpt-2", ("digits",): "smollm", (LLAMA3,): "llama-bpe", (QWEN2,): "qwen2"}


def check(tokenizer: object) -> None:
    """StadeError where `add` does not know how the tokenizer works."""
    _way(_content(tokenizer))


def add(writer: object, tokenizer: object, config: object) -> None:
    """Give a `gguf.GGUFWriter` the tokenizer: entries, merges, special tokens, chat template.

    Entries that the embeddings of `config` have beyond the tokenizer's are there as unused ones.
    """
    from gguf import TokenType

    content = _content(tokenizer)
    entries = dict(content["model"]["vocab"])
    kinds = dict.fromkeys(entries.values(), TokenType.NORMAL)
    for added in content["added_tokens"]:
        entries[added["content"]] = added["id"]
        kinds[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    named = {number: text for text, number in entries.items()}
    numbers = range(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_way(content))
    writer.add_token_list([named.get(number, f"[PAD{number}]") for number in numbers])
    writer.add_token_types([kinds.get(number, TokenType.UNUSED) for number in numbers])
    merges = content["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    for name in ("bos", "eos", "pad", "unk"):
        if (number := getattr(tokenizer, f"{name}_token_id", None)) is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    first = tokenizer("a").input_ids[0]
    writer.add_add_bos_token(first == tokenizer.bos_token_id is not None)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _content(tokenizer: object) -> dict:
    """What tokenizer.json would hold; StadeError where it is no byte-level byte-pair encoding."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend is not None else {}
    bytes_decoded = "ByteLevel" in json.dumps(content.get("decoder"))
    if content.get("model", {}).get("type") != "BPE" or not bytes_decoded:
        raise StadeError(
            f"{type(tokenizer).__name__} is no byte-level byte-pair encoding (as those of Llama 3, "
            "Qwen, SmolLM2 and GPT-2 are), so no GGUF file is written with it; save a folder "
            "instead, and convert that with llama.cpp's own convert_hf_to_gguf.py"
        )
    return content


def _way(content: dict) -> str:
    """llama.cpp's name for the way a tokenizer cuts text into words. StadeError for another way."""
    steps = content["pre_tokenizer"] or {}
    steps = steps.get("pretokenizers", [steps] if steps else [])
    seen = []
    for step in steps:
        if step["type"] == "Split":
            seen.append(step["pattern"].get("Regex") or step["pattern"].get("String"))
        elif step["type"] == "Digits":
            seen.append("digits")
        elif step["type"] != "ByteLevel":
            seen.append(step["type"])
    if tuple(seen) not in WAYS:
        raise StadeError(
            f"a tokenizer that cuts text at {seen}: expected a way that llama.cpp has by name "
            f"({', '.join(WAYS.values())}); save a folder instead of a GGUF file"
        )
    return WAYS[tuple(seen)]
