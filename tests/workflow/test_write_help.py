"""The book's page about the command line shows what the program prints."""

import pytest

from stade_nb.__main__ import main
from stade_nb.errors import StadeError
from workflow.write_help import PAGE, helps, with_helps


def test_the_page_is_current():
    page = PAGE.read_text("utf-8")
    assert with_helps(page) == page, "python -m workflow.write_help writes the help texts anew"


@pytest.mark.parametrize("command", sorted(helps()))
def test_the_page_has_what_help_prints(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    printed = capsys.readouterr().out
    assert f":name: help-{command}\n\n{printed}```\n" in PAGE.read_text("utf-8")


def test_a_change_is_seen():
    page = PAGE.read_text("utf-8")
    changed = page.replace("--save DIR", "--sav DIR")
    assert changed != page and with_helps(changed) == page
    with pytest.raises(StadeError, match="help blocks for evaluate, sweep: expected one each"):
        with_helps(page.replace(":name: help-prune", ":name: prune"))
