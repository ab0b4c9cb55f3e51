"""What a reader finds on every page: the repository's buttons, and words that explain themselves.

One setting, `repository: {url: ...}` in _config.yml, switches on the links to repository, editor,
issues, Colab and Binder. Where it is empty no page has any of them, and building needs no network.

The first time that a page uses a word of the glossary, the word leads there, and shows its
definition to whoever points at it. Plain HTML: no script, nothing that is fetched.

Numbers in sentences are written in one way, wherever they come from: "−0.3 %", with a true minus
and a space that no line ends at. What search engines show is a page's first plain paragraph.
"""

import re
import textwrap
from collections.abc import Iterator
from html import escape

from docutils import nodes
from sphinx.addnodes import glossary
from sphinx.application import Sphinx
from sphinx.config import Config

GLOSSARY = "glossary"
BUTTONS = {
    "use_repository_button": True,
    "use_edit_page_button": True,
    "use_issues_button": True,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
}
# A word in here is a name, a link or a heading already.
NO_PROSE = (nodes.reference, nodes.literal, nodes.title, nodes.math, nodes.raw, nodes.caption)
# What stands as it was typed: code, LaTeX, HTML.
VERBATIM = (nodes.literal, nodes.math, nodes.FixedTextElement)
GLUED = "pasted-text"  # myst_nb's class of what a notebook gave
PERCENT, HYPHEN = re.compile(r"(?<=\d) ?%"), re.compile(r"(?<![\w)\]-])-(?=\d)")
TABLE_NUMBER = re.compile(r'<span class="caption-number">Table [^<]*</span>')
DESCRIPTION = 85, 200  # characters, the fewest and the most


def buttons(app: Sphinx, config: Config) -> None:
    """Switch the buttons on where the book has an address of its repository."""
    options = config.html_theme_options
    if options.get("repository_url"):
        options.update(BUTTONS)
    else:
        options.pop("repository_url", None)


def source_of_page(app: Sphinx, pagename: str, template: str, context: dict, doctree) -> None:
    """Where a page's source is in the repository: notebooks at its top, the others in book/.

    And what Sphinx leaves out of its tables, which cells a heading heads; and without its list of
    citations being called a list, as its members are called entries of a bibliography. Tables have
    no numbers: "Table 1" is the paper's.
    """
    context["doc_path"] = "" if pagename.startswith("notebooks/") else "book"
    if text := doctree and description(doctree):
        tag = f'<meta name="description" content="{escape(text)}" />\n'
        context["metatags"] = context.get("metatags", "") + tag
    if "body" in context:
        body = context["body"].replace('<th class="head', '<th scope="col" class="head')
        body = body.replace('<div role="list" class="citation-list">', "<div>")
        context["body"] = TABLE_NUMBER.sub("", body)


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page that is more than a line of links, and has no equation."""
    fewest, most = DESCRIPTION
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) >= fewest and not any(paragraph.findall(nodes.math)):
            return textwrap.shorten(text, most, placeholder=" …")
    return ""


def numbers(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write percentages and the signs of glued numbers as the tables of the pages have them."""
    for text in list(doctree.findall(nodes.Text)):
        above = [text.parent]
        while above[-1] is not None:
            above.append(above[-1].parent)
        if any(isinstance(one, VERBATIM) for one in above):
            continue
        written = PERCENT.sub("\N{NO-BREAK SPACE}%", text)
        if GLUED in text.parent.get("classes", ()):
            written = HYPHEN.sub("−", written)
        if written != text:
            text.parent.replace(text, nodes.Text(written))


def definitions(page: nodes.document) -> dict[str, tuple[str, str]]:
    """(anchor, definition) of each term of the glossary on `page`."""
    found = {}
    for item in (item for one in page.findall(glossary) for item in one.findall(nodes.definition)):
        for word in item.parent.findall(nodes.term):
            found[word.astext()] = word["ids"][0], " ".join(item.astext().split())
    return found


def spelt(word: str) -> re.Pattern:
    """How `word` stands in a sentence: its first letter in either case, or with an s behind it.

    >>> spelt("window").search("All Windows of it")[0], spelt("mask").search("unmasked")
    ('Windows', None)
    """
    first, rest = re.escape(word[0]), re.escape(word[1:])
    return re.compile(rf"(?<![\w-])(?:{first}|{first.upper()}){rest}s?(?![\w-])")


def prose(doctree: nodes.document) -> Iterator[nodes.Text]:
    """The texts of a page's sentences."""
    for paragraph in doctree.findall(nodes.paragraph):
        for text in list(paragraph.findall(nodes.Text)):
            above = text.parent  # some extensions leave none behind
            while above not in (paragraph, None) and not isinstance(above, NO_PROSE):
                above = above.parent
            if above is paragraph:
                yield text


def explain(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let the first use of each of the glossary's words on a page lead to it, with a hover text."""
    if docname in (GLOSSARY, "bibliography") or GLOSSARY not in app.env.found_docs:
        return
    known = definitions(app.env.get_doctree(GLOSSARY))
    for reference in doctree.findall(nodes.reference):  # those that the author made
        if (anchor := reference.get("refuri", "").partition("#")[2]).startswith("term-"):
            text = next((text for own, text in known.values() if own == anchor), None)
            if text:
                reference["reftitle"] = text
    for word, (anchor, text) in known.items():
        pattern = spelt(word)
        for found in prose(doctree):
            if match := pattern.search(found):
                address = f"{app.builder.get_relative_uri(docname, GLOSSARY)}#{anchor}"
                link = nodes.reference(
                    "",
                    match[0],
                    internal=True,
                    refuri=address,
                    reftitle=text,
                    classes=["explained"],
                )
                before, after = found[: match.start()], found[match.end() :]
                parts = [nodes.Text(before), link, nodes.Text(after)]
                found.parent.replace(found, [part for part in parts if part.astext()])
                break


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", buttons, priority=400)
    app.connect("html-page-context", source_of_page, priority=400)
    app.connect("doctree-resolved", explain)
    app.connect("doctree-resolved", numbers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
