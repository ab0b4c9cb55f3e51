"""The one error class of the package, and the message for a name nobody knows."""

from collections.abc import Iterable
from difflib import get_close_matches


class StadeError(ValueError):
    """Bad input. The message says what was given, what was expected and what to do.

    >>> from stade_nb.numerics.masks import parse_pattern
    >>> try:
    ...     parse_pattern("2of4")
    ... except StadeError as error:
    ...     print(error)
    pattern '2of4': expected a share such as '0.5' or '50%', or N:M: '2:4'
    """


def unknown(kind: str, value: object, options: Iterable[str]) -> StadeError:
    """The error for a `value` that is not among `options`, with the closest one suggested.

    >>> print(unknown("method", "wnda", ["magnitude", "wanda"]))
    unknown method 'wnda': did you mean 'wanda'? known: magnitude, wanda
    """
    known = [str(option) for option in options]
    close = get_close_matches(str(value), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return StadeError(f"unknown {kind} {value!r}: {hint}known: {', '.join(known)}")
