"""A write is whole or absent, replaces ordinary files only, and its place is tried before."""

import json
import os
import resource
import shutil
import signal
import socket
import stat
import threading
import time
from collections import namedtuple
from contextlib import contextmanager

import pytest

from stade_nb import paths
from stade_nb.errors import StadeError
from stade_nb.files import (
    megabytes,
    ordinary,
    remove_leftovers,
    try_file,
    try_folder,
    write_at_once,
)


@contextmanager
def full_disk(size):
    """No file of this process can grow beyond so many bytes inside, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def in_the_way(folder):
    """Everything that may be where a file is to be, by what it is called; devices are not tried."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(folder)  # names of sockets are short
        bound.bind("socket")
        os.chdir(here)
    for name in ("folder", "fifo"):
        (folder / f"link to {name}").symlink_to(folder / name)
    return {
        "folder": "a folder",
        "fifo": "a FIFO",
        "socket": "a socket",
        "link to folder": "a folder",
        "link to fifo": "a FIFO",
    }


def test_writers_with_one_process_number_do_not_disturb_each_other(tmp_path):
    """As in two containers that share a folder."""

    def slowly(file):
        file.write(b"first ")
        write_at_once(tmp_path / "a", "of the other container")
        assert (tmp_path / "a").read_text() == "of the other container"
        file.write(b"whole")

    write_at_once(tmp_path / "a", slowly)
    assert (tmp_path / "a").read_text() == "first whole"
    assert os.listdir(tmp_path) == ["a"]


def test_text_bytes_and_what_a_function_writes_replace_a_file(tmp_path):
    path = tmp_path / "file"
    for content, expected in (
        ("é\n", b"\xc3\xa9\n"),
        (b"\0\1", b"\0\1"),
        (lambda file: file.write(b"by itself"), b"by itself"),
    ):
        write_at_once(path, content)
        assert path.read_bytes() == expected and os.listdir(tmp_path) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_only_ordinary_files_are_replaced(tmp_path):
    for name, kind in in_the_way(tmp_path).items():
        before = sorted(os.listdir(tmp_path)), (tmp_path / name).lstat().st_ino
        for refused in (lambda path: write_at_once(path, "x"), ordinary, try_file):
            with pytest.raises(StadeError, match=f"{name}' is {kind}, and only ordinary files"):
                refused(tmp_path / name)
        assert (sorted(os.listdir(tmp_path)), (tmp_path / name).lstat().st_ino) == before


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
    for content in ("new", "newer"):
        write_at_once(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "elsewhere" / "file").read_text() == content
    assert os.listdir(tmp_path / "elsewhere") == ["file"]


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with full_disk(100_000), pytest.raises(StadeError, match=r"file '.*' cannot be written \(File"):
        write_at_once(path, b"x" * 200_000)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]
    with full_disk(100_000):
        write_at_once(path, b"x" * 50_000)
    assert path.stat().st_size == 50_000


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_of_a_write_that_ends_in_any_other_way(tmp_path, error):
    def end(file):
        file.write(b"half")
        raise error

    with pytest.raises(error):
        write_at_once(tmp_path / "file", end)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("place", "reason"),
    [("file/below", "Not a directory"), ("n" * 300, "File name too long"), ("a\0b", "null byte")],
)
def test_a_place_that_cannot_be_written_is_refused_with_what_the_system_says(
    tmp_path, place, reason
):
    (tmp_path / "file").write_text("here first")
    with pytest.raises(StadeError, match=rf"folder '.*' cannot be written \(.*{reason}.*\): look"):
        try_folder(tmp_path / place)
    with pytest.raises(StadeError, match=rf"file.*({reason}|folder that exists)"):
        try_file(tmp_path / place / "name")
    with pytest.raises(StadeError, match=rf"file '.*' cannot be written \(.*{reason}"):
        write_at_once(tmp_path / place / "name", "x")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StadeError, match="Permission denied"):
        try_folder(tmp_path)
    tmp_path.chmod(0o700)


def test_a_folder_is_made_and_a_try_leaves_nothing(tmp_path):
    assert try_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert not os.listdir(tmp_path / "a" / "b")
    (tmp_path / "out").write_text("as it was")
    assert try_file(tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out").read_text() == "as it was"
    with pytest.raises(StadeError, match="expected a file in a folder that exists"):
        try_file(tmp_path / "none" / "out")
    assert sorted(os.listdir(tmp_path)) == ["a", "out"]


def test_room_is_asked_for_before(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**9, 0, 1_500_000))
    try_folder(tmp_path, 1_500_000)
    with pytest.raises(StadeError, match=r"7 records may take 2\.0 MB in '.*', where 1\.5 MB are"):
        try_folder(tmp_path, 2_000_000, "7 records")
    with pytest.raises(StadeError, match=r"the file may take 2\.0 MB"):
        try_file(tmp_path / "out", 2_000_000)


def test_threads_that_write_one_file_leave_it_whole(tmp_path):
    """Each in turn in the middle of its write while the others write all of theirs."""
    path, found, failed = tmp_path / "file", [], []

    def write(letter):
        def slowly(file):
            file.write(letter * 1000)
            time.sleep(0.002)
            file.write(letter * 1000)

        for _ in range(10):
            try:
                write_at_once(path, slowly)
                found.append(path.read_bytes())
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and {(len(one), len(set(one))) for one in found} == {(2000, 1)}
    assert os.listdir(tmp_path) == ["file"]


def test_what_killed_processes_have_left_is_removed_when_it_is_old(tmp_path):
    names = ["a.json.12.tmp", "b.json.13.tmp", "notes.tmp", "c.json", ".tmpiwZpGx", ".tmpl"]
    for name in names:
        (tmp_path / name).write_text("")
        old = 0 if name.startswith("b") else 4000
        os.utime(tmp_path / name, (time.time() - old,) * 2)
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        *(".tmpl", "b.json.13.tmp", "c.json", "notes.tmp"),
    ]
    remove_leftovers(tmp_path / "none")


def test_sizes_as_messages_have_them():
    assert megabytes(0) == "0.0 MB" and json.dumps(megabytes(2 * 10**9)) == '"2,000.0 MB"'


def test_a_page_s_folder_of_records_may_be_below_a_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.results("~/records") == tmp_path / "records"
    assert paths.results("records") == paths.CHECKOUT / "records"
    with pytest.raises(StadeError, match="knows no home folder '~nobodyx'"):
        paths.results("~nobodyx/records")
