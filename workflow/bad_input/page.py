"""The table of the book: every row tried, and what came of it written as a page's part."""

import os
import re
import tempfile
from pathlib import Path

from workflow import Words, status_of
from workflow.bad_input import stage
from workflow.bad_input.row import Row
from workflow.bad_input.rows import GROUPS
from workflow.bad_input.trying import Outcome, attempt

LONGEST = 60  # characters of one word that are shown


def tried() -> dict[str, list[tuple[Row, Outcome]]]:
    """The outcome of every row, by group."""
    with tempfile.TemporaryDirectory() as folder:
        stage.build(Path(folder))
        return {
            group: [(row, attempt(row, Path(folder))) for row in rows]
            for group, rows in GROUPS.items()
        }


def one_line(row: Row, outcome: Outcome) -> bool:
    """Whether a row is refused in one line on stderr, and with the exit status that it is to have.

    One that is used all the same is not.
    """
    expected = (1, None) if row.is_python else (1, row.status)
    return (len(outcome.said), outcome.status) == expected and row.status != 0


def code(text: str) -> str:
    """Text as inline code of Markdown, whatever is in it; very long words are cut.

    >>> code("a `b`")
    '`` a `b` ``'
    """
    text = re.sub(rf"(\S{{{LONGEST}}})\S{{20,}}", r"\1 …", text)
    if not text:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}" if fence == "`" else f"{fence} {text} {fence}"


def table(rows: list[tuple[Row, Outcome]]) -> str:
    """A list table of Markdown."""
    lines = ["```````{list-table}", ":header-rows: 1", ":widths: 32 46 8 14", ""]
    entries = [("given", "answer", "status", "what remains")]
    for row, outcome in rows:
        said = outcome.line if row.status or row.is_python else " ".join(outcome.shown)
        status = "–" if outcome.status is None else str(outcome.status)
        left = ", ".join(map(code, outcome.remains)) or "nothing new"
        entries.append((f"{row.what}: {code(row.given)}", code(said), status, left))
    for entry in entries:
        lines += [f"{'* -' if not at else '  -'} {cell}" for at, cell in enumerate(entry)]
    return "\n".join([*lines, "```````", ""])


def page(found: dict[str, list[tuple[Row, Outcome]]]) -> str:
    """All tables, and above them how many rows there are and how they ended."""
    every = [pair for rows in found.values() for pair in rows]
    lines = sum(one_line(*pair) for pair in every)
    used = sum(outcome.status == 0 for _, outcome in every)
    clean = sum(outcome.remains == row.leaves for row, outcome in every)
    counted = (
        f"{len(every)} inputs were tried when this book was built: {lines} were refused in one "
        f"line, {used} used all the same, and {clean} left the folder as it was.\n"
    )
    parts = [f"## {group}\n\n{table(rows)}" for group, rows in found.items()]
    return "\n".join([counted, *parts])


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Words(prog="python -m workflow.bad_input", description=__doc__)
    parser.add_argument("file", type=Path, help="for the table, in Markdown")
    given = parser.parse_args(words)
    os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub's library looks

    def write() -> None:
        text = page(tried())
        given.file.parent.mkdir(parents=True, exist_ok=True)
        given.file.write_text(text, "utf-8")

    return status_of("bad_input", write)
