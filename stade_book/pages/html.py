"""Tables on a page: plain HTML that the book's style sheet knows, numbers written for readers."""

import re
from collections.abc import Callable, Iterable, Mapping
from html import escape

import pandas
from IPython.display import HTML

from stade_book import claims
from stade_book.claims.verdicts import Verdict

Format = str | Callable[[object], str]

GROUPED = re.compile(r"(?<![\d.])\d{4,}(?![\d,])")  # whole parts without their commas
LOOSE = re.compile(r"(?<=±) |(?<=\d) ?(?=%)")  # where a line must not end


def written(value: object) -> str:
    """A value without a format of its own: yes or no, 1,000,000, or its text; negative with −."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:,}" if isinstance(value, int) else " ".join(str(value).splitlines())
    return "−" + text[1:] if text.startswith("-") and isinstance(value, int | float) else text


def latex(formula: object) -> str:
    """A format for `table`: LaTeX that is set as an equation, on a page and in a notebook."""
    return rf"\({formula}\)" if formula else ""


def _by(form: Format | None) -> Callable[[object], str]:
    if form is None:
        return written
    if callable(form):
        return form

    def formatted(value: object) -> str:
        if value == 0:
            return "0 %" if "%" in form else "0"
        text = form.format(value)
        if not isinstance(value, str):  # in which digits may be a name's
            text = GROUPED.sub(lambda whole: f"{int(whole[0]):,}", text)
        return text.replace("-", "−")

    return formatted


def unbroken(text: str) -> str:
    """`text` without places for a line's end between ± or a number and what is its."""
    return LOOSE.sub("\N{NO-BREAK SPACE}", text)


def table(
    frame: pandas.DataFrame,
    formats: Mapping[str, Format] | None = None,
    names: Mapping[str, str] | None = None,
    caption: str = "",
) -> HTML:
    """`frame` as a table without its index; no line ends between ± or a number and what is its.

    formats: per column a format string or function; other values as `written` has them; `latex`
    sets equations. names: headings to show instead of column names. caption: what the table is. A
    model's name stays as it is.
    """
    formats = formats or {}
    # The class by which the book's pages find text with equations outside their own.
    classes = "mathjax_process" if latex in formats.values() else None
    shown = pandas.DataFrame(
        {
            column: [
                value if column == "model" else unbroken(value)
                for value in map(_by(formats.get(column)), frame[column].tolist())
            ]
            for column in frame.columns
        }
    ).rename(columns=names or {})
    shown.columns = [unbroken(str(name)) for name in shown.columns]
    with pandas.option_context("display.max_colwidth", None):
        text = shown.to_html(index=False, border=0, justify="left", classes=classes)
    # A screen reader says a cell's heading with it, and what the table is before it.
    text = text.replace("<th>", '<th scope="col">')
    caption = escape(unbroken(caption))
    titled = f"<caption>{caption}</caption>\n  <thead>" if caption else "<thead>"
    return HTML(text.replace("<thead>", titled, 1))


SIDES = {
    "theory": "by theory",
    "print": "by the paper's own numbers",
    "records": "on real models (computed earlier)",
    "runs": "by the runs here",
}


def verdicts(found: Iterable[Verdict]) -> HTML:
    """A row for each claim, what theory, print, records and runs have to say on it side by side."""
    return table(claims.scorecard.table(found), names=SIDES)


def glue(page: str, values: Mapping[str, object]) -> None:
    """Give `values` to the book's text as "<page>_<name>"; numbers of NumPy as Python's own.

    Of a `Verdict` the text gets its word, with the models it holds on where these are small, and
    its count as "<page>_<name>_count", and without what is left out of it, "<page>_<name>_inside".
    Where myst_nb is not installed there is no book to give to.
    """
    try:
        from myst_nb import glue as myst_glue
    except ModuleNotFoundError:
        return

    for name, value in values.items():
        if isinstance(value, Verdict):
            inside = value.count._replace(note="")
            myst_glue(f"{page}_{name}_count", str(value.count), display=False)
            myst_glue(f"{page}_{name}_inside", str(inside), display=False)
            value = value.said
        plain = value.item() if hasattr(value, "item") else value
        myst_glue(f"{page}_{name}", plain, display=False)
