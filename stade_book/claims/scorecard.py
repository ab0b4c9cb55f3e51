"""Every claim of the paper with all that is known of it: by theory, print, records and runs.

A claim has at most one rule for each kind of evidence (`RULES`). Some need nothing but the
paper; the others are given the data of a page, which writes what came out to a file of its own.
Records of real models and the runs of a page are judged by the same function.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas

from stade_book.claims import paper
from stade_book.claims.verdicts import PRINTED, RECORDS, RUNS, THEORY, Count, Verdict
from stade_nb.errors import StadeError
from stade_nb.files import write_at_once
from stade_nb.paths import VERDICTS, results

KINDS = (THEORY, PRINTED, RECORDS, RUNS)


class Rule(NamedTuple):
    """The function that decides a claim by one kind of evidence, and the page that calls it."""

    decide: Callable[..., Any]
    page: str


RULES: dict[tuple[str, str], Rule] = {}  # by (claim, by): every claim's rules, one for each kind


def decides(by: str, page: str, *claims: str) -> Callable[[Callable], Callable]:
    """Name the function that decides `claims` by one kind of evidence; StadeError for a second.

    page: the notebook whose data it is given, "" where it needs none.
    """

    def register(function: Callable) -> Callable:
        for claim in claims:
            if (claim, by) in RULES:
                there = RULES[claim, by].decide.__name__
                raise StadeError(f"{claim!r} has a rule by {by} already: change {there}")
            RULES[claim, by] = Rule(function, page)
        return function

    return register


def decides_both(page: str, *claims: str) -> Callable[[Callable], Callable]:
    """`decides` by runs and by records: the same function, given the one or the other."""
    return lambda function: decides(RECORDS, page, *claims)(decides(RUNS, page, *claims)(function))


def write(page: str, found: Iterable[Verdict]) -> list[Verdict]:
    """Keep a page's verdicts in `VERDICTS`/<page>.json for the scorecard, and return them."""
    found = list(found)
    VERDICTS.mkdir(parents=True, exist_ok=True)
    rows = [v._asdict() | {"count": v.count._asdict(), "word": v.word} for v in found]
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    write_at_once(VERDICTS / f"{page}.json", text)
    return found


def read(page: str, folder: Path) -> list[Verdict]:
    """What a page wrote into `folder`; nothing where it has not run here.

    StadeError, naming the file, where it is damaged, and where an older version wrote it.
    """
    path = folder / f"{page}.json"
    if not path.is_file():
        return []
    try:
        return [
            Verdict(
                **{name: row[name] for name in Verdict._fields} | {"count": Count(**row["count"])}
            )
            for row in json.loads(path.read_text("utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StadeError(
            f"verdicts {str(path)!r} are damaged or of an older version ({type(error).__name__}): "
            f"remove the file, or run {page}.ipynb again, as it was run, which writes it"
        ) from error


def without_page() -> list[Verdict]:
    """The verdicts that need no page's data: of the printed tables, and of arithmetic."""
    functions = dict.fromkeys(rule.decide for rule in RULES.values() if not rule.page)
    return [verdict for function in functions for verdict in function()]


def collected(folder: Path | str) -> list[Verdict]:
    """A verdict for each rule there is, in the order of the list of claims.

    folder: of the pages' files, relative to the project. Where a page has not run, an empty verdict
    that says how to run it.
    """
    known = {(v.id, v.by): v for v in without_page()}
    pages = {rule.page: read(rule.page, results(folder)) for rule in RULES.values() if rule.page}
    for (claim, by), rule in RULES.items():
        if rule.page:
            own = (v for v in pages[rule.page] if (v.id, v.by) == (claim, by))
            note = f"python -m workflow.execute notebooks/{rule.page}.ipynb"
            empty = Verdict(claim, by, "", Count(0, 0, 0, note=note))
            known[claim, by] = next(own, empty)
    ids = paper.claims()["id"]
    return [known[claim, by] for claim in ids for by in KINDS if (claim, by) in known]


def table(found: Iterable[Verdict]) -> pandas.DataFrame:
    """Verdicts side by side: columns id, claim, and those of `KINDS` that any of them has.

    Each is the word, the models that it holds on where these are small, and the count. A claim that
    two kinds of evidence read differently has the words of the list of claims, and each verdict on
    another reading its own before it.
    """
    rows: dict[str, dict[str, str]] = {}
    found, readings = list(found), {}
    for verdict in found:
        readings.setdefault(verdict.id, set()).add(verdict.claim)
    for verdict in found:
        one = len(readings[verdict.id]) == 1
        claim = verdict.claim if one else paper.claim_text(verdict.id)
        row = rows.setdefault(verdict.id, {"id": verdict.id, "claim": claim})
        read = "" if one or verdict.claim == claim else f"read as “{verdict.claim}”"
        row[verdict.by] = ": ".join(filter(None, (read, verdict.said, str(verdict.count))))
    frame = pandas.DataFrame(rows.values(), columns=["id", "claim", *KINDS])
    return frame.dropna(axis="columns", how="all").fillna("")
