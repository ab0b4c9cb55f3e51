"""The page of `make one`: a notebook as the book shows it, with links that lead into the book."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workflow import ROOT

BOOK = ROOT / "book"
BUILT = BOOK / "_build" / "html"
# What the settings of the book name by their place in it.
BESIDE = ("references.bib", "images/favicon.svg")
LITERATURE = "## Literature\n\n```{bibliography}\n:filter: docname in docnames\n```"
# A number of another page, which did not run.
ELSEWHERE = re.compile(r"\{glue:text\}`([\w/]+)\.ipynb::[^`]*`")
LINK = re.compile(r'(<a\b[^>]*\shref=")([^"]*)("[^>]*>)(.*?)</a>', re.DOTALL)
ID = re.compile(r'\sid="([^"]*)"')


def page(notebook: Path) -> Path | None:
    """The notebook as a page of HTML, as the book's are; None where it could not be written.

    It is built elsewhere: beside the notebook are none of the files that the book's settings name.
    """
    program = Path(sys.executable).with_name("jupyter-book")
    log = notebook.with_suffix(".log")
    with tempfile.TemporaryDirectory() as made, log.open("w", encoding="utf-8") as file:
        source = _furnished(notebook, Path(made))
        command = [str(program) if program.exists() else program.name, "build", str(source)]
        command += ["--path-output", str(notebook.parent), "--config", str(ROOT / "_config.yml")]
        subprocess.run(command, cwd=ROOT, stdout=file, stderr=file, check=False)
    return next(iter(sorted(notebook.parent.glob(f"_build/**/{notebook.stem}.html"))), None)


def _furnished(notebook: Path, folder: Path) -> Path:
    """A copy in `folder` with what the book has beside it, and with the literature that it cites.

    A citation is set only where an entry of a bibliography is its place. In the place of a number
    of another page stands where the book has it.
    """
    for name in BESIDE:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(BOOK / name, folder / name)
    content = json.loads(notebook.read_text("utf-8"))
    texts = [cell for cell in content["cells"] if cell["cell_type"] != "code"]
    for cell in texts:
        source = "".join(cell["source"])
        cell["source"] = ELSEWHERE.sub(r"[as the book has it](\1.ipynb)", source)
    if any("{cite" in cell["source"] for cell in texts):
        cell = {"cell_type": "markdown", "id": "literature", "metadata": {}, "source": LITERATURE}
        content["cells"].append(cell)
    copy = folder / notebook.name
    copy.write_text(json.dumps(content), "utf-8")
    return copy


def link(html: Path, book: Path = BUILT) -> None:
    """Turn the links of `html` that lead nowhere into links to the pages of `book`.

    Where there is no such page (the book has not been built here) their words stay as plain text.
    """
    text, labels = html.read_text("utf-8"), _labels(book)
    there = set(ID.findall(text))

    def mended(found: re.Match) -> str:
        before, target, after, words = found.groups()
        if _leads_somewhere(target, html, there):
            return found[0]
        place = _place(unquote(target.removeprefix("#")), book, labels)
        if place is None:
            return words
        return f"{before}{os.path.relpath(book, html.parent)}/{place}{after}{words}</a>"

    html.write_text(LINK.sub(mended, text), "utf-8")


def _leads_somewhere(target: str, html: Path, there: set[str]) -> bool:
    """Whether a link of `html` needs no mending; there: the anchors of the page."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True
    if parts.path:
        return (html.parent / unquote(parts.path)).exists()
    return not parts.fragment or unquote(parts.fragment) in there


def _place(target: str, book: Path, labels: dict[str, str]) -> str | None:
    """Where the book has what a notebook calls `target`: a file by its path from there, or a label.

    None where it has not.
    """
    if target in labels:
        return labels[target]
    path, mark, anchor = target.partition("#")
    inside = os.path.normpath(Path("notebooks", path).with_suffix(".html")) if path else ""
    return f"{inside}{mark}{anchor}" if inside and (book / inside).is_file() else None


def _labels(book: Path) -> dict[str, str]:
    """The place of each label in the book, such as "eq-7", by the book's own inventory."""
    from sphinx.util.inventory import InventoryFile  # takes a second

    inventory = book / "objects.inv"
    if not inventory.is_file():
        return {}
    with inventory.open("rb") as file:
        found = InventoryFile.load(file, "", lambda _, place: place)
    return {name: item[2] for name, item in found.get("std:label", {}).items()}
