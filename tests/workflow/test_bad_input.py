"""Every row of the book's table of bad input, tried again; and the table shows what came of it."""

import pickle
import shutil
from pathlib import Path

import pytest

from workflow import ROOT
from workflow.bad_input import stage
from workflow.bad_input.page import code, one_line, page
from workflow.bad_input.row import Row
from workflow.bad_input.rows import GROUPS
from workflow.bad_input.trying import Outcome, attempt

ROWS = [
    pytest.param(row, id=f"{group}: {row.what}") for group, rows in GROUPS.items() for row in rows
]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """The place that every row finds."""
    folder = tmp_path_factory.mktemp("template")
    stage.build(folder)
    return folder


@pytest.mark.parametrize("row", ROWS)
def test_bad_input_is_answered_by_one_line_and_leaves_nothing_behind(row, template):
    if row.given.startswith("make") and shutil.which("make") is None:
        pytest.skip("needs make")
    outcome = attempt(row, template)
    if row.status or row.is_python:
        assert one_line(row, outcome), "\n".join(outcome.said)
        assert row.says.lower() in outcome.line.lower()
    else:
        assert outcome.status == 0 and not outcome.said, "\n".join(outcome.said)
        assert row.says in " ".join(outcome.shown)
    assert outcome.remains == row.leaves
    for folder in (ROOT, template, Path.home(), Path(pytest.__file__).parents[1]):
        assert str(folder) not in outcome.line


def test_the_table_is_long_and_no_row_is_there_twice():
    rows = [row for group in GROUPS.values() for row in group]
    assert len(rows) >= 60 and all(len(group) >= 5 for group in GROUPS.values())
    assert len({(group, row.what) for group, rows in GROUPS.items() for row in rows}) == len(rows)


def test_a_traceback_and_what_is_left_are_seen(template):
    failing = attempt(Row("a mistake of ours", "snb.nothing", "nothing"), template)
    assert not one_line(Row("", "snb.nothing", ""), failing)
    assert "AttributeError" in failing.line and str(ROOT) not in failing.line
    left = attempt(Row("", "snb.save(model, snb.load('model')[1], 'new')", ""), template)
    assert {"new/", "new/config.json", "new/model.safetensors"} <= set(left.remains)
    over = Row("", "evaluate --model model --evaluation ids.npy --out text.txt", "", 0)
    assert attempt(over, template).remains == ("text.txt changed",)
    assert not any(path.name == "new" for path in template.iterdir())


def test_the_pickle_of_the_table_is_a_program(template, tmp_path, monkeypatch):
    """Unpickled without care it would write the file that the rows look for."""
    stage.pickle("evil.bin")(tmp_path)
    monkeypatch.chdir(tmp_path)
    pickle.loads((tmp_path / "evil.bin").read_bytes())
    assert (tmp_path / "ran.txt").read_text() == "code of a pickle ran"


def test_the_page_shows_every_answer_as_it_was():
    row = Row("a thing", "prune --x '`y`'", "no", change=None)
    said = Outcome(("stade_nb: no `y`, $x$, <b>, {{z}} | a",), (), 2, ("new.txt",))
    kept = Row("another", "evaluate", "1.0", 0)
    text = page({"One": [(row, said)], "Two": [(kept, Outcome((), ("1.0",), 0, ()))]})
    assert text.startswith(
        "2 inputs were tried when this book was built: 1 were refused in one line, 1 used"
    )
    assert "## One\n" in text and "* - a thing: `` prune --x '`y`' ``\n" in text
    assert "  - `` stade_nb: no `y`, $x$, <b>, {{z}} | a ``\n  - 2\n  - `new.txt`\n" in text
    assert "  - `1.0`\n  - 0\n  - nothing new\n" in text
    assert code("9" * 400) == "`" + "9" * 60 + " …`"
