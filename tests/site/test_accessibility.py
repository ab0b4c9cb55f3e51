"""The built pages for everyone: nothing serious for axe-core, nothing cut, no console errors."""

import re
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import axe
import pytest
import yaml
from browser import needs_browser, opened

from workflow import ROOT

HTML = ROOT / "book" / "_build" / "html"
WIDE, NARROW = 1400, 390
# Beyond the window to the left nothing can be scrolled to.
CUT = """[...document.querySelectorAll("article .math mjx-container")].filter(one => {
  const box = one.getBoundingClientRect();
  const frame = one.closest("div.math, td, p, li, dd, figcaption");
  return box.width && box.left < Math.min(0, frame.getBoundingClientRect().left) - 1;
}).length"""
UNREACHED = """[...document.querySelectorAll("article div.math")].filter(one =>
  one.scrollWidth > one.clientWidth + 1
  && !["auto", "scroll"].includes(getComputedStyle(one).overflowX)).length"""

# Equations of which a part is beyond the edge of their box.
PAST = """[...document.querySelectorAll("article div.math")]
  .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent.slice(0, 80))"""
# A4 less its margins, and what is wider than its frame there, where nothing scrolls.
PAPER = 718
OFF_PAPER = """[...document.querySelectorAll("article :is(table, pre, div.math)")].filter(one => {
  const frame = document.querySelector("article").getBoundingClientRect();
  return one.clientWidth && (one.getBoundingClientRect().right > frame.right + 1
    || one.tagName !== "TABLE" && one.scrollWidth > one.clientWidth + 1);
}).map(one => one.textContent.trim().slice(0, 80))"""
BROKEN_NAMES = """[...document.querySelectorAll("article td:first-child code")]
  .filter(one => one.getClientRects().length > 1).map(one => one.textContent)"""
ALL_SET = "!document.querySelector('article div.math:not(:has(mjx-container))')"
ANSWER = """(() => {
  const figure = document.querySelector("article .admonition + figure");
  const box = figure.querySelector("img").getBoundingClientRect();
  return [box.top + scrollY, box.bottom + scrollY];
})()"""
FIGURES = """[...document.querySelectorAll("article img[src$='.svg']")]
  .map(one => [one.src, one.getBoundingClientRect().width]).filter(one => one[1])"""
GLYPH = r"scale\(([\d.]+) -"  # of a letter's outline, of which 100 are its size
THEORY = [f"notebooks/{name}" for name in ("problem", "wanda", "bias", "stade", "many_weights")]


def listed_pages() -> list[str]:
    """The pages in the order of the table of contents, without their suffix."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(chapter["file"] for chapter in chapters)]


@pytest.fixture(scope="module")
def browser():
    """One browser for all pages."""
    if not (HTML / "index.html").exists():
        pytest.skip("the book is not built: `make book` builds it, `make test` does so by itself")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        opened(HTML / "index.html", Path(folder)) as page,
    ):
        yield page


def open_at(browser, page: str, width: int) -> None:
    browser.resize(width)
    browser.open((HTML / f"{page}.html").as_uri())
    end = time.monotonic() + 60
    while not browser.evaluate("!window.MathJax || !!window.MathJax.startup?.document?.outputJax"):
        assert time.monotonic() < end, "equations are not set"
        time.sleep(0.1)


@needs_browser
def test_axe_sees_a_page_that_some_cannot_use(browser, tmp_path):
    text = axe.script()
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><html lang=en><title>a</title><main><h1>a</h1><input type=range>"
        "<p style='color:#aaa;background:#fff'>pale</p></main></html>"
    )
    browser.open(bad.as_uri())
    found = {line.split(":")[0] for line in axe.violations(browser, text)}
    assert found == {"label", "color-contrast"}


@needs_browser
@pytest.mark.parametrize("page", listed_pages())
def test_axe_finds_nothing_serious(browser, page):
    text = axe.script()
    open_at(browser, page, WIDE)
    assert axe.violations(browser, text) == []
    browser.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert axe.violations(browser, text, ("color-contrast",)) == []


@needs_browser
@pytest.mark.parametrize("page", listed_pages())
def test_a_narrow_page_cuts_no_equation_and_logs_no_error(browser, page):
    open_at(browser, page, NARROW)
    assert browser.evaluate(CUT) == 0 and browser.evaluate(UNREACHED) == 0
    assert browser.evaluate("document.documentElement.scrollWidth") <= NARROW, "the page scrolls"
    assert browser.errors == []


@needs_browser
@pytest.mark.parametrize("page", listed_pages())
def test_paper_cuts_no_table_and_no_code(browser, page):
    open_at(browser, page, PAPER)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.evaluate(OFF_PAPER) == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


@needs_browser
def test_names_stay_whole_in_the_tables_of_a_narrow_page(browser):
    open_at(browser, "notation", NARROW)
    broken = browser.evaluate(BROKEN_NAMES)
    assert broken == [], "a name of a method is broken into pieces"


@needs_browser
@pytest.mark.parametrize("page", listed_pages())
def test_a_figures_words_are_at_least_ten_pixels_high(browser, page):
    browser.open((HTML / f"{page}.html").as_uri())
    for width in (WIDE, NARROW):
        browser.resize(width)
        for address, shown in browser.evaluate(FIGURES):
            drawing = Path(url2pathname(urlsplit(address).path)).read_text("utf-8")
            drawn = float(re.search(r'viewBox="\S+ \S+ (\S+) ', drawing)[1])
            smallest = 100 * min(map(float, re.findall(GLYPH, drawing)))
            assert smallest * shown / drawn >= 10, f"{address} at {width} px"


@needs_browser
@pytest.mark.parametrize("width", [500, NARROW])
@pytest.mark.parametrize("page", THEORY)
def test_every_equation_of_the_theory_ends_on_a_narrow_page(browser, page, width):
    open_at(browser, page, width)
    end = time.monotonic() + 60
    while not browser.evaluate(ALL_SET):
        assert time.monotonic() < end, "equations are not set"
        time.sleep(0.1)
    assert browser.evaluate(PAST) == []


@needs_browser
@pytest.mark.parametrize("page", THEORY)
def test_a_page_of_the_theory_begins_with_its_answer_and_a_figure_of_it(browser, page):
    open_at(browser, page, WIDE)
    assert browser.evaluate(ANSWER)[1] < 900, "the figure is not on the first screen"
    open_at(browser, page, NARROW)
    assert browser.evaluate(ANSWER)[0] < 2 * 844, "the figure does not begin on two screens"
