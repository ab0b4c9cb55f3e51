"""The book's own extension: one setting for the buttons, words that explain themselves."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from workflow import ROOT

sys.path.insert(0, str(ROOT / "book" / "_extensions"))
import reader

SETTINGS = """
extensions = ["myst_parser", "sphinx_book_theme", "reader"]
myst_enable_extensions = ["attrs_inline"]
numfig = True
html_theme = "sphinx_book_theme"
html_theme_options = {"repository_url": "%s", "repository_branch": "main"}
"""


@pytest.fixture(scope="module", params=["", "https://github.com/owner/name"], ids=["none", "set"])
def built(request, tmp_path_factory):
    """The address of the repository and a small book's page, built with it."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "conf.py").write_text(SETTINGS % request.param)
    (folder / "glossary.md").write_text(
        "# Glossary\n\n```{glossary}\nmask\n  Which weights go.\n\nwindow\n  Tokens.\n```\n"
    )
    (folder / "index.md").write_text(
        "# A mask\n\n`mask`, unmasked: Masks and a mask.\n\n[no window](https://a.invalid).\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "At 5% and 6 %, `7%`, a-1: [-8%]{.pasted-text}; a sentence that is long enough to be shown "
        "by whoever searches.\n\n```{table} Few words.\n| c |\n|---|\n| 3 |\n```\n\n"
        "```{toctree}\nglossary\n```\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", str(folder), str(folder / "html")]
    path = str(ROOT / "book" / "_extensions")
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (folder / "html" / "index.html").read_bytes()
    return request.param, BeautifulSoup(page, "lxml")


def test_one_setting_switches_all_buttons_on(built):
    address, page = built
    links = [link["href"] for link in page.select(".article-header-buttons a[href]")]
    ours = [link for link in links if "github.com/owner/name" in link]
    if not address:
        assert not [link for link in links if link.startswith("http")]
    else:
        assert address in ours and any("/issues/new" in link for link in ours)
        assert any(link.endswith("/edit/main/book/index.md") for link in ours)


def test_the_first_use_of_a_word_explains_it(built):
    (link,) = built[1].select("article a.explained")
    assert link.text == "Masks" and link["title"] == "Which weights go."
    assert link["href"] == "glossary.html#term-mask"


def test_a_heading_says_what_it_heads(built):
    assert {heading["scope"] for heading in built[1].select("article th")} == {"col"}


def test_numbers_are_written_in_one_way_but_in_code(built):
    text = built[1].select_one("article").get_text()
    assert "At 5\u00a0% and 6\u00a0%, 7%, a-1: −8\u00a0%;" in text


def test_no_table_has_a_number_that_could_be_the_papers(built):
    assert built[1].select_one("article caption .caption-text").text == "Few words."
    assert not built[1].select("article .caption-number")


def test_search_engines_get_the_first_plain_paragraph(built):
    (tag,) = built[1].select("meta[name=description]")
    assert tag["content"].startswith("At 5 % and 6 %, 7%, ") and len(tag["content"]) <= 200


def test_notebooks_are_edited_at_the_top_of_the_repository():
    context = {}
    reader.source_of_page(None, "notebooks/bias", "page.html", context, None)
    assert context["doc_path"] == ""


def test_an_address_of_notebooks_brings_launch_buttons():
    config = SimpleNamespace(html_theme_options={"repository_url": "https://github.com/a/b"})
    reader.buttons(None, config)
    assert {"binderhub_url", "colab_url"} <= config.html_theme_options["launch_buttons"].keys()
