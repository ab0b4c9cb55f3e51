"""Files of token ids: what they hold, and what is none, in words of our own."""

import shutil
import zipfile

import numpy as np
import pytest

from stade_nb.errors import StadeError
from stade_nb.models.token_ids import is_stored, stored, stored_shape


def huge(path):
    """A header that announces more than any machine holds, and nothing behind it."""
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999, 99999), }"
    path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117) + b"\n")


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ids.txt", "1 2 3")


def npz(path):
    np.savez(path.with_suffix(".npz"), ids=np.arange(6))
    shutil.move(path.with_suffix(".npz"), path)


def broken_header(path):
    """A header in which one letter has become a bracket."""
    np.save(path, np.arange(6).reshape(2, 3))
    path.write_bytes(path.read_bytes().replace(b"'fortran_order':", b"'fortran_order'["))


def objects(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


BAD = {
    "none": (lambda path: None, "no file"),
    "a folder": (lambda path: path.mkdir(), "is no ordinary file"),
    "empty": (lambda path: path.write_bytes(b""), "is none"),
    "garbage": (lambda path: path.write_bytes(b"garbage " * 20), "is none"),
    "a pickle": (lambda path: path.write_bytes(b"\x80\x04K\x01."), "is none"),
    "a zip": (zipped, "is a zip archive, such as an .npz file"),
    "an npz": (npz, "is a zip archive, such as an .npz file"),
    "objects": (objects, "holds objects"),
    "a broken header": (broken_header, "is damaged"),
    "only the start": (lambda path: path.write_bytes(b"\x93NUMPY\x01"), "is damaged"),
    "a header that lies": (huge, "is damaged"),
    "one row": (lambda path: np.save(path, np.arange(6)), r"holds int64 of shape \(6,\)"),
    "floats": (lambda path: np.save(path, np.ones((2, 3))), "holds float64"),
    "yes and no": (lambda path: np.save(path, np.ones((2, 3), bool)), "holds bool"),
    "text": (lambda path: np.save(path, np.array([["a", "b"]])), "holds <U1"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_array_of_ids_is_said_in_a_line_without_advice_on_pickles(tmp_path, kind):
    path, (make, said) = tmp_path / "ids.npy", BAD[kind]
    make(path)
    for read in (lambda: stored_shape(path), lambda: stored(path, 1, 3)):
        with pytest.raises(StadeError, match=f"ids.npy' {said}|{said}.*ids.npy'") as caught:
            read()
        message = str(caught.value)
        assert "\n" not in message and "pickle" not in message
        assert "expected a .npy file of integer token ids, (windows, tokens)" in message


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint32", "int64", "uint64", ">i4"])
def test_every_kind_of_integer_is_read(tmp_path, kind):
    path = tmp_path / "ids.npy"
    np.save(path, np.arange(12).reshape(3, 4).astype(kind))
    assert stored_shape(path) == (3, 4)
    assert stored(path, 2, 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_an_id_beyond_all_bounds_is_named(tmp_path):
    np.save(tmp_path / "ids.npy", np.full((1, 2), 2**63 + 5, np.uint64))
    with pytest.raises(StadeError, match=f"holds the id {2**63 + 5}"):
        stored(tmp_path / "ids.npy", None, 2)


def test_the_suffix_says_that_no_tokenizer_is_needed():
    assert is_stored("a/b.npy") and not is_stored("b.txt") and not is_stored("embedded")
