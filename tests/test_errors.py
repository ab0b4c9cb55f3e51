"""The messages for unknown names and absent files, beside the docstrings' examples."""

import os
from pathlib import Path

import pytest

from stade_nb.errors import absent, shortened, unknown


def test_unknown_suggests_nothing_where_nothing_is_close():
    assert str(unknown("scope", 7, ["row", "layer"])) == "unknown scope 7: known: row, layer"


def test_unknown_suggests_the_closest_of_several_and_lists_them_all():
    message = str(unknown("method", "stad", ["std", "stade", "wanda"]))
    assert message == "unknown method 'stad': did you mean 'stade'? known: std, stade, wanda"


def test_unknown_suggests_what_is_meant_before_what_is_close():
    message = str(unknown("method", "stad", ["std", "wanda"], meant="wanda"))
    assert message == "unknown method 'stad': did you mean 'wanda'? known: std, wanda"


def test_callers_who_know_no_stade_error_catch_a_value_error():
    with pytest.raises(ValueError, match="unknown scope"):
        raise unknown("scope", 7, ["row", "layer"])


def test_what_stands_in_the_wrong_place_is_not_suggested_as_itself():
    assert str(unknown("layer type", "all", ["all", "q_proj"])) == (
        "unknown layer type 'all': known: all, q_proj"
    )


def test_a_value_is_quoted_only_so_far():
    assert len(str(unknown("method", "x" * 10**6, ["wanda"]))) < 200
    assert len(str(unknown("method", ["x" * 10**6], ["wanda"]))) < 200
    assert shortened("x" * 80) == "x" * 80
    assert shortened("x" * 81) == "x" * 80 + "... (81 characters)"


def test_a_file_that_is_not_there_is_looked_for_where_it_would_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("there.txt", "there.md", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "there").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "lost.txt").symlink_to("gone")

    def said(name, suffixes=(".txt", ".raw")):
        return str(absent(Path(name), suffixes, "expected some text"))

    here = f"in '{tmp_path}': "
    hint = "did you mean 'there.txt'? expected some text"
    assert said("nothere.txt") == f"no file 'nothere.txt' {here}{hint}"
    assert said(tmp_path / "nothere.txt").endswith(
        f"did you mean '{tmp_path}/there.txt'? expected some text"
    )
    assert said("ther.raw", (".raw",)) == f"no file 'ther.raw' {here}expected some text"
    assert "no file or folder 'ther' " in said("./ther") and "mean 'there'? " in said("./ther")
    assert said("xyz/there.txt") == (
        f"no file 'there.txt' in '{tmp_path}/xyz', which is no folder: expected some text"
    )
    assert (
        said("lost.txt") == f"no file 'lost.txt' {here}did you mean 'notes.txt'? expected some text"
    )
    assert said("pipe.txt") == "'pipe.txt' is no ordinary file: expected some text"
    assert len(said("x" * 200)) < 300
