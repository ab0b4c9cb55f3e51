"""Texts as token ids: with the special tokens that a tokenizer adds, and no more than is needed."""

import json
import re
import sys
from collections.abc import Callable

from stade_nb.errors import StadeError, unknown

# Where BOS stands: as the paper's protocol has it, once before a whole text if the tokenizer adds
# it by itself, or before each window.
BOS = ("text", "window")
# Characters; more than these take so long that a line says what is going on.
LONG = 20_000_000
# A start of this many characters for each token is tried first.
CHARACTERS = 8
# Pre-tokenizers that read a text from left to right and end a word before a space.
_BY_WORD = {"Whitespace", "WhitespaceSplit", "BertPreTokenizer"}
_WITHIN_WORDS = {"ByteLevel", "Digits", "Punctuation"}
# The patterns of GPT-2's, Llama 3's and Qwen 2's splits: a letter before a space ends a match.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3, QWEN2 = (_WORDS + digits + _REST for digits in (r"\p{N}{1,3}", r"\p{N}"))
_PATTERNS = (GPT2, LLAMA3, QWEN2)
# Normalizers that look at a character and its marks, and leave letters and spaces of ASCII alone.
_BY_CHARACTER = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase"}
_REPLACED = {r"\p{M}", r"\p{Mn}", r"[^\x20-\x7e\n]"}
_BETWEEN_WORDS = re.compile(r"(?<=[A-Za-z])(?= [A-Za-z])")


def tokenize(tokenizer: Callable, text: str, **options) -> list[int]:
    """The token ids of a text, special tokens included; a long text is announced on stderr."""
    if len(text) > LONG:
        print(
            f"stade_nb: tokenizing {len(text) / 1e6:,.0f} million characters ...", file=sys.stderr
        )
    # verbose: that a text is longer than the model's context is the point here.
    return tokenizer(text, verbose=False, **options).input_ids


def first_tokens(tokenizer: Callable, text: str, count: int, **options) -> list[int]:
    """The token ids of a text as `tokenize` has them: all, or at least the first `count` of them.

    Where the tokenizer goes word by word, the words of a start that ends between two words are
    those of the whole text, so that no more than such a start is tokenized.
    """
    size = CHARACTERS * (count + 1)
    if len(text) > 2 * size and goes_by_word(tokenizer):
        while 2 * size < len(text) and (cut := _BETWEEN_WORDS.search(text, size)):
            ids = tokenize(tokenizer, text[: cut.start()], **options)
            # What is added at the end of a text does not belong there.
            if len(ids) - tokenizer.num_special_tokens_to_add() >= count:
                return ids[:count]
            size *= 4
    return tokenize(tokenizer, text, **options)


def goes_by_word(tokenizer: object) -> bool:
    """Whether a letter before a space ends a word, and each word has its tokens by itself.

    So that the tokens of a text up to such a place do not depend on what follows. False where that
    is not certain: what the tokenizer is made of is compared with a list of what is known.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    parts = json.loads(backend.to_str())
    normalizers = _sequence(parts["normalizer"], "normalizers")
    splits = _sequence(parts["pre_tokenizer"], "pretokenizers")
    added = [token["content"] for token in parts["added_tokens"]]
    return (
        all(map(_goes_by_character, normalizers))
        and all(map(_is_local, splits))
        and any(map(_ends_before_a_space, splits))
        and parts["model"]["type"] in ("BPE", "WordPiece", "WordLevel", "Unigram")
        and not parts["model"].get("dropout")
        and parts["truncation"] is None
        # No added token reaches over such a place, or takes the space from the word behind it.
        and not any(re.search(r"\s|^[A-Za-z]", content) for content in added)
    )


def _sequence(part: dict | None, name: str) -> list[dict]:
    if part is None:
        return []
    return part[name] if part["type"] == "Sequence" else [part]


def _goes_by_character(normalizer: dict) -> bool:
    if normalizer["type"] == "Replace":
        return normalizer["pattern"].get("Regex") in _REPLACED
    return normalizer["type"] in _BY_CHARACTER


def _is_local(split: dict) -> bool:
    return split["type"] in _BY_WORD | _WITHIN_WORDS or _ends_before_a_space(split)


def _ends_before_a_space(split: dict) -> bool:
    if split["type"] == "Split":
        known = split["pattern"].get("Regex") in _PATTERNS
        return known and split["behavior"] == "Isolated" and not split.get("invert")
    return split["type"] in _BY_WORD or (split["type"] == "ByteLevel" and split["use_regex"])


def no_tokenizer(given: object) -> StadeError:
    """The error for what stands in a tokenizer's place."""
    return StadeError(
        f"tokenizer of the type {type(given).__name__}: expected one of transformers, such as the "
        "second of the two that stade_nb.load returns"
    )


def check_bos(bos: str) -> None:
    """StadeError for a place of BOS that is not known."""
    if bos not in BOS:
        raise unknown("place of BOS", bos, BOS)


def added_bos(tokenizer: Callable) -> int | None:
    """The token that a tokenizer puts before every text by itself, or None."""
    ids = tokenizer("a", verbose=False).input_ids
    plain = tokenizer("a", add_special_tokens=False, verbose=False).input_ids
    return ids[0] if len(ids) > len(plain) and ids[:1] != plain[:1] else None


def bos_of(tokenizer: object) -> int:
    """The token that begins a text. StadeError where the tokenizer has none."""
    own = added_bos(tokenizer)
    found = tokenizer.bos_token_id if own is None else own
    if found is None:
        raise StadeError(
            "a BOS before each window: the model's tokenizer has no such token; leave bos at its "
            "default, 'text'"
        )
    return found
