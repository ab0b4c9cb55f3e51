"""Token ids as a model can read them: the length of windows, batches of them, what is refused."""

from numbers import Integral

import torch
from torch import Tensor, nn

from stade_nb.errors import StadeError

LONGEST_WINDOW = 2048
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def window_length(model: nn.Module, wanted: int | None = None) -> int:
    """Section 4's protocol: windows of min(the model's positions, 2048) tokens, or `wanted`.

    StadeError where the model has fewer positions than `wanted`.
    """
    limit = model.config.max_position_embeddings
    if wanted is not None and wanted > limit:
        raise StadeError(
            f"windows of {wanted} tokens: {type(model).__name__} has {limit} positions; "
            f"use windows of at most {limit} tokens"
        )
    return min(limit, LONGEST_WINDOW) if wanted is None else wanted


def check_batch_size(batch_size: int) -> None:
    """StadeError for what is no number of windows."""
    whole = isinstance(batch_size, Integral) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise StadeError(f"batch_size {batch_size!r}: expected 1 or more windows at a time")


def in_batches(ids: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """`ids`, (windows, tokens), in parts of `batch_size` windows, as int64.

    StadeError where that is no number of windows.
    """
    check_batch_size(batch_size)
    return ids.long().split(min(batch_size, max(1, len(ids))))


def check_windows(model: nn.Module, ids: Tensor) -> None:
    """StadeError where `ids`, (windows, tokens), is nothing the model can read."""
    config = model.config
    if not isinstance(ids, Tensor):
        raise StadeError(
            f"token windows of the type {type(ids).__name__}: expected a torch.Tensor of integer "
            "ids, (windows, tokens); torch.as_tensor makes one of lists and arrays"
        )
    if ids.dtype not in _INTEGERS or ids.ndim != 2 or not ids.numel():
        raise StadeError(
            f"token windows of shape {tuple(ids.shape)} and dtype {ids.dtype}: expected integer "
            "ids, (windows, tokens), at least one of each"
        )
    window_length(model, ids.shape[1])
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= config.vocab_size:
        raise StadeError(
            f"token ids from {low} to {high}: expected 0 to {config.vocab_size - 1}; "
            "tokenize the text with the tokenizer of this model"
        )
