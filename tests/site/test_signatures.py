"""The page of names sets the parameters that docstrings explain in bold."""

import sys

from workflow import ROOT

sys.path.insert(0, str(ROOT / "book" / "_extensions"))

from signatures import in_bold


def thing(length, memory, device_memory, keep=None):
    """Nothing."""


def bold(line, what="function"):
    lines = [line]
    in_bold(None, what, "thing", thing, None, lines)
    return lines[0]


def test_explained_parameters_are_bold():
    assert bold("of text. length: of each. keep:") == "of text. **length**: of each. **keep**:"
    assert bold("memory, device_memory: bytes.") == "**memory, device_memory**: bytes."


def test_other_words_are_as_they_were():
    said = "lengths: none of its parameters; `length`: code; window.length: neither."
    assert bold(said) == said
    assert bold(">>> {'length': 3, length: 4}").startswith(">>> {'length': 3, length: 4}")
    assert bold("length: of each.", "data") == "length: of each."
