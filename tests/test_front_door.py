"""The names that `import stade_nb` gives: explained with examples, and looked up late."""

import ast
import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stade_nb
from workflow import ROOT

PAGE = (ROOT / "book" / "python.md").read_text("utf-8")
NAMES = [name for name in stade_nb.__all__ if name not in ("METHODS", "__version__")]


def test_importing_the_package_loads_neither_torch_nor_transformers():
    ask = "import sys, stade_nb; dir(stade_nb); print({'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_methods_beyond_the_paper_are_known_by_name():
    ask = (
        "import torch, stade_nb as snb; cell = snb.Cell('ria', '2:4'); x = torch.rand(9, 8);"
        "args = torch.rand(4, 8), None, snb.Moments.of(x), 'nowag', '2:4';"
        "print(cell, int(snb.prune_layer(*args, centred=True).pruned.sum()))"
    )
    alone = ask.replace("cell = snb.Cell('ria', '2:4')", "cell = 0")
    for words, said in ((ask, "ria 2:4 16\n"), (alone, "0 16\n")):
        run = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
        assert run.stdout == said, run.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_explained_with_an_example(name):
    """The examples themselves run in test_docstrings."""
    explained = getattr(stade_nb, name).__doc__
    assert doctest.DocTestParser().get_examples(explained)
    assert getattr(stade_nb, name).__module__.startswith("stade_nb.")


def test_editors_are_told_the_same_homes():
    tree = ast.parse(Path(stade_nb.__file__).read_text(encoding="utf-8"))
    (told,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {name.name: node.module for node in told.body for name in node.names}
    assert homes == stade_nb._HOME


def test_the_page_has_every_name():
    entries = re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)$", PAGE, re.MULTILINE)
    assert sorted(entries) == sorted({*stade_nb.__all__} - {"__version__"})


def test_the_pages_examples_run():
    """One after the other, as a reader types them."""
    code = "".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(code, {}, "python.md", "book/python.md", 0)
    result = doctest.DocTestRunner().run(examples)
    assert result.attempted == len(examples.examples) > 20 and not result.failed


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'prune'"):
        stade_nb.prune  # noqa: B018
    assert set(stade_nb.__all__) <= set(dir(stade_nb))


def test_without_the_package_of_an_extra_the_other_names_and_help_are_there():
    """`pip install .` alone has no lm-eval."""
    ask = (
        "import sys; sys.modules['lm_eval'] = None\n"
        "import pydoc, stade_nb\n"
        "from stade_nb import *\n"
        "print('prune_model' in pydoc.render_doc(stade_nb), len(embedded_models()))\n"
        "try: zero_shot(1, 2)\n"
        "except StadeError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    first, second = run.stdout.splitlines()
    assert first == "True 4"
    assert second.startswith("zero_shot needs lm_eval, which is not installed: pip install")


def test_callers_may_still_say_how_their_processes_begin():
    """The first bar of tqdm would settle it, one that is not shown among them."""
    ask = (
        "import multiprocessing, torch, stade_nb as snb\n"
        "model, _ = snb.load('llama-230k')\n"
        "ids = torch.arange(32).view(2, 16)\n"
        "snb.prune_model(model, ids, 'stade', '2:4'), snb.perplexity(model, ids)\n"
        "multiprocessing.set_start_method('spawn')\n"
    )
    subprocess.run([sys.executable, "-c", ask], check=True)
