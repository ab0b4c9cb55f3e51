"""A model without a tokenizer is one for token ids; a damaged one is an error, if it is needed."""

import json
import shutil

import pytest
import torch
from transformers import AutoTokenizer

from stade_nb.errors import StadeError
from stade_nb.models import loading, saving
from stade_nb.models.checkpoint import Missing
from stade_nb.models.windows import calibration_windows, evaluation_windows


@pytest.fixture
def folder(workplace, tmp_path):
    return shutil.copytree(workplace / "model", tmp_path / "model")


def without_tokenizer(folder):
    for file in folder.glob("*token*"):
        file.unlink()
    return folder


def test_a_folder_without_tokenizer_files_is_a_model_for_token_ids(folder, workplace, tmp_path):
    model, tokenizer = loading.load(str(without_tokenizer(folder)))
    array = workplace / "evaluation.npy"
    whole, expected = loading.load(str(workplace / "model"))
    assert evaluation_windows(array, tokenizer, None, 16).equal(
        evaluation_windows(array, expected, None, 16)
    )
    assert loading.fingerprint(model) == loading.fingerprint(whole)
    saving.save(model, tokenizer, tmp_path / "saved")
    assert not list((tmp_path / "saved").glob("*token*"))
    assert isinstance(loading.load(str(tmp_path / "saved"))[1], Missing)


def test_a_text_says_then_what_is_missing(folder, workplace):
    _, tokenizer = loading.load(str(without_tokenizer(folder)))
    for read in (
        lambda: evaluation_windows(workplace / "text.txt", tokenizer, 1, 8),
        lambda: calibration_windows(workplace / "text.txt", tokenizer, 1, 8, 0),
    ):
        with pytest.raises(StadeError, match=r"has no tokenizer files: token ids in a \.npy array"):
            read()


def test_a_tokenizer_that_is_not_needed_need_not_be_readable(folder, monkeypatch):
    """Of a kind that takes a package which is not installed, as a model of SentencePiece does."""
    without_tokenizer(folder)
    (folder / "tokenizer.model").write_bytes(b"not installed")

    def fail(*_, **__):
        raise ImportError("sentencepiece is not installed, and no text can be read")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(StadeError, match=r"cannot load .*sentencepiece is not installed"):
        loading.load(str(folder))
    model, tokenizer = loading.load(str(folder), needs_tokenizer=False)
    assert isinstance(model.lm_head.weight, torch.Tensor)
    with pytest.raises(StadeError, match=r"cannot be read \(sentencepiece is not installed"):
        tokenizer("w1")


def test_a_damaged_tokenizer_json_is_a_damaged_folder(folder):
    (folder / "tokenizer.json").write_text("{}")
    for needed in (True, False):
        with pytest.raises(StadeError, match="cannot load"):
            loading.load(str(folder), needs_tokenizer=needed)


def test_settings_that_break_at_the_first_text_are_said_when_the_model_is_loaded(folder):
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8")) | {"model_max_length": []}
    path.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(StadeError, match=r"TypeError|not supported between"):
        loading.load(str(folder))
