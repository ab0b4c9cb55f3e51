"""When cells on their way are kept: in time, sooner where it costs nothing, and never half."""

import pytest
from tiny_models import build, windows

from stade_nb.engine import keeping, unfinished
from stade_nb.engine.cell import DENSE
from stade_nb.engine.keeping import Keeping
from stade_nb.engine.streams import Room
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    now = [0.0]
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now[0])
    return now


def watch(tmp_path, every, needed=0, step=lambda cell, block: None):
    paths = {DENSE: unfinished.path_of(tmp_path, {}, 8)}
    return Keeping(paths, every, needed, lambda one: None, step)


def test_a_step_more_than_the_interval_allows_is_not_begun(tmp_path, clock):
    keeper = watch(tmp_path, 300, needed=10**15)  # too large to be kept sooner
    keeper.pace.longest = 70.0
    assert not keeper.pace.is_due(229) and keeper.pace.is_due(230)


def test_what_is_small_is_kept_sooner(tmp_path, clock):
    size = 60 * keeping._BYTES_PER_SECOND / 100
    assert not watch(tmp_path, 300, size).pace.is_due(59)
    assert watch(tmp_path, 300, size).pace.is_due(60)
    assert not watch(tmp_path, 300).pace.is_due(29) and watch(tmp_path, 300).pace.is_due(30)


def test_a_folder_that_another_process_has_cleared_ends_nothing(tmp_path, monkeypatch):
    """It came to the end of the same cell between the writing and the look at its size."""
    keeper = watch(tmp_path, 300)
    keeper.under_way[DENSE] = None
    monkeypatch.setattr(unfinished, "write", lambda path, one: None)  # gone again
    with pytest.warns(UserWarning, match="what is unfinished is not kept"):
        keeper.keep()
    assert keeper.possible is False


@pytest.mark.parametrize(("every", "times"), [(10, [1, 2]), (25, [2]), (1000, [])])
def test_a_cell_is_kept_when_the_interval_has_passed(tmp_path, clock, monkeypatch, every, times):
    """Three blocks of ten seconds each; behind the last one there is nothing to keep."""
    kept, write = [], unfinished.write
    monkeypatch.setattr(
        unfinished, "write", lambda path, one: kept.append(one.passed) or write(path, one)
    )

    def step(cell, block):
        clock[0] += 10

    keeper = watch(tmp_path, every, 10**15, step)
    monkeypatch.setattr(keeping, "has_room", lambda folder, needed: True)
    traverse(build("llama"), [DENSE], {}, windows(4), batch_size=8, room=Room("cpu"), watch=keeper)
    assert kept == times


def test_a_disk_that_fills_up_ends_the_keeping_and_not_the_run(tmp_path, monkeypatch):
    def full(*_):
        raise StadeError("No space left on device")

    monkeypatch.setattr(unfinished, "write", full)
    keeper = watch(tmp_path, 1e-9)
    with pytest.warns(UserWarning, match="is not kept: No space left") as said:
        (found,) = traverse(
            build("llama"), [DENSE], {}, windows(4), batch_size=8, room=Room("cpu"), watch=keeper
        )
    assert len(said) == 1 and found["perplexity"] > 1
