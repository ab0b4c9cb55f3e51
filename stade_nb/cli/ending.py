"""How the program ends where it cannot go on: one line, and the full account in a log file."""

import errno
import os
import sys
import time
import traceback

from stade_nb import paths
from stade_nb.errors import StadeError, lacks_memory, shortened

DEBUG = "STADE_NB_DEBUG"
LOG = "errors.log"
# When the log is larger it becomes the earlier one, in place of which there was before.
LARGEST_LOG = 1 << 20
MISTAKEN, BROKEN = 2, 1


def complain(message: str, status: int = MISTAKEN) -> int:
    """Say what is wrong in one line on stderr; returns the exit status."""
    lines = (line.strip().removesuffix(".") for line in message.splitlines())
    print(f"stade_nb: {'. '.join(filter(None, lines))}", file=sys.stderr)
    return status


def explain(error: Exception) -> int:
    """Say what an error means, in one line; returns the exit status, 2 for what the user can mend.

    Where more is known than the line says (another library's error behind it, or one that nobody
    foresaw), the full traceback goes to a log file, which the line names; STADE_NB_DEBUG=1 prints
    it too.
    """
    known, first = isinstance(error, StadeError), error
    while isinstance(first, StadeError) and first.__cause__ is not None:
        first = first.__cause__
    if isinstance(first, StadeError) and not _debugging():
        return complain(str(error))
    place = _account(error)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        said = f"{shortened(error.filename)!r} cannot be a file's or a folder's name"
        return complain(f"{said} ({error.strerror}): give a shorter one\n{place}")
    if isinstance(error, PermissionError) and error.filename is not None:
        said = f"{str(error.filename)!r} may not be opened by this user ({error.strerror})"
        return complain(f"{said}: change its permissions, or name another place\n{place}")
    if known or isinstance(error, OSError):
        return complain(f"{error}\n{place}")
    if lacks_memory(error):
        said = f"out of memory ({error}); take a smaller --batch-size, fewer or shorter windows"
        return complain(f"{said}\n{place}")
    words = " ".join([f"{type(error).__name__}:", *str(error).split()])
    said = shortened(words.removesuffix(":"), 300)
    return complain(f"this should not have happened: {said}\n{place}", BROKEN)


def _debugging() -> bool:
    return os.environ.get(DEBUG, "") not in ("", "0")


def _account(error: Exception) -> str:
    """Where the full traceback is to be read, in words. It never fails itself."""
    full = "".join(traceback.format_exception(error))
    if _debugging():
        print(full, file=sys.stderr)
    heading = f"=== {time.strftime('%Y-%m-%d %H:%M:%S')}, process {os.getpid()}\n"
    for folder in paths.log_folders():
        path = folder / LOG
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.stat().st_size > LARGEST_LOG:
                path.replace(path.with_suffix(".earlier.log"))
            # Only the user's own: paths and texts may be nobody else's business. In the temporary
            # folder, which all share, a link that somebody else has put there is not followed.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            with open(os.open(path, flags, 0o600), "wb") as file:
                file.write((heading + full + "\n").encode(errors="backslashreplace"))
        except OSError:
            continue
        return f"Full traceback: {path}"
    return f"{DEBUG}=1 shows the full traceback"
