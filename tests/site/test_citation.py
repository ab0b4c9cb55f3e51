"""The citation on the first page is CITATION.cff's, as BibTeX that can be read."""

import sys

import pytest
import yaml
from pybtex.database import parse_string

from workflow import ROOT

sys.path.insert(0, str(ROOT / "book" / "_extensions"))
import citation

CFF = ROOT / "CITATION.cff"


@pytest.fixture(scope="module")
def entries():
    return parse_string(citation.entries(CFF), "bibtex").entries


def test_the_paper_s_entry_says_what_the_file_says(entries):
    about = yaml.safe_load(CFF.read_text("utf-8"))["references"][0]
    paper = entries["mecke2025stade"]
    assert paper.type == "article" and paper.fields["year"] == str(about["year"])
    assert paper.fields["title"] == about["title"] and paper.fields["doi"] == about["doi"]
    names = [" ".join(one.last_names) for one in paper.persons["author"]]
    assert names == [author["family-names"] for author in about["authors"]]


def test_the_book_s_entry_has_its_version_and_its_authors_in_one_piece(entries):
    about = yaml.safe_load(CFF.read_text("utf-8"))
    (book,) = (one for one in entries.values() if one.type == "software")
    assert book.fields["version"] == about["version"]
    assert len(book.persons["author"]) == 1


def test_a_release_gives_the_year():
    about = {"type": "software", "title": "t", "authors": [{"name": "Some group"}]}
    assert "@software{groupstade," in citation.bibtex(about)
    assert "2027" in citation.bibtex(about | {"date-released": "2027-01-02"})


def test_the_first_page_has_the_directive_and_no_typed_entry():
    page = (ROOT / "book" / "index.md").read_text("utf-8")
    assert "```{citation}" in page and "@article" not in page
