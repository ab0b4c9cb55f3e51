"""Token windows: the reference's draws, sources, and what happens where text does not suffice."""

import gzip
import json
import random

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import needs_shared
from reference_draws import reference_draws
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from stade_nb.corpus import documents as embedded
from stade_nb.errors import StadeError
from stade_nb.models.texts import documents_of, text_of
from stade_nb.models.windows import calibration_windows, evaluation_windows

BOS = 1000
ENDING = "<|endoftext|>"


@pytest.fixture(scope="module")
def tokenizer():
    """Word "7" is token 7; a BOS at the very start; complains about texts longer than 8 tokens."""
    words = {str(number): number for number in range(BOS)} | {"<s>": BOS}
    made = Tokenizer(WordLevel(words, unk_token="0"))
    made.pre_tokenizer = WhitespaceSplit()
    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=8)


def document(number, words):
    """A text of `words` words that all say `number`."""
    return " ".join([str(number)] * words)


@pytest.fixture(scope="module")
def documents():
    lengths = random.Random(1)
    return [document(number, lengths.randint(1, 60)) for number in range(1, 200)]


@pytest.fixture
def text_file(tmp_path, documents):
    path = tmp_path / "documents.txt"
    path.write_text(f"\n{ENDING}\n".join(documents), encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", [0, 7])
def test_calibration_draws(text_file, documents, tokenizer, seed):
    state = random.getstate()
    windows = calibration_windows(text_file, tokenizer, 12, 40, seed)
    assert random.getstate() == state
    assert windows.equal(reference_draws(documents, tokenizer, 12, 40, seed))
    assert windows.dtype == torch.int64 and windows.shape == (12, 40)
    other = calibration_windows(str(text_file), tokenizer, 12, 40, seed + 1)
    assert not windows.equal(other)


@pytest.mark.filterwarnings("ignore:.*they overlap:UserWarning")
def test_calibration_continues_short_documents(tmp_path, tokenizer):
    path = tmp_path / "short.txt"
    path.write_text("\n\n".join(document(number, 5) for number in range(1, 11)))
    windows = calibration_windows(path, tokenizer, 50, 12, seed=0)
    generator = random.Random(0)
    for window in windows.tolist():
        first = generator.randint(0, 9)
        # 5 + 5 words and a BOS are 11 tokens, 5 more are more than 12: three documents.
        ids = [BOS, *(1 + (first + i // 5) % 10 for i in range(15))]
        start = generator.randint(0, len(ids) - 12 - 1)
        assert window == ids[start : start + 12]
    # One document is long enough, but one is fewer than the two windows asked for.
    path.write_text("\n\n".join([document(1, 5), document(2, 5), document(3, 30)]))
    drawn = {number for seed in range(9) for number in _words(path, tokenizer, 2, seed)}
    assert drawn - {BOS} == {1, 2, 3}
    assert _words(path, tokenizer, 1, seed=0) <= {3, BOS}


def test_windows_that_take_a_text_many_times_are_said_to_overlap(tmp_path, tokenizer):
    path = tmp_path / "small.txt"
    path.write_text(document(1, 99))  # and a BOS
    said = r"^1,000 windows of 50 tokens from 100 tokens of .*small\.txt': they overlap; ask"
    with pytest.warns(UserWarning, match=said):
        assert calibration_windows(path, tokenizer, 1000, 50, seed=0).shape == (1000, 50)
    # Twice is no news: warnings are errors here.
    assert calibration_windows(path, tokenizer, 4, 50, seed=0).shape == (4, 50)


def _words(path, tokenizer, windows, seed):
    return set(calibration_windows(path, tokenizer, windows, 12, seed).flatten().tolist())


def test_evaluation(text_file, documents, tokenizer):
    ids = tokenizer(text_of(text_file)).input_ids
    assert ids[0] == BOS and BOS not in ids[1:]
    assert [token for token in ids[1:] if token] == [
        number for text in documents for number in map(int, text.split())
    ]
    windows = evaluation_windows(text_file, tokenizer, None, 40)
    assert windows.flatten().tolist() == ids[: len(ids) // 40 * 40]
    assert evaluation_windows(text_file, tokenizer, 3, 40).equal(windows[:3])


def test_text_files(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("a\nb\n\nc\n \t\nd\n")
    assert documents_of(path) == ["a\nb", "c", "d"]
    assert text_of(path) == "a\nb\n\nc\n \t\nd\n"
    path.write_text("a\nb\n")
    assert documents_of(path) == ["a", "b"]
    path.write_text(f"a\n\nb{ENDING}c{ENDING}")
    assert documents_of(path) == ["a\n\nb", "c"]
    assert text_of(path) == "a\n\nb\n\nc\n\n"
    path.write_bytes("naïve".encode("latin-1"))
    with pytest.raises(StadeError, match="is not UTF-8"):
        text_of(path)
    path.write_text("\n \n")
    with pytest.raises(StadeError, match="holds no documents"):
        documents_of(path)


def test_wikitext_lines(tmp_path):
    path = tmp_path / "wiki.raw"
    path.write_text(" \n = Title = \n \n Text with a line separator. \n", encoding="utf-8")
    # As in the hub's dataset: blank lines are empty strings, others keep their end.
    assert text_of(path) == "\n\n".join(
        ["", " = Title = \n", "", " Text with a line separator. \n"]
    )
    assert documents_of(path) == [" = Title = \n", " Text with a line separator. \n"]


@needs_shared
def test_wikitext2(shared):
    path = shared / "reality" / "text" / "wiki.test.raw"
    text = text_of(path)
    # The hub's test split has 4,358 rows; 2 characters join each pair, 2 are lost in a blank one.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == 4358
    blank = sum(not line.strip() for line in lines)
    raw = sum(len(line) + 1 for line in lines)
    assert len(text) == raw + 2 * (len(lines) - 1) - 2 * blank
    assert text.startswith("\n\n = Robert Boulter = \n\n\n\n\n Robert Boulter is an English film ,")


@pytest.mark.parametrize("above", ["", "{repository}"])
def test_folders_laid_out_as_the_hub(tmp_path, documents, tokenizer, above):
    c4 = tmp_path / above.format(repository="allenai/c4") / "en"
    wikitext = tmp_path / above.format(repository="Salesforce/wikitext") / "wikitext-2-raw-v1"
    c4.mkdir(parents=True)
    wikitext.mkdir(parents=True)
    with gzip.open(c4 / "c4-train.00000-of-01024.json.gz", "wt") as file:
        file.writelines(json.dumps({"text": text, "url": ""}) + "\n" for text in documents)
    rows = pd.DataFrame({"text": ["", " = 5 = \n", *(f" {text} \n" for text in documents)]})
    rows.to_parquet(wikitext / "test-00000-of-00001.parquet")
    cache = str(tmp_path / "cache")
    calibration = calibration_windows(tmp_path, tokenizer, 12, 40, 0, cache)
    assert calibration.equal(reference_draws(documents, tokenizer, 12, 40, 0))
    ids = tokenizer("\n\n".join(rows["text"])).input_ids
    evaluation = evaluation_windows(tmp_path, tokenizer, None, 40, cache)
    assert evaluation.flatten().tolist() == ids[: len(ids) // 40 * 40]


def test_hub_out_of_reach(tokenizer, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(
        StadeError, match=r"(?s)cannot read en/c4-train.*'embedded' needs no network"
    ):
        calibration_windows("c4", tokenizer, 1, 8, 0, str(tmp_path))
    with pytest.raises(StadeError, match=r"cannot read wikitext-2-raw-v1/test-00000"):
        evaluation_windows("wikitext2", tokenizer, None, 8, str(tmp_path))


def test_embedded(tokenizer, documents, monkeypatch):
    parts = {"calibration": documents, "evaluation": documents[:50]}
    monkeypatch.setattr(embedded, "part", parts.get)
    windows = calibration_windows("embedded", tokenizer, 12, 40, 3)
    assert windows.equal(reference_draws(documents, tokenizer, 12, 40, 3))
    evaluation = evaluation_windows("embedded", tokenizer, 2, 40)
    assert evaluation[0, :2].tolist() == [BOS, 1] and evaluation.shape == (2, 40)


def test_stored_windows(tmp_path, tokenizer):
    path = tmp_path / "ids.npy"
    ids = np.arange(24, dtype=np.int32).reshape(6, 4)
    np.save(path, ids)
    for windows in (
        calibration_windows(path, tokenizer, 5, 4, seed=1),
        evaluation_windows(path, tokenizer, 5, 4),
    ):
        assert windows.dtype == torch.int64 and windows.tolist() == ids[:5].tolist()
    assert len(evaluation_windows(str(path), tokenizer, None, 4)) == 6
    with pytest.raises(StadeError, match=r"holds 6 windows, 7 asked for"):
        evaluation_windows(path, tokenizer, 7, 4)
    with pytest.raises(StadeError, match=r"shape \(6, 4\): expected .* \(windows, 8\)"):
        calibration_windows(path, tokenizer, 2, 8, 0)
    np.save(path, ids.astype(float))
    with pytest.raises(StadeError, match="holds float64"):
        evaluation_windows(path, tokenizer, 2, 4)
    path.write_bytes(b"not an array")
    with pytest.raises(StadeError, match=r"expected a \.npy file"):
        evaluation_windows(path, tokenizer, 2, 4)
    with pytest.raises(StadeError, match="no file"):
        evaluation_windows(tmp_path / "none.npy", tokenizer, 2, 4)


def test_too_little_text(tmp_path, tokenizer):
    path = tmp_path / "little.txt"
    path.write_text(document(1, 10) + "\n\n" + document(2, 10))
    with pytest.raises(StadeError, match=r"21 tokens: 2 windows of 10 .*possible, 3 asked for"):
        evaluation_windows(path, tokenizer, 3, 10)
    with pytest.raises(StadeError, match=r"0 windows of 30 .*possible, at least 1"):
        evaluation_windows(path, tokenizer, None, 30)
    with pytest.raises(StadeError, match=r"22 tokens in all: 0 windows of 30"):
        calibration_windows(path, tokenizer, 3, 30, 0)
    # 22 tokens one by one, but only 21 when they are joined and have one BOS.
    with pytest.raises(StadeError, match=r"0 windows of 21"):
        calibration_windows(path, tokenizer, 3, 21, 0)


def test_a_text_of_nothing_is_said_to_be_empty(tmp_path, tokenizer):
    path = tmp_path / "empty.txt"
    path.write_text("")
    for windows in (None, 3):
        with pytest.raises(StadeError, match=r"evaluation text .*empty.txt' is empty: expected"):
            evaluation_windows(path, tokenizer, windows, 8)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("embeded", "unknown text source 'embeded': did you mean 'embedded'"),
        ("nowhere.txt", r"no file 'nowhere\.txt' in '/.*': expected 'embedded', 'c4', a file"),
        ("nowhere.raw", r"no file 'nowhere\.raw' in '/.*"),
        ("nowhere/text.txt", r"no file 'text\.txt' in '/.*/nowhere', which is no folder: expected"),
        ("nowhere/text", r"no file or folder 'text' in '/.*/nowhere', which is no folder"),
        ("wikitext2", "'wikitext2' is for evaluation here: expected 'embedded', 'c4'"),
    ],
)
def test_unknown_sources(tokenizer, source, message):
    with pytest.raises(StadeError, match=message):
        calibration_windows(source, tokenizer, 1, 8, 0)


def test_wrong_places(tokenizer, tmp_path):
    with pytest.raises(StadeError, match=r"'c4' is for calibration here: expected .*'wikitext2'"):
        evaluation_windows("c4", tokenizer, None, 8)
    with pytest.raises(StadeError, match=r"has no en/c4-train.00000-of-01024.json.gz"):
        calibration_windows(tmp_path, tokenizer, 1, 8, 0)
    (tmp_path / "table.csv").write_text("a")
    with pytest.raises(StadeError, match=r"table.csv': expected one of \.txt, \.raw, \.npy"):
        evaluation_windows(tmp_path / "table.csv", tokenizer, None, 8)
    for windows, length in ((0, 8), (1, 1)):
        with pytest.raises(StadeError, match="expected at least 1 window of at least 2"):
            calibration_windows("embedded", tokenizer, windows, length, 0)


BODY = "1 2 3 naïve\n4 5\n\n6 7 8 9\n \t\n10 11 12\n"
# How editors write the same text.
WRITTEN = {
    "UTF-8": BODY.encode(),
    "UTF-8 with a mark": BODY.encode("utf-8-sig"),
    "UTF-8 with two marks": b"\xef\xbb\xbf" + BODY.encode("utf-8-sig"),
    "CRLF": BODY.replace("\n", "\r\n").encode(),
    "CRLF and a mark": BODY.replace("\n", "\r\n").encode("utf-8-sig"),
    "CR": BODY.replace("\n", "\r").encode(),
    "UTF-16": BODY.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + BODY.encode("utf-16-be"),
    "UTF-16 with two marks": f"\ufeff{BODY}".encode("utf-16"),
    "UTF-16, CRLF": BODY.replace("\n", "\r\n").encode("utf-16"),
    "UTF-32": BODY.encode("utf-32"),
}


@pytest.mark.parametrize("suffix", [".txt", ".raw"])
@pytest.mark.parametrize("how", WRITTEN)
def test_one_text_is_one_text_whatever_editor_wrote_it(tmp_path, tokenizer, suffix, how):
    path, plain = tmp_path / f"written{suffix}", tmp_path / f"plain{suffix}"
    path.write_bytes(WRITTEN[how])
    plain.write_bytes(BODY.encode())
    assert text_of(path) == text_of(plain) and documents_of(path) == documents_of(plain)
    assert not text_of(path).startswith("\ufeff")
    ids = evaluation_windows(path, tokenizer, None, 4)
    assert ids.equal(evaluation_windows(plain, tokenizer, None, 4)) and ids[0, 1] == 1
    draw = [calibration_windows(one, tokenizer, 3, 4, 0) for one in (path, plain)]
    assert draw[0].equal(draw[1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BODY.encode("utf-16-le"), "is not UTF-8|holds bytes of zero"),
        ("1 2 3".encode("utf-16-le"), "holds bytes of zero"),
        (b"1 2\0 3", "holds bytes of zero"),
        (BODY.encode("latin-1"), "is not UTF-8"),
        (BODY.encode("utf-16")[:-1], "is not UTF-16"),
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path, content, words):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    for read in (text_of, documents_of):
        with pytest.raises(StadeError, match=words):
            read(path)


def by_hand(ids, length):
    """Windows of a BOS and `length` - 1 of the ids that follow each other in the text."""
    own = length - 1
    return [[BOS, *ids[start : start + own]] for start in range(0, len(ids) - own + 1, own)]


def test_each_window_begins_with_bos_if_that_is_asked_for(text_file, tokenizer):
    plain = tokenizer(text_of(text_file)).input_ids[1:]
    asked = evaluation_windows(text_file, tokenizer, None, 40, bos="window")
    assert asked.tolist() == by_hand(plain, 40)
    assert evaluation_windows(text_file, tokenizer, 3, 40, bos="window").equal(asked[:3])
    assert not evaluation_windows(text_file, tokenizer, 3, 40).equal(asked[:3])


def test_calibration_windows_with_bos_are_the_drawn_ones_behind_a_bos(text_file, tokenizer):
    for seed in range(3):
        drawn = calibration_windows(text_file, tokenizer, 30, 10, seed).tolist()
        asked = calibration_windows(text_file, tokenizer, 30, 10, seed, bos="window").tolist()
        assert any(window[0] == BOS for window in drawn)
        assert asked == [w if w[0] == BOS else [BOS, *w[:-1]] for w in drawn]


def test_a_bos_that_cannot_stand_before_each_window(tmp_path, text_file, tokenizer):
    np.save(tmp_path / "ids.npy", np.ones((2, 8), int))
    for source, bos, words in (
        (tmp_path / "ids.npy", "window", "is taken as it is"),
        (text_file, "windw", "unknown place of BOS 'windw': did you mean 'window'"),
    ):
        with pytest.raises(StadeError, match=words):
            evaluation_windows(source, tokenizer, 2, 8, bos=bos)
        with pytest.raises(StadeError, match=words):
            calibration_windows(source, tokenizer, 2, 8, 0, bos=bos)


@pytest.mark.parametrize(("windows", "length"), [(10**30, 8), (2, 10**30), (10**8, 20)])
def test_more_tokens_than_anybody_can_hold_are_refused_at_once(
    text_file, tokenizer, windows, length
):
    with pytest.raises(StadeError, match="expected at most 1,000,000,000 tokens"):
        calibration_windows(text_file, tokenizer, windows, length, 0)
    with pytest.raises(StadeError, match="expected at most 1,000,000,000 tokens"):
        evaluation_windows(text_file, tokenizer, windows, length)


@pytest.mark.parametrize("seed", [None, -1, 3.0, "3", True, [1]])
def test_a_seed_that_draws_what_another_one_draws_or_never_the_same(text_file, tokenizer, seed):
    with pytest.raises(StadeError, match=r"seed .*: expected a whole number, 0 or more"):
        calibration_windows(text_file, tokenizer, 2, 8, seed)


def test_numbers_of_numpy_are_numbers(text_file, tokenizer):
    two, eight, three = np.int64(2), np.int32(8), np.uint8(3)
    drawn = calibration_windows(text_file, tokenizer, two, eight, three)
    assert drawn.equal(calibration_windows(text_file, tokenizer, 2, 8, 3))
    cut = evaluation_windows(text_file, tokenizer, two, eight)
    assert cut.equal(evaluation_windows(text_file, tokenizer, 2, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"windows": "4"}, "'4' windows of 8 tokens: expected whole numbers"),
        ({"windows": 4.0}, "4.0 windows of 8 tokens"),
        ({"windows": True}, "True windows of 8 tokens"),
        ({"length": "8"}, "2 windows of '8' tokens"),
        ({"length": None}, "2 windows of None tokens"),
        ({"source": None}, "text source of the type NoneType: expected a name"),
        ({"source": b"embedded"}, "text source of the type bytes"),
        ({"tokenizer": None}, "tokenizer of the type NoneType: expected one of transformers"),
    ],
)
def test_arguments_of_the_wrong_kind(text_file, tokenizer, change, message):
    given = {"source": text_file, "tokenizer": tokenizer, "windows": 2, "length": 8} | change
    with pytest.raises(StadeError, match=message):
        evaluation_windows(**given)
    with pytest.raises(StadeError, match=message):
        calibration_windows(**given, seed=0)


def test_windows_lie_on_the_cpu_whatever_torchs_default_device_is(text_file, tokenizer):
    plain = evaluation_windows(text_file, tokenizer, 2, 8, bos="window")
    with torch.device("meta"):
        cut = evaluation_windows(text_file, tokenizer, 2, 8, bos="window")
        drawn = calibration_windows(text_file, tokenizer, 2, 8, 0)
    assert cut.equal(plain)
    assert drawn.equal(calibration_windows(text_file, tokenizer, 2, 8, 0))
