"""One bad input: what is wrong, the words that are typed, and what is to come of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    what: is wrong, in words. given: what is typed: a command of `python -m stade_nb`, `papermill`,
    `workflow.NAME` or `make`, or an expression of Python, `snb` being the package. says: a part of
    the answer. status: of the process, 0 where the input is answered and used all the same. change:
    what is done to the place first, see `stage`. leaves: what is new, changed or gone afterwards.
    output: the encoding of the terminal.
    """

    what: str
    given: str
    says: str
    status: int = 2
    change: Change | None = None
    leaves: tuple[str, ...] = ()
    output: str = "utf-8"

    @property
    def is_python(self) -> bool:
        """Whether the row is an expression of Python, which has no exit status."""
        return self.given.startswith("snb.")
