"""Our values beside the printed ones, on a page."""

import html
from types import SimpleNamespace

import pandas
from IPython.display import HTML

from stade_nb.claims import layer_reproduction, reproduction
from stade_nb.pages import display


def shown(
    number: int, ran: pandas.DataFrame, p: SimpleNamespace, value: str = "perplexity"
) -> HTML:
    """`beside` for a page, and a sentence where there is nothing to compare, or not all."""
    return page(number, reproduction.beside(number, ran, p, value), ran, p, value)


def page(
    number: int,
    found: pandas.DataFrame,
    ran: pandas.DataFrame,
    p: SimpleNamespace,
    value: str = "perplexity",
) -> HTML:
    """`shown` for rows `found` that stand beside Table `number`; ran: from `tables.run`."""
    known = list(dict.fromkeys(ran["paper_model"].dropna()))
    lines = []
    if not known:
        lines.append(
            "None of the models above is one of the paper's: there is no printed value to set "
            "ours beside."
        )
    if unprinted := [model for model in known if found.empty or model not in set(found["model"])]:
        what = value.replace("_", " ")
        lines.append(f"Table {number} prints no {what} of {', '.join(unprinted)}.")
    if len(found) and (other := reproduction.departures(p)):
        lines.append(f"Not the paper's protocol, so nothing is compared: {'; '.join(other)}.")
    text = f"<p>{html.escape(' '.join(lines))}</p>" if lines else ""
    return HTML(text + (display.table(found, reproduction.FORMATS).data if len(found) else ""))


def table2(ran: pandas.DataFrame, p: SimpleNamespace) -> HTML:
    """`beside` for a page, and a sentence where there is nothing to compare, or not all."""
    return page(2, layer_reproduction.beside(ran, p), ran, p)
