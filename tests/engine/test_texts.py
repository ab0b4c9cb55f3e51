"""One pruning, several texts: the same records as one run for each text."""

import json

import pytest
import torch

from stade_nb.engine.cell import Setting, Windows, cells
from stade_nb.engine.sweep import sweep
from stade_nb.engine.texts import sweep_texts
from stade_nb.errors import StadeError

CELLS = cells(["dense", "wanda_with_bias", "stade"], ["0.5"])


@pytest.fixture
def texts(tmp_path):
    """The embedded text and another one, of two batches and of one."""
    other = tmp_path / "other.txt"
    other.write_text("It was a bright day, and the pipes were cold. " * 400, encoding="utf-8")
    return [Windows("embedded", 16, 32), Windows(str(other), 8, 32)]


def test_every_text_has_the_records_of_its_own_sweep(texts, tmp_path):
    calibration = Windows("embedded", 8, 32)
    setting = Setting(calibration, None, tmp_path / "together")
    found = sweep_texts("llama-230k", CELLS, setting, texts)
    assert [len(rows) for rows in found] == [len(CELLS), len(CELLS)]
    for text, rows in zip(texts, found, strict=True):
        alone = sweep("llama-230k", CELLS, Setting(calibration, text, tmp_path / "alone"))
        for one, other in zip(rows, alone, strict=True):
            assert one["record"] == other["record"]
            assert one["losses"] == pytest.approx(other["losses"], rel=1e-12)
            assert one["perplexity"] == pytest.approx(other["perplexity"], rel=1e-12)
            assert one["zeros"] == other["zeros"]
            assert one["evaluation_corpus"] == other["evaluation_corpus"]
    assert not torch.allclose(*(torch.tensor(rows[1]["losses"][:8]) for rows in found))


def test_what_is_on_disk_is_not_computed_again(texts, tmp_path):
    setting = Setting(Windows("embedded", 8, 32), None, tmp_path)
    first = sweep_texts("llama-230k", CELLS[:2], setting, texts)
    written = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
    # The records of one text are gone: they come back, and the other's stay as they are.
    for row in first[1]:
        (tmp_path / f"{row['record']}.json").unlink()
    again = sweep_texts("llama-230k", CELLS[:2], setting, texts)
    assert [row["losses"] for rows in again for row in rows] == [
        row["losses"] for rows in first for row in rows
    ]
    for row in first[0]:
        path = tmp_path / f"{row['record']}.json"
        assert path.read_bytes() == written[path]
        assert json.loads(written[path])["result"]["perplexity"] == row["perplexity"]


def test_places_and_texts_are_looked_at_before_the_work(texts, tmp_path, monkeypatch):
    monkeypatch.setattr("stade_nb.engine.texts.traverse", None)  # what does the work
    calibration = Windows("embedded", 8, 32)
    with pytest.raises(StadeError, match="one text or more, and a folder"):
        sweep_texts("llama-230k", CELLS, Setting(calibration, None, tmp_path), [])
    with pytest.raises(StadeError, match="one text or more, and a folder"):
        sweep_texts("llama-230k", CELLS, Setting(calibration, None, None), texts)
    (tmp_path / "file").touch()
    with pytest.raises(StadeError, match="cannot be written"):
        sweep_texts("llama-230k", CELLS, Setting(calibration, None, tmp_path / "file"), texts)


def test_texts_of_two_lengths_are_refused(tmp_path):
    setting = Setting(Windows("embedded", 8, 32), None, tmp_path)
    with pytest.raises(StadeError, match=r"windows of \[32, 64\] tokens: expected one length"):
        lengths = [Windows("embedded", 4, 32), Windows("embedded", 4, 64)]
        sweep_texts("llama-230k", CELLS, setting, lengths)
