"""When numbers were computed: earlier, in this build, or not yet. Every table has a line on it."""

from collections.abc import Sequence
from html import escape

import pandas
from IPython.display import HTML

from stade_book.pages import html, models, provenance
from stade_book.pages.tables import earlier, perplexity
from stade_nb.models import loading

EARLIER, HERE, NOT_YET = "Computed earlier", "Computed in this build", "Not run on a real model yet"
SMALL = "models of 0.2–0.5 million parameters"
FOLDER = "data/results"
MADE = "When and with what the records were computed."


def badge(word: str, text: str) -> HTML:
    """A line that begins with when something was computed, as every page of the paper's has it."""
    return HTML(f'<p class="when"><strong>{escape(word)}.</strong> {escape(text)}</p>')


def here(names: Sequence[str]) -> HTML:
    """What stands above the tables of this build: on which models, and of which size."""
    found = loading.named(names)
    size = f", {SMALL} trained for this book" if _are_small(found) else ""
    return badge(HERE, f"{', '.join(found)}{size}.")


def on(names: Sequence[str]) -> str:
    """On which models a page's own numbers are: the size of this book's, or their names."""
    return SMALL if _are_small(loading.named(names)) else ", ".join(models.labelled(names).values())


def _are_small(found: Sequence[str]) -> bool:
    return set(found) <= set(loading.embedded_models())


def block(ran: pandas.DataFrame, parts: Sequence[HTML], missing: Sequence[str]) -> HTML:
    """Tables of records under the words "Computed earlier".

    One click away: date, device, threads, versions, seconds and each record's key. missing: the
    commands that compute what is not there.
    """
    models = ", ".join(dict.fromkeys(ran["model"]))
    days = sorted({made["date"] for made in ran["computed"]})
    span = " to ".join(dict.fromkeys([days[0], days[-1]]))
    seconds = ran["seconds"].map(earlier.total).sum()
    head = f"{len(ran)} cells of {models}, {span}, {seconds / 3600:.1f} hours by the clock."
    folded = made(ran).data
    tables = "\n".join(part.data for part in parts)
    return HTML(badge(EARLIER, head).data + tables + folded + commands("What is not run", missing))


def made(ran: pandas.DataFrame) -> HTML:
    """Behind a line to click: with what records were computed, and each one's key."""
    how = html.table(earlier.how(ran), {"seconds": "{:,.0f}"}, caption=MADE).data
    folded = provenance.folded(perplexity.records(ran), FOLDER)
    return HTML(folded.replace("</summary>", f" and what computed them</summary>\n{how}", 1))


def nothing(command: str) -> HTML:
    """What a page says where no record of a real model fits it, with the command to run."""
    return HTML(badge(NOT_YET, "The command is below.").data + commands("To run it", [command]))


def commands(heading: str, lines: Sequence[str]) -> str:
    """Commands behind a line to click that says how many there are; nothing for none."""
    if not lines:
        return ""
    return (
        f'<details class="records"><summary>{heading}: {len(lines)} '
        f"command{'s' * (len(lines) > 1)}</summary>\n<pre>{escape(chr(10).join(lines))}</pre>"
        "</details>"
    )
