"""The page of `make one` by itself: what it cites, and where its links lead."""

import zlib

import nbformat
import pytest

from workflow import one_page

LABELS = b"eq-7 std:label -1 notebooks/bias.html#$ Eq. 7\n"
INVENTORY = (
    b"# Sphinx inventory version 2\n# Project: book\n# Version: 1\n"
    b"# The remainder of this file is compressed using zlib.\n"
)


@pytest.fixture
def html(tmp_path):
    """Write a page, and give what it is once its links are mended, with a built book or without."""

    def mended(body, book):
        path = tmp_path / "one" / "mini" / "mini.html"
        path.parent.mkdir(parents=True)
        path.write_text(body)
        (path.parent / "plot.svg").touch()
        if book:
            (tmp_path / "book" / "notebooks").mkdir(parents=True)
            (tmp_path / "book" / "objects.inv").write_bytes(INVENTORY + zlib.compress(LABELS))
            for name in ("provenance", "notebooks/bias"):
                (tmp_path / "book" / f"{name}.html").touch()
        one_page.link(path, tmp_path / "book")
        return path.read_text()

    return mended


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("#bias.ipynb", "notebooks/bias.html"),
        ("#../provenance.md", "provenance.html"),
        ("#../provenance.md#rules", "provenance.html#rules"),
        ("bias.html#here", "notebooks/bias.html#here"),
        ("#eq-7", "notebooks/bias.html#eq-7"),
    ],
)
def test_a_link_to_another_page_leads_into_the_book(html, target, place):
    found = html(f'<p>As <a class="x" href="{target}"><span>said</span></a>.</p>', book=True)
    assert found == f'<p>As <a class="x" href="../../book/{place}"><span>said</span></a>.</p>'


@pytest.mark.parametrize("target", ["#bias.ipynb", "#../provenance.md", "#eq-7", "bias.html"])
def test_a_link_is_plain_text_where_the_book_is_not_built(html, target):
    assert html(f'<p>As <a href="{target}"><i>said</i></a>.</p>', False) == "<p>As <i>said</i>.</p>"


def test_a_label_that_the_book_has_not_is_plain_text(html):
    assert html('<a href="#eq-77">77</a><a href="#wanda.ipynb">W</a>', book=True) == "77W"


@pytest.mark.parametrize("book", [True, False])
def test_a_link_that_leads_somewhere_stays(html, book):
    body = (
        '<h2 id="eq-7">7</h2><a href="#eq-7">7</a><a href="#">top</a><a href="plot.svg">plot</a>'
        '<a href="https://arxiv.org/abs/2503.22451#s">paper</a>'
    )
    assert html(body, book) == body


def test_a_page_by_itself_has_its_citations_and_its_icon(tmp_path):
    new = nbformat.v4
    text = "# Mini\n\nMagnitude {cite:p}`han2015learning`, see [the rules](../provenance.md)."
    text += " There **{glue:text}`real_models.ipynb::real_stade:s`**."
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new.new_markdown_cell(text, id="a")]
    notebook = new.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = tmp_path / "mini.ipynb"
    nbformat.write(notebook, path)
    page = one_page.page(path)
    found, log = page.read_text("utf-8"), path.with_suffix(".log").read_text("utf-8")
    assert "Han <em>et al.</em>, 2015" in found and "Learning both weights" in found
    assert "There <strong>" in found and "as the book has it" in found
    assert 'rel="icon"' in found and "bibtex" not in log.partition("reading sources")[2]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["_build", "mini.ipynb", "mini.log"]
    assert nbformat.read(path, 4).cells == notebook.cells
