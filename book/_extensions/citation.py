"""The directive `citation`: how to cite the paper and this book, as BibTeX, from CITATION.cff.

The file at the top of the repository is the one place that has authors, version and address.
"""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FILE = "CITATION.cff"
KINDS = {"article": "article", "software": "software"}


def _name(author: dict) -> str:
    """A person's family name first; the name of a group in braces, as BibTeX would split it."""
    if "family-names" in author:
        return f"{author['family-names']}, {author['given-names']}"
    return "{" + author["name"] + "}"


def bibtex(about: dict) -> str:
    """One entry of CITATION.cff as BibTeX; its key is the first author's last name and the year.

    What is not released has no year.
    """
    first = about["authors"][0]
    word = first.get("family-names", first.get("name", "")).split()[-1].lower()
    year = str(about.get("year") or about.get("date-released", ""))[:4]
    fields = {
        "title": about["title"],
        "author": " and ".join(map(_name, about["authors"])),
        "year": year,
        "doi": about.get("doi"),
        "url": about.get("url") or about.get("repository-code"),
        "version": about.get("version"),
    }
    lines = [f"  {name:<7} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{KINDS[about['type']]}{{{word}{year}stade,", *lines, "}"])


def entries(path: Path) -> str:
    """Both entries, the paper first."""
    about = yaml.safe_load(path.read_text("utf-8"))
    return "\n\n".join(bibtex(each) for each in (*about["references"], about))


class Citation(SphinxDirective):
    """Takes nothing and gives a block of BibTeX."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir).parent / FILE
        self.env.note_dependency(str(path))
        text = entries(path)
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app: Sphinx) -> dict:
    app.add_directive("citation", Citation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
