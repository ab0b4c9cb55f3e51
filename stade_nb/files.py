"""Write files whole or not at all, in places that are tried before the work begins."""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from stade_nb.errors import StadeError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}

# Ours, and those of safetensors, which writes beside a file as well.
_LEFTOVER = re.compile(r"\.\d+\.tmp$|^\.tmp\w{6}$")


def write_at_once(path: Path, content: str | bytes | Callable[[BinaryIO], None]) -> None:
    """Write text (in UTF-8) or bytes to `path`, whose folder exists, in place of what was there.

    Whoever reads meanwhile, or after a kill or a power cut, sees the old file or the new one whole.
    content: a function writes into the file that it is given. A link stays: what it leads to is
    written. StadeError, and nothing left beside `path`, where this fails, and where something is
    in its place that is no ordinary file.
    """
    target = ordinary(path)
    temporary = target.with_name(f"{target.name}.{_unique()}.tmp")
    try:
        with temporary.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise _unwritable("file", path, error) from error
    finally:
        _remove(temporary)


def ordinary(path: str | Path) -> Path:
    """Where a file of this name is, or will be, links followed.

    StadeError where a folder, a device, a FIFO or a socket is in its place: whoever replaces one of
    these with a file destroys more than a file.
    """
    try:
        target = Path(os.path.realpath(path))
        kind = stat.S_IFMT(target.stat().st_mode) if target.exists() else stat.S_IFREG
    except (OSError, ValueError) as error:
        raise _unwritable("file", path, error) from error
    if kind != stat.S_IFREG:
        raise StadeError(
            f"{str(path)!r} is {_KINDS.get(kind, 'no file')}, and only ordinary files are "
            "replaced: give another name"
        )
    return target


def try_file(path: str | Path, needed: int = 0, what: str = "the file") -> Path:
    """`path`, after a try whether a file of `needed` bytes can be written in its place.

    Its folder must exist. StadeError as `ordinary` and `try_folder` have it.
    """
    target = ordinary(path)
    if not target.parent.is_dir():
        raise StadeError(f"{str(path)!r}: expected a file in a folder that exists")
    try_folder(target.parent, needed, what)
    return Path(path)


def try_folder(folder: str | Path, needed: int = 0, what: str = "what is kept") -> Path:
    """`folder`, made where it is not there, after a try whether files can be written into it.

    needed: bytes that are to be free there for `what`, named in the message. StadeError where it
    cannot be made or written, or has no room.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        probe = place / f".{_unique()}.tmp"
        try:
            probe.write_bytes(b"\n")
        finally:
            _remove(probe)
        free = shutil.disk_usage(place).free
    except (OSError, ValueError) as error:
        raise _unwritable("folder", folder, error) from error
    if free < needed:
        raise StadeError(
            f"{what} may take {megabytes(needed)} in {str(folder)!r}, where {megabytes(free)} are "
            "free: make room, or name a folder on a larger disk"
        )
    return place


@contextmanager
def held(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Hold a folder against other processes that hold it; False where one has it and none waits.

    The lock is on the folder itself: nothing is left of it, however the process ends.
    """
    place, ours = os.open(folder, os.O_RDONLY), True
    try:
        with suppress(OSError):  # some file systems have no locks
            try:
                fcntl.flock(place, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                ours = False
        yield ours
    finally:
        os.close(place)


def remove_leftovers(folder: str | Path) -> None:
    """Remove what killed processes have left of writes into `folder`, where it is an hour old."""
    for path in Path(folder).glob("*.tmp*"):
        with suppress(OSError):
            if _LEFTOVER.search(path.name) and time.time() - path.lstat().st_mtime > 3600:
                _remove(path)


def megabytes(size: int) -> str:
    """A number of bytes as messages have it.

    >>> megabytes(12_345_678)
    '12.3 MB'
    """
    return f"{size / 1e6:,.1f} MB"


def _unwritable(kind: str, path: str | Path, error: Exception) -> StadeError:
    """The error for a place that cannot be written, with what the system says."""
    reason = getattr(error, "strerror", None) or str(error)
    remedy = "make room" if "space" in reason.lower() else "look at its name and its rights"
    return StadeError(
        f"{kind} {str(path)!r} cannot be written ({reason}): {remedy}, or name another one"
    )


def _unique() -> int:
    """For a name that no other writer has: processes of two containers may have one number."""
    return secrets.randbelow(10**12)


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # a folder that is gone or cannot be entered holds nothing of ours
        temporary.unlink(missing_ok=True)


def canonical(value: Any) -> str:
    """JSON with sorted names and no spaces: equal values have equal texts. No NaN, no infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_ids(ids: Tensor) -> str:
    """SHA-256, in hexadecimal, of token windows, (windows, tokens), whatever their integer type."""
    shape = f"{tuple(ids.shape)} ".encode()
    return hashlib.sha256(shape + ids.long().cpu().contiguous().numpy().tobytes()).hexdigest()
