"""The names of `stade_nb` on their page: parameters in bold where a docstring explains them.

A docstring of this project has them in its sentences, "length: tokens of each window", and nothing
that Sphinx would know as a list.
"""

import inspect
import re

from sphinx.application import Sphinx


def in_bold(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list) -> None:
    """Set each "name: " of a docstring in bold that is a parameter of what it is of."""
    if what not in ("function", "class", "method"):
        return
    names = "|".join(map(re.escape, inspect.signature(thing).parameters))
    if not names:
        return
    # Several share an explanation: "calibration, evaluation: of what kind".
    explained = re.compile(rf"(?<![\w`.])((?:(?:{names}), )*(?:{names})):(?= |$)")
    for at, line in enumerate(lines):
        if not line.startswith((">>>", "...")):
            lines[at] = explained.sub(r"**\1**:", line)


def setup(app: Sphinx) -> dict:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", in_bold)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
