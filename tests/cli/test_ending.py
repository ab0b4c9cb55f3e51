"""One line for whatever goes wrong, and the full account in a log that is named in it."""

import os
import stat

import pytest
import torch

from stade_nb import paths
from stade_nb.cli import ending
from stade_nb.cli.ending import explain
from stade_nb.errors import StadeError


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Two places for the log."""
    monkeypatch.delenv(ending.DEBUG, raising=False)
    places = [tmp_path / "home" / "logs", tmp_path / "temporary"]
    monkeypatch.setattr(paths, "log_folders", lambda: places)
    return places


def raised(error, cause=None):
    """The error as it comes from a call, because of `cause`, which comes from another."""

    def deep():
        raise cause

    try:
        try:
            if cause is not None:
                deep()
        finally:
            raise error from cause
    except type(error) as caught:
        return caught


def test_an_error_of_our_own_is_its_words_and_no_log(capsys, folders):
    assert explain(StadeError("no model 'x'.\nSay which.")) == 2
    assert capsys.readouterr().err == "stade_nb: no model 'x'. Say which\n"
    assert explain(raised(StadeError("layer 'a': no"), StadeError("no"))) == 2
    assert capsys.readouterr().err == "stade_nb: layer 'a': no\n"
    assert not any(folder.exists() for folder in folders)


def test_behind_a_librarys_error_there_is_the_full_traceback_in_a_log(capsys, folders):
    assert explain(raised(StadeError("cannot load 'x': why"), KeyError("rope"))) == 2
    log = folders[0] / "errors.log"
    assert capsys.readouterr().err == f"stade_nb: cannot load 'x': why. Full traceback: {log}\n"
    text = log.read_text()
    assert "KeyError: 'rope'" in text and "in deep" in text and "StadeError: cannot load" in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    explain(raised(StadeError("again"), KeyError("second")))
    assert log.read_text().startswith(text) and "second" in log.read_text()[len(text) :]


def test_of_what_may_not_be_opened_the_name_and_what_to_do(capsys):
    assert explain(PermissionError(13, "Permission denied", "/texts/mine.txt")) == 2
    said = capsys.readouterr().err
    assert said.startswith("stade_nb: '/texts/mine.txt' may not be opened by this user (Permission")
    assert "change its permissions, or name another place. Full traceback: " in said


def test_a_name_that_is_too_long_is_cut_and_a_shorter_one_asked_for(capsys, tmp_path):
    with pytest.raises(OSError, match="too long") as caught:
        (tmp_path / f"{300 * 'n'}.txt").open()
    assert explain(caught.value) == 2
    said = capsys.readouterr().err
    assert (
        " characters)' cannot be a file's or a folder's name (File name too long): give a" in said
    )
    assert 81 * "n" not in said


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(28, "No space left on device"), 2, "[Errno 28] No space left on device. Full tr"),
        (KeyError("rope"), 1, "this should not have happened: KeyError: 'rope'. Full traceback: "),
        (RuntimeError("a\nb"), 1, "this should not have happened: RuntimeError: a b. Full"),
        (AssertionError(), 1, "this should not have happened: AssertionError. Full traceback: "),
        (MemoryError("71 PiB"), 2, "out of memory (71 PiB); take a smaller --batch-size"),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried"), 2, "Tried); take a smaller --batch"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"), 2, "ALLOC_FAILED); take a smaller --batch"),
    ],
)
def test_whatever_else_comes_is_one_line_too(capsys, error, status, words):
    assert explain(raised(error)) == status
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("stade_nb: ") and words in said


def test_memory_that_a_cpu_lacks_is_no_surprise(capsys):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert explain(caught.value) == 2
    said = capsys.readouterr().err
    assert said.startswith("stade_nb: out of memory (") and "take a smaller --batch-size" in said


def test_a_log_that_cannot_be_written_goes_to_the_next_place_or_nowhere(capsys, folders):
    folders[0].parent.mkdir()
    folders[0].write_text("a file where the folder would be")
    error = raised(StadeError("cannot load"), KeyError("rope"))
    assert explain(error) == 2
    assert f"Full traceback: {folders[1] / 'errors.log'}" in capsys.readouterr().err
    os.unlink(folders[1] / "errors.log")
    # A link that another user has put there is not followed, nor does a FIFO hold the program up.
    (folders[1] / "errors.log").symlink_to(folders[1] / "elsewhere")
    assert explain(error) == 2
    assert "STADE_NB_DEBUG=1 shows the full traceback" in capsys.readouterr().err
    assert not (folders[1] / "elsewhere").exists()
    os.unlink(folders[1] / "errors.log")
    os.mkfifo(folders[1] / "errors.log")
    assert explain(error) == 2
    assert "STADE_NB_DEBUG=1 shows the full traceback" in capsys.readouterr().err


def test_debugging_prints_the_traceback_before_the_line(capsys, monkeypatch):
    monkeypatch.setenv(ending.DEBUG, "1")
    assert explain(raised(StadeError("no"))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and lines[-1].startswith("stade_nb: no. Full traceback")
    monkeypatch.setenv(ending.DEBUG, "0")
    assert explain(raised(StadeError("no"))) == 2
    assert capsys.readouterr().err == "stade_nb: no\n"


def test_a_log_grows_only_so_far(folders, monkeypatch):
    monkeypatch.setattr(ending, "LARGEST_LOG", 10)
    for name in ("first", "second", "third"):
        explain(raised(StadeError(name), KeyError(name)))
    assert {path.name for path in folders[0].iterdir()} == {"errors.log", "errors.earlier.log"}
    assert "third" in (folders[0] / "errors.log").read_text()
    assert "second" in (folders[0] / "errors.earlier.log").read_text()


def test_text_that_no_file_can_hold_is_written_all_the_same(folders):
    explain(raised(StadeError("no"), KeyError("\ud800")))
    assert "\\ud800" in (folders[0] / "errors.log").read_text()
