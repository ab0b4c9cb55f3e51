"""The built pages: no warning, nothing loaded from elsewhere, every equation rendered."""

import copy
import functools
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import sliders
import yaml
from browser import BROWSER, OPTIONS, needs_browser, opened
from bs4 import BeautifulSoup

from stade_nb.cli.program import main, program
from workflow import ROOT
from workflow.bad_input.rows import GROUPS

HTML = ROOT / "book" / "_build" / "html"
# Attributes whose address a browser fetches by itself; a plain link <a href> waits for a click.
LOADED = {
    "script": ["src"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "iframe": ["src"],
    "embed": ["src"],
    "object": ["data"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "track": ["src"],
    "input": ["src"],
    "use": ["href", "xlink:href"],
    "image": ["href", "xlink:href"],
}
# Links to other pages of the book; every other <link> is fetched.
PAGE_LINKS = {"index", "search", "next", "prev", "canonical", "author", "license", "copyright"}
ELSEWHERE = re.compile(r"^\s*(https?:)?//", re.I)
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", re.I)
IN_SCRIPT = re.compile(
    r"(?:fetch|import|importScripts|load|open)\s*\(\s*['\"`](?:https?:)?//[^'\"`]+"
    r"|\b(?:from|src)\s*=?\s*['\"`](?:https?:)?//[^'\"`]+"
)


@pytest.fixture(scope="session")
def pages():
    """Path and parsed content of every built page."""
    if not (HTML / "index.html").exists():
        if os.environ.get("STADE_NB_BOOK") == "required":
            pytest.fail(f"{HTML} was not built")
        pytest.skip("the book is not built: `make book` builds it, `make test` does so by itself")
    # Under _static the themes keep templates, which are no pages.
    paths = sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts)
    return {path: BeautifulSoup(path.read_bytes(), "lxml") for path in paths}


def listed_pages() -> list[str]:
    """The pages in the order of the table of contents, without their suffix."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(chapter["file"] for chapter in chapters)]


def loaded_addresses(soup: BeautifulSoup) -> list[str]:
    """Every address that a browser fetches when it shows the page."""
    found = [
        tag[attribute]
        for name, attributes in LOADED.items()
        for tag in soup.find_all(name)
        for attribute in attributes
        if tag.get(attribute)
    ]
    found += [
        tag["href"] for tag in soup.find_all("link", href=True) if not PAGE_LINKS & {*tag["rel"]}
    ]
    styles = [tag.get_text() for tag in soup.find_all("style")]
    styles += [tag["style"] for tag in soup.find_all(style=True)]
    found += [first or second for style in styles for first, second in IN_STYLE.findall(style)]
    return found


def test_the_scan_sees_what_a_browser_would_fetch():
    soup = BeautifulSoup(
        "<link rel=stylesheet href=//a><link rel=next href=//b><script src=https://c></script>"
        "<a href=https://d>d</a><p style='background:url(https://e)'><style>@import 'http://f'"
        "</style><img src=g.png>",
        "lxml",
    )
    assert sorted(filter(ELSEWHERE.match, loaded_addresses(soup))) == [
        "//a",
        "http://f",
        "https://c",
        "https://e",
    ]
    assert IN_SCRIPT.search('fetch("https://a")') and IN_SCRIPT.search("s.src = '//a'")


def test_pages_load_nothing_from_elsewhere(pages):
    external = {
        (path.relative_to(HTML).as_posix(), address)
        for path, soup in pages.items()
        for address in loaded_addresses(soup)
        if ELSEWHERE.match(address)
    }
    external |= {
        (path.relative_to(HTML).as_posix(), found)
        for path, soup in pages.items()
        for script in soup.find_all("script", src=False)
        for found in IN_SCRIPT.findall(script.get_text())
    }
    assert not external


def test_styles_and_scripts_load_nothing_from_elsewhere(pages):
    external = set()
    for path in HTML.rglob("*.css"):
        for first, second in IN_STYLE.findall(path.read_text("utf-8")):
            if ELSEWHERE.match(first or second):
                external.add((path.relative_to(HTML).as_posix(), first or second))
    for path in HTML.rglob("*.js"):
        for found in IN_SCRIPT.findall(path.read_text("utf-8")):
            external.add((path.relative_to(HTML).as_posix(), found))
    assert not external


def test_everything_a_page_refers_to_is_there(pages):
    missing = set()
    for path, soup in pages.items():
        links = [tag["href"] for tag in soup.find_all("a", href=True)]
        for address in [*loaded_addresses(soup), *links]:
            parts = urlsplit(address)
            local = parts.path and not parts.scheme and not parts.netloc
            if local and not (path.parent / unquote(parts.path)).exists():
                missing.add((path.relative_to(HTML).as_posix(), address))
    assert not missing


def test_every_listed_page_is_built(pages):
    built = {path.relative_to(HTML).with_suffix("").as_posix() for path in pages}
    assert not set(listed_pages()) - built


def test_every_figure_says_what_it_shows(pages):
    silent = {
        (path.relative_to(HTML).as_posix(), tag.get("src"))
        for path, soup in pages.items()
        for tag in soup.select("article img")
        if not tag.get("alt") or Path(tag["alt"]).suffix in {".png", ".svg", ".jpg"}
    }
    assert not silent


@pytest.mark.parametrize("name", program.commands)
def test_the_page_has_the_help_that_the_program_prints(pages, capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "98")
    assert main([name, "--help"]) == 0
    shown = pages[HTML / "command_line.html"].find(id=f"help-{name}")
    assert shown.get_text().strip() == capsys.readouterr().out.strip()


def test_the_page_of_bad_input_has_every_row(pages):
    shown = pages[HTML / "bad_input.html"].select("article table tbody tr")
    given = [row.select_one("td").get_text(" ", strip=True) for row in shown]
    rows = [row for group in GROUPS.values() for row in group]
    assert len(given) == len(rows)
    for text, row in zip(given, rows, strict=True):
        assert text.replace("’", "'").startswith(row.what)
    assert str(ROOT) not in pages[HTML / "bad_input.html"].get_text()


def test_the_build_gave_no_warning(pages):
    log = ROOT / "build" / "book.log"
    assert log.exists(), "the book was built without `make book`"
    assert "build succeeded." in log.read_text("utf-8")
    assert not re.search(r"WARNING|ERROR", log.read_text("utf-8"))


@functools.cache
def in_browser(path: Path) -> tuple[BeautifulSoup, list[str]]:
    """The page as a browser shows it, and the addresses that the page made it fetch."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "requests.json"
        command = [
            *(BROWSER, *OPTIONS, f"--user-data-dir={folder}/user", f"--log-net-log={log}"),
            *("--virtual-time-budget=30000", "--dump-dom", path.as_uri()),
        ]
        shown = subprocess.run(command, capture_output=True, timeout=180, check=True).stdout
        events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    # A page read from a file has the origin "null"; the browser's own requests have none.
    fetched = {event["url"] for event in events if event.get("initiator") == "null"}
    return BeautifulSoup(shown, "lxml"), sorted(fetched)


@needs_browser
def test_the_browser_tells_what_a_page_fetches(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<img src='https://a.invalid/'><script>fetch('https://b.invalid/')</script>")
    assert in_browser(page)[1] == ["https://a.invalid/", "https://b.invalid/"]


@needs_browser
@pytest.mark.parametrize("page", listed_pages())
def test_a_browser_fetches_nothing_from_elsewhere(pages, page):
    assert in_browser(HTML / f"{page}.html")[1] == []


@needs_browser
@pytest.mark.parametrize("page", listed_pages())
def test_a_browser_renders_every_equation(pages, page):
    path = HTML / f"{page}.html"
    article = in_browser(path)[0].select_one("article")
    assert len(article.select(".math mjx-container")) >= len(pages[path].select("article .math"))
    assert not article.select("mjx-merror, [data-mjx-error]")
    text = copy.copy(article)
    for code in text.select("pre, code, script, mjx-container"):
        code.decompose()
    assert not re.search(r"\\\(|\\\[|\$\$|\\begin\{", text.get_text())


def test_there_are_equations_to_render(pages):
    assert any(soup.select("article .math") for soup in pages.values())


@needs_browser
def test_a_slider_moves_the_figure_of_the_built_page(pages, tmp_path):
    with opened(HTML / "notebooks" / "problem.html", tmp_path / "user") as page:
        before = sliders.shown(page, "stade-parabola")
        sliders.check(*before)
        value = sliders.slide(page, "stade-parabola", "mean", 0.2)
        after = sliders.shown(page, "stade-parabola")
        assert after[0] == before[0] | {"mean": value} and after[1:] != before[1:]
        sliders.check(*after)
