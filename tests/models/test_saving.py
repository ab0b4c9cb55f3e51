"""A pruned model is saved whole or not at all."""

import copy
import errno
import os
import shutil
import threading

import pytest
import torch
from tiny_models import build
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from stade_nb.errors import StadeError
from stade_nb.models import loading, saving


@pytest.fixture(scope="module")
def tokenizer(workplace):
    """That of the small saved model."""
    return loading.load(str(workplace / "model"))[1]


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def fails_like_rust(*_, **__):
    raise Exception("No space left on device (os error 28)")


@pytest.mark.parametrize("place", ["weights", "tokenizer", "move"])
@pytest.mark.parametrize("folder", ["new", "empty"])
def test_a_disk_that_fills_up_leaves_nothing_half(tmp_path, tokenizer, monkeypatch, place, folder):
    model, target = build("llama"), tmp_path / "saved"
    if folder == "empty":
        target.mkdir()
    with monkeypatch.context() as patch:
        if place == "weights":
            patch.setattr("safetensors.torch.serialize_file", no_space)
            patch.setattr(type(model), "save_pretrained", no_space)
        elif place == "tokenizer":
            patch.setattr(type(tokenizer), "save_pretrained", fails_like_rust)
        else:
            patch.setattr(os, "replace", no_space)
        with pytest.raises(StadeError, match=r"No space left on device.*nothing of it is left"):
            saving.save(model, tokenizer, target)
    assert os.listdir(tmp_path) == (["saved"] if folder == "empty" else [])
    assert folder == "new" or not os.listdir(target)
    saving.save(model, tokenizer, target)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(os.listdir(target))
    assert saving.HALF not in os.listdir(target)
    again = AutoModelForCausalLM.from_pretrained(target)
    assert loading.fingerprint(again) == loading.fingerprint(model)


def test_the_room_is_asked_for_before_and_is_enough(tmp_path, tokenizer, monkeypatch):
    model = build("llama")
    saving.save(model, tokenizer, tmp_path / "saved")
    size = sum(path.stat().st_size for path in (tmp_path / "saved").iterdir())
    free = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free._replace(free=size - 1))
    with pytest.raises(StadeError, match=r"the model and its tokenizer may take .* MB in .*make"):
        saving.save(model, tokenizer, tmp_path / "new")


def test_a_folder_with_an_older_model_gets_the_new_one(tmp_path, tokenizer):
    for name in ("llama", "opt"):
        saving.save(build(name), tokenizer, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loading.fingerprint(again) == loading.fingerprint(build("opt"))


@pytest.mark.parametrize(("umask", "rights"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_every_file_has_the_rights_that_the_umask_allows(tmp_path, tokenizer, umask, rights):
    before = os.umask(umask)
    try:
        saving.save(build("llama"), tokenizer, tmp_path / "new")
    finally:
        os.umask(before)
    files = [file for file in (tmp_path / "new").iterdir() if file.is_file()]
    assert "model.safetensors" in {file.name for file in files}
    assert {file.stat().st_mode & 0o777 for file in files} == {rights}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_files_are_replaced(tmp_path, tokenizer, make):
    make(tmp_path / "config.json")
    with pytest.raises(StadeError, match=r"config\.json' is a (FIFO|folder)"):
        saving.save(build("llama"), tokenizer, tmp_path)
    assert os.listdir(tmp_path) == ["config.json"]


def test_what_a_killed_process_has_left_half_goes(tmp_path, tokenizer):
    (tmp_path / saving.HALF).mkdir()
    (tmp_path / saving.HALF / "model.safetensors").write_text("half")
    saving.save(build("llama"), tokenizer, tmp_path)
    assert saving.HALF not in os.listdir(tmp_path)
    AutoModelForCausalLM.from_pretrained(tmp_path)


def in_parts(monkeypatch):
    """Models are saved in several files, as transformers does it from 50 GB on."""
    whole = PreTrainedModel.save_pretrained
    monkeypatch.setattr(
        PreTrainedModel,
        "save_pretrained",
        lambda model, folder, **options: whole(model, folder, max_shard_size="20KB", **options),
    )


def test_of_an_older_model_in_other_files_nothing_is_read_again(tmp_path, tokenizer, monkeypatch):
    saving.save(build("llama"), tokenizer, tmp_path)
    own = tmp_path / "model_of_the_reader.safetensors"
    own.write_bytes(b"kept")
    with monkeypatch.context() as patch:
        in_parts(patch)
        saving.save(build("opt"), tokenizer, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loading.fingerprint(again) == loading.fingerprint(build("opt"))
    saving.save(build("llama"), tokenizer, tmp_path)
    weights = {path.name for path in tmp_path.glob("*.safetensors*")}
    assert weights == {"model.safetensors", own.name}


def test_what_torch_compile_has_made_is_saved_as_the_model(tmp_path, tokenizer):
    model = build("llama")
    saving.save(torch.compile(model, backend="eager"), tokenizer, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loading.fingerprint(again) == loading.fingerprint(model)


def test_a_tilde_is_the_home_folder_as_it_is_for_load(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    saving.save(build("llama"), tokenizer, "~/saved")
    assert os.listdir(tmp_path) == ["saved"]
    assert loading.fingerprint(loading.load("~/saved")[0]) == loading.fingerprint(build("llama"))


@pytest.mark.parametrize(
    ("wrapped", "with_tokenizer", "message"),
    [
        (nn.DataParallel, True, "model of the type DataParallel"),
        (lambda model: model.model, False, "with a tokenizer of the type NoneType"),
        (lambda model: model, False, "with a tokenizer of the type NoneType: expected both"),
        (lambda model: model.to("meta"), True, "'meta', which holds no numbers"),
    ],
)
def test_what_cannot_be_saved_is_said_first(tmp_path, tokenizer, wrapped, with_tokenizer, message):
    model = wrapped(build("llama"))
    with pytest.raises(StadeError, match=message):
        saving.save(model, tokenizer if with_tokenizer else None, tmp_path / "new")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("folder", [None, b"folder", 3])
def test_what_is_no_path_is_refused(tokenizer, folder):
    with pytest.raises(StadeError, match=f"path {folder!r}: expected text or a pathlib.Path"):
        saving.save(build("llama"), tokenizer, folder)


def test_a_name_that_is_too_long_is_refused(tmp_path, tokenizer):
    with pytest.raises(StadeError, match="File name too long"):
        saving.save(build("llama"), tokenizer, tmp_path / ("n" * 300))


def test_two_that_save_into_one_folder_do_not_disturb_each_other(tmp_path, monkeypatch):
    """The second one comes while the first one's files are half written."""
    model, tokenizer = loading.load("llama-230k")
    other, move, others = copy.deepcopy(model), saving._move, []

    def second(half):
        def save():
            saving.try_room(other, tokenizer, tmp_path)
            saving.save(other, tokenizer, tmp_path)

        monkeypatch.setattr(saving, "_move", move)
        others.append(threading.Thread(target=save))
        others[0].start()
        others[0].join(1)
        assert others[0].is_alive() and (half / "model.safetensors").exists()
        move(half)

    monkeypatch.setattr(saving, "_move", second)
    saving.save(model, tokenizer, tmp_path)
    others[0].join(60)
    assert (tmp_path / "config.json").exists() and not (tmp_path / saving.HALF).exists()
    again = loading.load(str(tmp_path))[0].state_dict()
    assert all(torch.equal(again[name], one) for name, one in model.state_dict().items())
