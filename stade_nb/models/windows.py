"""Token windows for calibration and evaluation, drawn and cut as in the paper's experiments."""

import functools
import random
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from stade_nb.errors import StadeError, shortened
from stade_nb.models.texts import documents_of, text_of
from stade_nb.models.token_ids import check_seed, is_stored, is_whole, stored
from stade_nb.models.tokenizing import bos_of, check_bos, first_tokens, no_tokenizer, tokenize

# Of all windows together: 8 GB of token ids. The paper's have 262,144, WikiText-2's test 350,000.
MOST_TOKENS = 10**9
# Calibration windows that together have more than so many times the text's tokens repeat it: a
# warning says so. Those of this book have at most a tenth of the embedded text's 400,000.
OVERLAPPING = 2


def calibration_windows(
    source: str | Path,
    tokenizer: Callable,
    windows: int,
    length: int,
    seed: int,
    cache_dir: str | None = None,
    bos: str = "text",
) -> Tensor:
    """Section 4's calibration set: random windows of random documents, (windows, length) int64.

    Draws as `random.seed(seed)` and then, for each window, documents until one has more than
    `length` tokens, and the window's start from 0 to n - length - 1. Where fewer documents than
    `windows` are long enough, each drawn document is continued by those after it (the first one
    follows the last), joined by a blank line, until it has more than `length` tokens.

    source: "embedded", "c4", a text file (see `documents_of`), a folder laid out as the hub's
    (with C4's first training file), or a .npy file of windows already tokenized. bos: "text", as
    above: documents begin with a BOS where the tokenizer adds one, and windows mostly within them;
    "window": the same windows, but each begins with a BOS, in place of its last token.
    StadeError where the text does not suffice, and for numbers that are none; a warning where it is
    taken more than `OVERLAPPING` times.

    >>> from stade_nb.models.loading import load
    >>> _, tokenizer = load("llama-230k")
    >>> calibration_windows("embedded", tokenizer, windows=8, length=32, seed=0).shape
    torch.Size([8, 32])
    """
    _check(source, tokenizer, windows, length, bos)
    check_seed(seed)
    if is_stored(source):
        return stored(Path(source), windows, length)
    first = bos_of(tokenizer) if bos == "window" else None
    documents = documents_of(source, cache_dir)

    @functools.cache
    def tokens(index: int) -> list[int]:
        return tokenize(tokenizer, documents[index])

    long_enough, total = 0, None
    for index in range(len(documents)):
        long_enough += len(tokens(index)) > length
        if long_enough == windows:
            break
    else:
        total = sum(len(tokens(index)) for index in range(len(documents)))
        tokens = _continued(documents, tokens, tokenizer, length, source, total)

    generator, drawn = random.Random(int(seed)), []
    while len(drawn) < windows:
        ids = tokens(generator.randint(0, len(documents) - 1))
        if len(ids) > length:
            start = generator.randint(0, len(ids) - length - 1)
            window = ids[start : start + length]
            drawn.append(window if first in (None, window[0]) else [first, *window[:-1]])
    if total is not None and windows * length > OVERLAPPING * total:
        warnings.warn(
            f"{windows:,} windows of {length:,} tokens from {total:,} tokens of {str(source)!r}: "
            "they overlap; ask for fewer, or give more text",
            stacklevel=2,
        )
    return torch.tensor(drawn, device="cpu")


def _continued(documents, tokens, tokenizer, length, source, total) -> Callable[[int], list[int]]:
    @functools.cache
    def continued(index: int) -> list[int]:
        count, last = 0, index
        # A tokenizer may join tokens across documents, so counting them one by one is a start only.
        while last < index + len(documents):
            count += len(tokens(last % len(documents)))
            last += 1
            if count > length:
                texts = [documents[i % len(documents)] for i in range(index, last)]
                if len(ids := tokenize(tokenizer, "\n\n".join(texts))) > length:
                    return ids
        raise StadeError(
            f"calibration text {str(source)!r} has {total} tokens in all: 0 windows of {length} "
            f"tokens are possible; give more than {length} tokens, or ask for shorter windows"
        )

    return continued


def evaluation_windows(
    source: str | Path,
    tokenizer: Callable,
    windows: int | None = None,
    length: int = 2048,
    cache_dir: str | None = None,
    bos: str = "text",
) -> Tensor:
    """Section 4's evaluation set: a text cut into consecutive windows, (windows, length) int64.

    The whole text is tokenized once (with a BOS at its very start where the tokenizer adds one)
    and its tail dropped. windows: how many to take, from the start; None takes all. bos: "text", as
    above; "window": each window is a BOS and `length` - 1 tokens of the text.

    source: "embedded", "wikitext2", a text file (see `text_of`), a folder laid out as the hub's
    (with WikiText-2's raw test file), or a .npy file of windows already tokenized.
    StadeError, with the number of windows there are, where the text does not suffice.

    >>> from stade_nb.models.loading import load
    >>> _, tokenizer = load("llama-230k")
    >>> evaluation_windows("embedded", tokenizer, windows=4, length=32).shape
    torch.Size([4, 32])
    """
    _check(source, tokenizer, 1 if windows is None else windows, length, bos)
    if is_stored(source):
        return stored(Path(source), windows, length)
    first = [bos_of(tokenizer)] if bos == "window" else []
    own = length - len(first)
    text, options = text_of(source, cache_dir), {"add_special_tokens": False} if first else {}
    if not text:  # which a BOS would make one token long
        raise StadeError(f"evaluation text {str(source)!r} is empty: expected some text")
    if windows is None:
        ids = tokenize(tokenizer, text, **options)
    else:
        ids = first_tokens(tokenizer, text, windows * own, **options)
    possible = len(ids) // own
    if possible < (windows or 1):
        raise StadeError(
            f"evaluation text {str(source)!r} has {len(ids)} tokens: {possible} windows of "
            f"{length} tokens are possible, {windows or 'at least 1'} asked for; ask for fewer or "
            "shorter windows"
        )
    count = possible if windows is None else windows
    cut = torch.tensor(ids[: count * own], device="cpu").view(count, own)
    return torch.cat([cut.new_tensor(first).expand(count, 1), cut], 1) if first else cut


def _check(source: str | Path, tokenizer: object, windows: int, length: int, bos: str) -> None:
    """StadeError for what can be no windows, whatever the text."""
    if not isinstance(source, str | PathLike):
        raise StadeError(
            f"text source of the type {type(source).__name__}: expected a name, such as "
            "'embedded', a file or a folder"
        )
    if not is_stored(source) and not callable(tokenizer):
        raise no_tokenizer(tokenizer)
    check_bos(bos)
    if bos == "window" and is_stored(source):
        raise StadeError(
            f"a BOS before each window of {str(source)!r}: an array of token ids is taken as it "
            "is; write the BOS into it, and leave bos at its default, 'text'"
        )
    if not is_whole(windows) or not is_whole(length):
        raise StadeError(
            f"{shortened(repr(windows))} windows of {shortened(repr(length))} tokens: expected "
            "whole numbers of both"
        )
    if windows * length > MOST_TOKENS:
        raise StadeError(
            f"{shortened(windows)} windows of {shortened(length)} tokens: expected at most "
            f"{MOST_TOKENS:,} tokens in all; ask for fewer or shorter windows"
        )
    if windows < 1 or length < 2:
        raise StadeError(
            f"{windows} windows of {length} tokens: expected at least 1 window of at least 2 tokens"
        )
