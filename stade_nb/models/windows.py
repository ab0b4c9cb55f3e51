"""Token windows for calibration and evaluation, drawn and cut as in the paper's experiments."""

import functools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stade_nb.errors import StadeError
from stade_nb.models.texts import documents_of, text_of


def calibration_windows(
    source: str | Path,
    tokenizer: Callable,
    windows: int,
    length: int,
    seed: int,
    cache_dir: str | None = None,
) -> Tensor:
    """Section 4's calibration set: random windows of random documents, (windows, length).

    Draws as `random.seed(seed)` and then, for each window, documents until one has more than
    `length` tokens, and the window's start from 0 to n - length - 1. Where fewer documents than
    `windows` are long enough, each drawn document is continued by those after it (the first one
    follows the last), joined by a blank line, until it has more than `length` tokens.

    source: "embedded", "c4", a text file (see `documents_of`), a folder laid out as the hub's
    (with C4's first training file), or a .npy file of windows already tokenized.
    StadeError where the text does not suffice.

    >>> from stade_nb.models.loading import load
    >>> _, tokenizer = load("llama-230k")
    >>> calibration_windows("embedded", tokenizer, windows=8, length=32, seed=0).shape
    torch.Size([8, 32])
    """
    _check_sizes(windows, length)
    if _is_stored(source):
        return _stored(Path(source), windows, length)
    documents = documents_of(source, cache_dir)

    @functools.cache
    def tokens(index: int) -> list[int]:
        return _tokenize(tokenizer, documents[index])

    long_enough = 0
    for index in range(len(documents)):
        long_enough += len(tokens(index)) > length
        if long_enough == windows:
            break
    else:
        tokens = _continued(documents, tokens, tokenizer, length, source)

    generator, drawn = random.Random(seed), []
    while len(drawn) < windows:
        ids = tokens(generator.randint(0, len(documents) - 1))
        if len(ids) > length:
            start = generator.randint(0, len(ids) - length - 1)
            drawn.append(ids[start : start + length])
    return torch.tensor(drawn)


def _continued(documents, tokens, tokenizer, length, source) -> Callable[[int], list[int]]:
    total = sum(len(tokens(index)) for index in range(len(documents)))

    @functools.cache
    def continued(index: int) -> list[int]:
        count, last = 0, index
        # A tokenizer may join tokens across documents, so counting them one by one is a start only.
        while last < index + len(documents):
            count += len(tokens(last % len(documents)))
            last += 1
            if count > length:
                texts = [documents[i % len(documents)] for i in range(index, last)]
                if len(ids := _tokenize(tokenizer, "\n\n".join(texts))) > length:
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
) -> Tensor:
    """Section 4's evaluation set: a text cut into consecutive windows, (windows, length).

    The whole text is tokenized once (with a BOS at its very start where the tokenizer adds one)
    and its tail dropped. windows: how many to take, from the start; None takes all.

    source: "embedded", "wikitext2", a text file (see `text_of`), a folder laid out as the hub's
    (with WikiText-2's raw test file), or a .npy file of windows already tokenized.
    StadeError, with the number of windows there are, where the text does not suffice.

    >>> from stade_nb.models.loading import load
    >>> _, tokenizer = load("llama-230k")
    >>> evaluation_windows("embedded", tokenizer, windows=4, length=32).shape
    torch.Size([4, 32])
    """
    _check_sizes(1 if windows is None else windows, length)
    if _is_stored(source):
        return _stored(Path(source), windows, length)
    ids = _tokenize(tokenizer, text_of(source, cache_dir))
    possible = len(ids) // length
    if possible < (windows or 1):
        raise StadeError(
            f"evaluation text {str(source)!r} has {len(ids)} tokens: {possible} windows of "
            f"{length} tokens are possible, {windows or 'at least 1'} asked for; ask for fewer or "
            "shorter windows"
        )
    count = possible if windows is None else windows
    return torch.tensor(ids[: count * length]).view(count, length)


def _tokenize(tokenizer: Callable, text: str) -> list[int]:
    # verbose: that a text is longer than the model's context is the point here.
    return tokenizer(text, verbose=False).input_ids


def _check_sizes(windows: int, length: int) -> None:
    if windows < 1 or length < 2:
        raise StadeError(
            f"{windows} windows of {length} tokens: expected at least 1 window of at least 2 tokens"
        )


def _is_stored(source: str | Path) -> bool:
    return Path(source).suffix == ".npy"


def stored_shape(path: str | Path) -> tuple[int, int]:
    """How many windows a .npy file holds, and of how many tokens.

    StadeError where it cannot be read or holds something else.
    """
    ids = _array(Path(path))
    if ids.ndim != 2:
        raise StadeError(
            f"{str(path)!r} holds an array of shape {ids.shape}: expected token ids, "
            "(windows, tokens)"
        )
    return ids.shape


def _array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise StadeError(f"no file {str(path)!r}: expected a .npy file of ids, (windows, tokens)")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise StadeError(f"{str(path)!r} is no .npy file of numbers: {error}") from error


def _stored(path: Path, windows: int | None, length: int) -> Tensor:
    ids = _array(path)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer) or ids.shape[1] != length:
        raise StadeError(
            f"{str(path)!r} holds {ids.dtype} of shape {ids.shape}: expected integer token ids, "
            f"(windows, {length})"
        )
    if len(ids) < (windows or 1):
        raise StadeError(
            f"{str(path)!r} holds {len(ids)} windows, {windows or 'at least 1'} asked for"
        )
    return torch.from_numpy(ids[:windows].astype(np.int64))
