"""The one error class of the package, and messages for unknown names, absent files, wrong words."""

import argparse
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn


class StadeError(ValueError):
    """Bad input. The message says what was given, what was expected and what to do.

    >>> from stade_nb.numerics.masks import parse_pattern
    >>> try:
    ...     parse_pattern("2of4")
    ... except StadeError as error:
    ...     print(error)
    pattern '2of4': expected a share such as '0.5' or '50%', or N:M: '2:4'
    """


class Words(argparse.ArgumentParser):
    """The words of a small command; what is wrong with them is said in one line, status 2."""

    def error(self, message: str) -> NoReturn:
        """End the process with the message and where to read on."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def unknown(kind: str, value: object, options: Iterable[str], meant: str = "") -> StadeError:
    """The error for a `value` that is not among `options`, with `meant` or the closest suggested.

    >>> print(unknown("method", "wnda", ["magnitude", "wanda"]))
    unknown method 'wnda': did you mean 'wanda'? known: magnitude, wanda
    """
    known, given = [str(option) for option in options], shortened(value)
    # What is known is no answer to itself, where it only stands in the wrong place.
    others = [option for option in known if option != given]
    close = [meant] if meant else get_close_matches(given, others, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    said = repr(given) if isinstance(value, str) else shortened(repr(value))
    return StadeError(f"unknown {kind} {said}: {hint}known: {', '.join(known)}")


def absent(path: Path, suffixes: Collection[str], expected: str) -> StadeError:
    """The error for a file to read that is not there, with the nearest name where it would be.

    suffixes: of the files that may be meant; a name that ends in none of them may mean a folder.
    expected: in words.
    """
    if path.exists():
        return StadeError(f"{str(path)!r} is no ordinary file: {expected}")
    folder, is_file = path.absolute().parent, path.suffix in suffixes
    beside = [
        one.name
        for one in sorted(folder.glob("*"))
        if one.exists() and (one.suffix in suffixes or (one.is_dir() and not is_file))
    ]
    close = get_close_matches(path.name, beside, n=1)
    hint = f"did you mean {str(path.with_name(close[0]))!r}? " if close else ""
    where = repr(str(folder)) + ("" if folder.is_dir() else ", which is no folder")
    kind = "file" if is_file else "file or folder"
    return StadeError(f"no {kind} {shortened(path.name)!r} in {where}: {hint}{expected}")


def shortened(value: object, most: int = 80) -> str:
    """A value's text as messages quote it: at most so many characters, the rest only counted.

    >>> shortened("9" * 400, 6)
    '999999... (400 characters)'
    """
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


# What torch, CUDA's libraries and the system say in errors that have no class of their own for it.
_NO_MEMORY = ("out of memory", "annot allocate memory", "not enough memory", "ALLOC_FAILED")


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, a GPU's or the host's.

    >>> lacks_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
    True
    """
    said = str(error) if isinstance(error, RuntimeError | OSError) else ""
    return isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)
