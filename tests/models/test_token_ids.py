"""Token ids: files of them, windows that fit a model, and what is neither, in our own words."""

import shutil
import zipfile

import numpy as np
import pytest
from tiny_models import POSITIONS, VOCABULARY, build, windows
from torch import nn

from stade_nb.errors import StadeError
from stade_nb.models import token_ids
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


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (windows(2)[0], r"shape \(16,\)"),
        (windows(0), r"shape \(0, 16\)"),
        (windows(2).float(), "float32"),
        (windows(2, POSITIONS + 1), "33 tokens: LlamaForCausalLM has 32 positions"),
        (windows(2) + VOCABULARY, "expected 0 to 63"),
        (windows(2) - VOCABULARY, "expected 0 to 63"),
    ],
)
def test_bad_windows(ids, message):
    with pytest.raises(StadeError, match=message):
        token_ids.check_windows(build("llama"), ids)


def offloaded():
    return build("llama").to("meta")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: nn.DataParallel(build("llama")), "model of the type DataParallel: expected a"),
        (lambda: None, "model of the type NoneType"),
        (lambda: (build("llama"), "tokenizer"), "model of the type tuple"),
        (offloaded, "LlamaForCausalLM has weights on the device 'meta'"),
    ],
)
def test_what_is_no_model_in_memory(model, message):
    with pytest.raises(StadeError, match=message):
        token_ids.check_windows(model(), windows(2))


def test_ids_without_numbers():
    with pytest.raises(StadeError, match="int64 on the device meta: expected integer ids"):
        token_ids.check_windows(build("llama"), windows(2).to("meta"))


def test_batches_of_a_number_of_numpy():
    assert [len(part) for part in token_ids.in_batches(windows(3), np.int64(2))] == [2, 1]


def test_window_length():
    model = build("llama")
    assert token_ids.window_length(model) == POSITIONS
    assert token_ids.window_length(model, 7) == 7
    model.config.max_position_embeddings = 131072
    assert token_ids.window_length(model) == 2048
    assert token_ids.window_length(model, 4096) == 4096
    with pytest.raises(StadeError, match="windows of 33 tokens"):
        token_ids.window_length(build("llama"), 33)
