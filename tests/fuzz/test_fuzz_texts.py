"""Any bytes as a text or as an array of token ids: read as what they are, or refused."""

import codecs
import io

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stade_nb.corpus.documents import SEPARATOR
from stade_nb.errors import StadeError
from stade_nb.models.texts import documents_of, text_of
from stade_nb.models.windows import calibration_windows, evaluation_windows

PIECES = st.sampled_from(
    [SEPARATOR.encode(), b"\n\n", b"\n", b"\r\n", b"\r", b" \n\t\n", "é".encode(), b"\0", b"\xff"]
)
MARKS = [
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    b"",
    b"",
    b"",
]
BYTES = st.builds(
    lambda mark, parts: mark + b"".join(parts),
    st.just(b"") | st.sampled_from(MARKS),
    st.lists(PIECES | st.binary(max_size=5) | st.text("ab ", max_size=9).map(str.encode)),
)


class Words:
    """A tokenizer with a token for each character."""

    def __call__(self, text, verbose=True):
        self.input_ids = [ord(character) for character in text]
        return self


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file."""
    return tmp_path_factory.mktemp("texts")


def decoded(content):
    """The text that the bytes are, by Python's own decoders; None where they are none."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-8"),
    ):
        if content.startswith(mark):
            try:
                text = content[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                return None
            return None if "\0" in text else text.replace("\r\n", "\n").replace("\r", "\n")
    return None


@settings(max_examples=300)
@given(BYTES, st.sampled_from(["a.txt", "a.raw"]))
@example(codecs.BOM_UTF8 + b"ab\r\n\r\nc", "a.txt")
@example(codecs.BOM_UTF16_LE + "ab\n\nc".encode("utf-16-le"), "a.raw")
def test_bytes_are_the_text_that_they_are_or_refused(folder, content, name):
    path, expected = folder / name, decoded(content)
    path.write_bytes(content)
    try:
        text = text_of(path)
    except StadeError as error:
        assert expected is None and name in str(error) and "\n" not in str(error)
        return
    assert expected is not None
    if name == "a.txt":
        assert text == "\n\n".join(expected.split(SEPARATOR))
    else:
        assert text.split() == expected.split()


@pytest.mark.filterwarnings("ignore:.*they overlap:UserWarning")
@settings(max_examples=300)
@given(BYTES, st.integers(-1, 4), st.integers(0, 12), st.integers(0, 3))
def test_windows_of_any_text_are_parts_of_it(folder, content, count, length, seed):
    path, expected = folder / "a.txt", decoded(content)
    path.write_bytes(content)
    try:
        ids = calibration_windows(path, Words(), count, length, seed)
        assert ids.shape == (count, length)
        joined = "\n\n".join(documents_of(path))
        for row in ids.tolist():  # a document may be continued by the first
            assert "".join(map(chr, row)) in f"{joined}\n\n{joined}\n\n{joined}"
    except StadeError as error:
        assert "\n" not in str(error)
    try:
        ids = evaluation_windows(path, Words(), count or None, length)
        flat = "\n\n".join(expected.split(SEPARATOR))[: ids.numel()]
        assert ids.flatten().tolist() == list(map(ord, flat)) and ids.shape[1] == length
    except StadeError as error:
        assert "\n" not in str(error)


DTYPES = [
    "int64",
    "int16",
    "uint8",
    "uint64",
    "float32",
    "bool",
    "complex64",
    "U2",
    "datetime64[s]",
]


@settings(max_examples=200)
@given(st.data())
def test_arrays_of_any_kind_are_taken_as_they_are_or_refused(folder, data):
    shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
    dtype = data.draw(st.sampled_from(DTYPES))
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    if data.draw(st.booleans()) and dtype == "uint64":
        array = array + np.uint64(2**63)
    np.save(folder / "a.npy", array)
    taken(folder / "a.npy", array, data)


@settings(max_examples=200)
@given(st.data())
def test_files_of_arrays_that_are_altered_are_refused(folder, data):
    stream = io.BytesIO()
    np.save(stream, np.arange(12).reshape(3, 4))
    content = stream.getvalue()
    at = data.draw(st.integers(0, len(content) - 1))
    altered = content[:at] + data.draw(st.binary(max_size=4)) + content[at + 1 :]
    (folder / "a.npy").write_bytes(altered if data.draw(st.booleans()) else content[:at])
    try:
        array = np.load(folder / "a.npy")
    except Exception:
        array = None
    taken(folder / "a.npy", array, data)


def taken(path, array, data):
    """The windows of a file are the array's first rows, where it has whole numbers."""
    count, length = data.draw(st.none() | st.integers(1, 4)), data.draw(st.integers(2, 4))
    try:
        ids = evaluation_windows(path, None, count, length)
    except StadeError as error:
        assert "\n" not in str(error)
        return
    assert np.issubdtype(array.dtype, np.integer) and ids.dtype == torch.int64
    assert ids.tolist() == array[:count].tolist()
