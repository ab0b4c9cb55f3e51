"""Examples in docstrings are run, and the errors that a caller may meet are in them."""

import ast
import doctest
import importlib

import pytest

from workflow import ROOT

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("stade_nb", "stade_book")
    for path in sorted((ROOT / package).rglob("*.py"))
}
WITH_EXAMPLES = [name for name, path in FILES.items() if ">>> " in path.read_text("utf-8")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name, tmp_path):
    more = {"folder": tmp_path}  # the reader's
    result = doctest.testmod(importlib.import_module(name), extraglobs=more)
    assert result.attempted and not result.failed


def public_functions(body):
    """Functions and methods whose names, and whose classes' names, are public."""
    for node in body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef):
            yield node


def raises_stade_error(function):
    """Whether its body, functions inside included, has `raise StadeError(…)` or `unknown(…)`."""
    raised = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    names = (exc.func.id for exc in raised if isinstance(getattr(exc, "func", None), ast.Name))
    return not {"StadeError", "unknown"}.isdisjoint(names)


@pytest.mark.parametrize("name", FILES)
def test_errors_are_said(name):
    found = public_functions(ast.parse(FILES[name].read_text("utf-8")).body)
    unsaid = {
        function.name
        for function in found
        if raises_stade_error(function) and "StadeError" not in (ast.get_docstring(function) or "")
    }
    assert not unsaid
