"""The paper's equations in the sources of the book: each displayed once, labelled, linked."""

import re
from pathlib import Path

import nbformat
import pytest

from workflow import ROOT

DISPLAYED = re.compile(r"^\(eq-(\w+)\)=\n\$\$\n(.*?)^\$\$", re.M | re.S)
MENTION = re.compile(r"(?<!\w)Eqs?\. (\d+)(?:(?:–| and )(\d+))?")
LINK = re.compile(r"\[([^\]]+)\]\(eq-(\w+)\)")


def prose(path: Path) -> list[str]:
    """The texts of a page: a notebook's markdown cells, or a whole markdown file."""
    if path.suffix == ".md":
        return [path.read_text("utf-8")]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = {
    path.stem: "\n\n".join(prose(path)) for path in [*NOTEBOOKS, *(ROOT / "book").glob("*.md")]
}


def homes() -> dict[str, str]:
    """The page on which each labelled equation is displayed."""
    return {label: page for page, text in PAGES.items() for label, _ in DISPLAYED.findall(text)}


def test_each_of_the_papers_equations_is_displayed_once_with_its_number():
    tags = [tag for text in PAGES.values() for tag in re.findall(r"\\tag\{(\d+)\}", text)]
    assert sorted(map(int, tags)) == list(range(1, 13))
    labels = [found for text in PAGES.values() for found in DISPLAYED.findall(text)]
    numbered = {label: body for label, body in labels if label.isdecimal()}
    assert len(labels) == len({label for label, _ in labels}), "a label is used twice"
    for label, body in numbered.items():
        assert re.findall(r"\\tag\{(\d+)\}", body) == [label]


def test_each_link_to_an_equation_leads_to_one():
    linked = {label for text in PAGES.values() for _, label in LINK.findall(text)}
    assert linked <= homes().keys()


@pytest.mark.parametrize("label", [str(n) for n in range(1, 13)])
def test_each_equation_is_linked_from_another_page(label):
    home = homes()[label]
    assert any(
        label in {target for _, target in LINK.findall(text)}
        for page, text in PAGES.items()
        if page != home
    )


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_links_every_equation_of_other_pages_that_it_names(page):
    home, text = homes(), PAGES[page]
    reached = set()
    for words, _ in LINK.findall(text):
        for first, last in MENTION.findall(words):
            reached |= set(range(int(first), int(last or first) + 1))
    # Headings cannot hold links, and code spans are no prose.
    plain = re.sub(r"^#.*$|`[^`]*`", "", text, flags=re.M)
    named = {
        number
        for first, last in MENTION.findall(plain)
        for number in range(int(first), int(last or first) + 1)
    }
    assert {n for n in named - reached if home[str(n)] != page} == set()


def test_the_notation_page_has_a_row_for_each_equation():
    rows = re.findall(
        r"^\| \[Eq\. (\d+)\]\(eq-(\d+)\) \|.*\]\(notebooks/(\w+)\.ipynb\) \|$",
        PAGES["notation"],
        re.M,
    )
    assert [(int(a), int(b)) for a, b, _ in rows] == [(n, n) for n in range(1, 13)]
    assert all(homes()[label] == page for label, _, page in rows)
