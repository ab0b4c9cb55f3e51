"""A claim decided by a rule that is fixed in words beside the code that applies it."""

from typing import NamedTuple

from stade_nb.claims.verdicts import FAILS, HOLDS

THEORY, PRINTED = "theory", "printed tables"


class Decided(NamedTuple):
    """A claim's verdict: `count` is what the `rule` found, `by` says what decides."""

    id: str
    by: str
    rule: str
    count: str
    verdict: str


def held(condition: bool) -> str:
    """The verdict where only two are possible."""
    return HOLDS if condition else FAILS
