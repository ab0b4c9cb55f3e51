"""Token windows that were made elsewhere: .npy files of token ids, (windows, tokens)."""

from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from stade_nb.errors import StadeError

EXPECTED = "expected a .npy file of integer token ids, (windows, tokens), as numpy.save writes it"


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
        raise StadeError(f"{str(path)!r} holds the id {chosen.max()}: {EXPECTED}")
    return torch.from_numpy(chosen.astype(np.int64))


def _array(path: Path) -> np.ndarray:
    """The array in a file, looked at and not yet read into memory: its header may say anything."""
    if not path.is_file():
        raise StadeError(f"no file {str(path)!r}: {EXPECTED}")
    with path.open("rb") as file:
        start = file.read(len(npy.MAGIC_PREFIX))
    if start != npy.MAGIC_PREFIX:
        kind = "is a zip archive, such as an .npz file" if start[:2] == b"PK" else "is none"
        raise StadeError(f"{str(path)!r} {kind}: {EXPECTED}")
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy reads a header as Python reads a program
        # Of numpy's words only these: what it advises for objects is not ours to pass on.
        why = "holds objects" if "bject" in str(error) else "is damaged"
        raise StadeError(f"{str(path)!r} {why}: {EXPECTED}") from error
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise StadeError(f"{str(path)!r} holds {ids.dtype} of shape {ids.shape}: {EXPECTED}")
    return ids
