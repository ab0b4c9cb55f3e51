"""Token ids as a model can read them: lengths of windows, batches, .npy files, what is refused."""

from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor, nn

from stade_nb.errors import StadeError, absent
from stade_nb.models import architectures

LONGEST_WINDOW = 2048
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_EXPECTED = "expected a .npy file of integer token ids, (windows, tokens), as numpy.save writes it"


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, NumPy's among them; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_seed(seed: int) -> None:
    """StadeError for what is no seed of windows: `random` would take -1 for 1, and draw by time."""
    if not is_whole(seed) or seed < 0:
        raise StadeError(f"seed {seed!r}: expected a whole number, 0 or more")


def window_length(model: nn.Module, wanted: int | None = None) -> int:
    """Section 4's protocol: windows of min(the model's positions, 2048) tokens, or `wanted`.

    StadeError where the model has fewer positions than `wanted`.
    """
    limit = model.config.max_position_embeddings
    if wanted is not None and not is_whole(wanted):
        raise StadeError(f"windows of {wanted!r} tokens: expected a whole number, or None")
    if wanted is not None and wanted > limit:
        raise StadeError(
            f"windows of {wanted} tokens: {type(model).__name__} has {limit} positions; "
            f"use windows of at most {limit} tokens"
        )
    return min(limit, LONGEST_WINDOW) if wanted is None else wanted


def check_batch_size(batch_size: int) -> None:
    """StadeError for what is no number of windows."""
    if not is_whole(batch_size) or batch_size < 1:
        raise StadeError(f"batch_size {batch_size!r}: expected 1 or more windows at a time")


def in_batches(ids: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """`ids`, (windows, tokens), in parts of `batch_size` windows, as int64.

    StadeError where that is no number of windows.
    """
    check_batch_size(batch_size)
    return ids.long().split(min(int(batch_size), max(1, len(ids))))


def check_windows(model: nn.Module, ids: Tensor) -> None:
    """StadeError where `ids`, (windows, tokens), is nothing the model can read."""
    architectures.check_model(model)
    if not isinstance(ids, Tensor):
        raise StadeError(
            f"token windows of the type {type(ids).__name__}: expected a torch.Tensor of integer "
            "ids, (windows, tokens); torch.as_tensor makes one of lists and arrays"
        )
    if ids.dtype not in _INTEGERS or ids.ndim != 2 or not ids.numel() or ids.is_meta:
        raise StadeError(
            f"token windows of shape {tuple(ids.shape)} and dtype {ids.dtype}"
            f"{' on the device meta' * ids.is_meta}: expected integer ids, (windows, tokens), at "
            "least one of each"
        )
    window_length(model, ids.shape[1])
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= model.config.vocab_size:
        raise StadeError(
            f"token ids from {low} to {high}: expected 0 to {model.config.vocab_size - 1}; "
            "tokenize the text with the tokenizer of this model"
        )


def is_stored(source: str | Path) -> bool:
    """Whether a text source is a file of token ids, for which no tokenizer is needed."""
    return Path(source).suffix == ".npy"


def stored_shape(path: str | Path) -> tuple[int, int]:
    """How many windows a .npy file holds, and of how many tokens.

    StadeError where it cannot be read or holds something else.
    """
    return _array(Path(path)).shape


def stored(path: Path, windows: int | None, length: int) -> Tensor:
    """The first `windows` windows of a .npy file, all where it is None, as int64 on the CPU.

    StadeError where there are fewer, or they are not of `length` tokens.
    """
    ids = _array(path)
    if ids.shape[1] != length:
        raise StadeError(
            f"{str(path)!r} holds {ids.dtype} of shape {ids.shape}: expected integer token ids, "
            f"(windows, {length})"
        )
    if len(ids) < (windows or 1):
        raise StadeError(
            f"{str(path)!r} holds {len(ids)} windows, {windows or 'at least 1'} asked for"
        )
    chosen = ids[:windows]
    if chosen.size and chosen.max() > np.iinfo(np.int64).max:
        raise StadeError(f"{str(path)!r} holds the id {chosen.max()}: {_EXPECTED}")
    return torch.from_numpy(chosen.astype(np.int64))


def _array(path: Path) -> np.ndarray:
    """The array in a file, looked at and not yet read into memory: its header may say anything."""
    if not path.is_file():
        raise absent(path, (".npy",), _EXPECTED)
    with path.open("rb") as file:
        start = file.read(len(npy.MAGIC_PREFIX))
    if start != npy.MAGIC_PREFIX:
        kind = "is a zip archive, such as an .npz file" if start[:2] == b"PK" else "is none"
        raise StadeError(f"{str(path)!r} {kind}: {_EXPECTED}")
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy reads a header as Python reads a program
        # Of numpy's words only these: what it advises for objects is not ours to pass on.
        why = "holds objects" if "bject" in str(error) else "is damaged"
        raise StadeError(f"{str(path)!r} {why}: {_EXPECTED}") from error
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise StadeError(f"{str(path)!r} holds {ids.dtype} of shape {ids.shape}: {_EXPECTED}")
    return ids
