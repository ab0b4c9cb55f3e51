"""What a killed run has left unfinished goes on to bitwise the same records, or is not read."""

import json
import os
import resource
from pathlib import Path

import pytest
import torch
from recorded import run
from tiny_models import CONFIGS, build, windows

from stade_nb.engine import keeping, records, sweep, unfinished
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.engine.report import LayerReport, Report
from stade_nb.engine.streams import Carried, Room, Stream, Watch
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError

IDS = {0: windows(5), 1: windows(3, 12, seed=1)}, windows(7, seed=2)
CELLS = [DENSE, Cell("stade", "0.5"), Cell("sparsegpt", "2:4", "mlp.up_proj", 1)]


class Killed(BaseException):
    """As a kill ends everything."""


class Kept(Watch):
    """Keeps every cell behind every block, and is killed after so many of them."""

    def __init__(self, folder, after):
        super().__init__()
        self.folder, self.after = folder, after

    def path(self, cell):
        return unfinished.path_of(self.folder, {"cell": str(cell)}, 2)

    def begun(self, cell):
        return unfinished.read(self.path(cell))

    def left(self, one, block, results):
        self.after -= 1
        if self.after < 0:
            raise Killed
        if not block.last:
            unfinished.write(self.path(one.cell), one)


def without_seconds(result):
    return {name: value for name, value in result.items() if name != "seconds"}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_killed_again_and_again_comes_to_bitwise_the_same(tmp_path, name):
    model = build(name)
    last = "fc1" if name.startswith("opt") else "mlp.up_proj"
    cells = [*CELLS[:2], Cell("sparsegpt", "2:4", last, 1)]

    def way(watch):
        return traverse(model, cells, *IDS, batch_size=2, room=Room("cpu"), watch=watch)

    expected, kills = way(None), 0
    for after in (1, 2, 3):  # of nine steps: a block of a cell each
        with pytest.raises(Killed):
            way(Kept(tmp_path, after))
        kills += 1
    found = way(Kept(tmp_path, 99))
    assert kills == 3 and found != expected  # the seconds
    assert list(map(without_seconds, found)) == list(map(without_seconds, expected))


def test_a_cell_that_goes_on_computes_only_what_is_left(tmp_path):
    model = build("llama")
    seen = []

    class Counting(Kept):
        def left(self, one, block, results):
            seen.append((str(one.cell), block.index))
            super().left(one, block, results)

    for after in (4, 99):
        try:
            traverse(
                model,
                CELLS[:2],
                *IDS,
                batch_size=2,
                room=Room("cpu"),
                watch=Counting(tmp_path, after),
            )
        except Killed:
            seen.append("killed")
    dense, stade = map(str, CELLS[:2])
    assert seen == [
        (dense, 0), (stade, 0), (dense, 1), (stade, 1), (dense, 2), "killed", (dense, 2), (stade, 2)
    ]  # fmt: skip


def one_cell():
    """A cell on its way, with numbers that nobody would make up."""
    generator = torch.Generator().manual_seed(7)
    batches = [torch.randn(2, 4, 8, generator=generator) for _ in range(11)]
    one = Carried(CELLS[1], [], Stream(batches[:3], {}), Stream(batches[3:], {}), passed=2)
    one.report = Report({"model.layers.0.mlp.up_proj": LayerReport(5, 10, 3)})
    one.seconds = {"prune": 0.25, "evaluate": 1 / 3}
    return one


def test_what_is_kept_is_read_as_it_was(tmp_path):
    one, path = one_cell(), unfinished.path_of(tmp_path, {"a": 1}, 8)
    assert unfinished.read(path) is None
    unfinished.write(path, one)
    state = unfinished.read(path)
    assert unfinished.passed(path) == 2 and not unfinished.passed(path.with_name("none"))
    assert (state["passed"], state["seconds"], state["report"]) == (2, one.seconds, one.report)
    for use in ("calibration", "evaluation"):
        pairs = zip(state[use], getattr(one, use).batches, strict=True)
        assert all(mine.equal(theirs) for mine, theirs in pairs)
    assert os.listdir(path.parent) == [path.name]


def test_a_disk_that_fills_up_leaves_what_was_kept_before_and_nothing_half(tmp_path):
    path, one = unfinished.path_of(tmp_path, {"a": 1}, 8), one_cell()
    unfinished.write(path, one)
    one.passed = 3
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StadeError, match="cannot be written"):
            unfinished.write(path, one)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(path.parent) == [path.name] and unfinished.read(path)["passed"] == 2


def test_another_cell_another_batch_and_another_code_have_other_files(tmp_path, monkeypatch):
    path = unfinished.path_of(tmp_path, {"a": 1}, 8)
    others = [unfinished.path_of(tmp_path, *how) for how in (({"a": 2}, 8), ({"a": 1}, 4))]
    monkeypatch.setattr(unfinished, "code", lambda: "another")
    others.append(unfinished.path_of(tmp_path, {"a": 1}, 8))
    assert len({path, *others}) == 4
    monkeypatch.undo()
    unfinished.write(path, one_cell())
    path.rename(others[0])
    with pytest.warns(UserWarning, match=r"damaged \(content and checksum differ\); beginning"):
        assert unfinished.read(others[0]) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: b"",
        lambda data: data[:-500] + bytes([data[-500] ^ 1]) + data[-499:],
        lambda data: data.replace(b'passed\\":2', b'passed\\":1').replace(
            b'passed\\": 2', b'passed\\": 1'
        ),
        lambda data: b"\x80\x04\x95" + data,
    ],
)
def test_what_is_damaged_is_named_and_not_used(tmp_path, damage):
    path = unfinished.path_of(tmp_path, {"a": 1}, 8)
    unfinished.write(path, one_cell())
    before = path.read_bytes()
    path.write_bytes(damage(before))
    assert path.read_bytes() != before
    assert unfinished.passed(path) in (0, 1, 2)
    with pytest.warns(UserWarning, match=f"unfinished {path.name} is damaged .*beginning anew"):
        assert unfinished.read(path) is None


def test_a_fifo_in_place_of_a_file_does_not_hang(tmp_path):
    path = unfinished.path_of(tmp_path, {"a": 1}, 8)
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.warns(UserWarning, match="not an ordinary file"):
        assert unfinished.read(path) is None


def test_what_other_windows_have_left_does_not_fit_and_the_cell_begins(tmp_path):
    model = build("llama")
    with pytest.raises(Killed):
        traverse(model, CELLS[:1], *IDS, batch_size=2, room=Room("cpu"), watch=Kept(tmp_path, 2))
    other = {}, windows(9, seed=5)
    options = {"batch_size": 2, "room": Room("cpu")}
    (found,) = traverse(model, CELLS[:1], *other, **options, watch=Kept(tmp_path, 99))
    (expected,) = traverse(model, CELLS[:1], *other, **options)
    assert found["losses"] == expected["losses"]


def killing(monkeypatch, after):
    """Every run is killed after so many steps, behind what it keeps."""
    left, steps = keeping.Keeping.left, iter(range(10**6))

    def dies(self, *rest):
        left(self, *rest)
        if next(steps) % after == after - 1:
            raise Killed

    monkeypatch.setattr(keeping.Keeping, "left", dies)


def test_cells_that_take_longer_than_the_interval_get_on_however_often_they_are_killed(
    workplace, tmp_path, monkeypatch
):
    expected = run(workplace, CELLS, tmp_path / "whole", sweep.sweep)
    killing(monkeypatch, 2)  # a cell alone has three blocks
    kills, options = 0, {"keep_every": 1e-6}  # so that each cell travels alone
    while kills < 20:
        try:
            found = run(workplace, CELLS, tmp_path / "killed", sweep.sweep, **options)
            break
        except Killed:
            kills += 1
    # Of nine steps two, at whose end a cell was killed before it had arrived, are computed twice.
    assert kills == (9 + 2) // 2
    assert list(map(without_seconds, found)) == list(map(without_seconds, expected))
    assert not (tmp_path / "killed" / unfinished.FOLDER).exists()
    assert len(list((tmp_path / "killed").iterdir())) == len(CELLS)


def test_nothing_is_kept_before_it_is_time(workplace, tmp_path, monkeypatch):
    killing(monkeypatch, 2)
    with pytest.raises(Killed):
        run(workplace, CELLS, tmp_path, sweep.sweep)
    assert not list(tmp_path.iterdir())


def test_what_other_code_and_finished_cells_have_left_is_removed(workplace, tmp_path, monkeypatch):
    killing(monkeypatch, 2)
    with pytest.raises(Killed):
        run(workplace, CELLS, tmp_path, sweep.sweep, keep_every=1e-6)
    monkeypatch.undo()
    folder = tmp_path / unfinished.FOLDER
    (left,) = folder.iterdir()
    (folder / f"{'0' * 64}-another.safetensors").write_text("another's")
    monkeypatch.setattr(unfinished, "code", lambda: "another")
    run(workplace, CELLS, tmp_path, sweep.sweep)
    assert [path.name for path in folder.iterdir()] == [f"{'0' * 64}-another.safetensors"]
    assert not left.exists()


def test_without_room_one_line_says_so_and_the_run_goes_on(workplace, tmp_path, monkeypatch):
    expected = run(workplace, CELLS, tmp_path / "whole", sweep.sweep)
    free = type("Usage", (), {"free": 10})()
    monkeypatch.setattr(records, "try_folder", lambda folder, *_: folder)
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda place: free)
    monkeypatch.setattr(records, "write", _write)
    (tmp_path / "full").mkdir()
    with pytest.warns(UserWarning, match="no room to keep what is unfinished") as said:
        found = run(workplace, CELLS, tmp_path / "full", sweep.sweep, keep_every=1e-6)
    assert len(said) == 3 and not (tmp_path / "full" / unfinished.FOLDER).exists()
    assert list(map(without_seconds, found)) == list(map(without_seconds, expected))


def _write(folder, fields, result):
    content = {"key": records.digest(fields), "fields": fields, "result": result}
    content["digest"] = records.digest([fields, result])
    records.path_of(folder, fields).write_text(json.dumps(content))


def test_code_is_read_once_and_is_a_digest():
    assert unfinished.code() == unfinished.code() and len(unfinished.code()) == 64


def test_another_process_that_removes_or_fills_the_folder_ends_no_run(tmp_path, monkeypatch):
    folder = tmp_path / unfinished.FOLDER
    folder.mkdir()
    monkeypatch.setattr(unfinished, "remove_leftovers", lambda _: folder.rmdir())
    unfinished.clear(tmp_path, [], ())
    folder.mkdir()
    monkeypatch.undo()
    rmdir = Path.rmdir

    def filled(path):
        (path / "new").touch()
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", filled)
    unfinished.clear(tmp_path, [], ())
    assert (folder / "new").exists()
