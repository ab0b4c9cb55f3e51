"""GGUF files as models: what they hold, kept whole or not at all, and what is none."""

import json
import os
import shutil
import threading
import time

import gguf
import numpy as np
import pytest
import small_gguf
import torch
from transformers import AutoModelForCausalLM

from stade_nb import paths
from stade_nb.cli.program import main
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError
from stade_nb.models import blockwise, gguf_file, loading, saving

TEXT = "Return the number of rows, or None.\n\n  If x is given, it's the 25th."


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "HOME", tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return small_gguf.write(tmp_path_factory.mktemp("gguf") / "small.gguf")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    return small_gguf.write(tmp_path_factory.mktemp("gguf") / "small-q4.gguf", quantised=True)


def logits(model, ids):
    with blockwise.evaluating(model):
        return model(input_ids=ids).logits


def test_a_gguf_file_is_the_model_it_was_written_from(file):
    """The embedded model by two ways: safetensors, and GGUF with its own order of rows."""
    model, tokenizer = loading.load(str(file))
    original, expected = loading.load(small_gguf.EMBEDDED)
    assert model.state_dict().keys() == original.state_dict().keys()
    assert all(map(torch.equal, model.state_dict().values(), original.state_dict().values()))
    ids = tokenizer(TEXT, return_tensors="pt").input_ids
    assert ids.equal(expected(TEXT, return_tensors="pt").input_ids)
    assert tokenizer.decode(ids[0]) == TEXT
    assert logits(model, ids).equal(logits(original, ids))
    assert loading.architecture(str(file)) == "llama"


def test_quantised_weights_are_the_numbers_that_their_bits_stand_for(quantised):
    model, _ = loading.load(str(quantised))
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(quantised).tensors}
    tied = 0
    for block, layers in enumerate(model.model.layers):
        # Queries and keys have their rows in another order; the rest can be compared as it is.
        for short in ("attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            tensor = stored[f"blk.{block}.{short}.weight"]
            weight = layers.get_submodule(small_gguf.NAMES[short]).weight.numpy()
            assert np.array_equal(weight, gguf.dequantize(tensor.data, tensor.tensor_type))
            if tensor.tensor_type == gguf.GGMLQuantizationType.Q4_1:
                tied += 1
                assert all(len(set(group)) <= 16 for group in weight.reshape(-1, 32))
    assert tied == 4 * len(model.model.layers)


@pytest.mark.parametrize("method", ["stade", "std"])
def test_a_pruned_one_is_saved_as_an_ordinary_folder_with_its_biases(quantised, method, tmp_path):
    model, tokenizer = loading.load(str(quantised))
    ids = torch.randint(0, model.config.vocab_size, (4, 32), generator=torch.manual_seed(0))
    dense = logits(model, ids)
    prune_model(model, ids, method, "2:4")
    saving.save(model, tokenizer, tmp_path / "pruned")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "pruned").eval()
    assert again.model.layers[0].mlp.down_proj.bias.abs().sum() > 0
    assert logits(again, ids).equal(logits(model, ids))
    assert not logits(again, ids).equal(dense)
    assert loading.load(str(tmp_path / "pruned"))[1](TEXT).input_ids == tokenizer(TEXT).input_ids


def test_the_bar_of_the_conversion_is_shown_unless_the_command_is_to_be_quiet(
    file, tmp_path, monkeypatch, capsys
):
    np.save(tmp_path / "ids.npy", np.arange(64).reshape(2, 32))
    words = ["evaluate", "--model", str(file), "--evaluation", str(tmp_path / "ids.npy")]
    for turn, quiet in enumerate(([], ["--quiet"], [])):
        monkeypatch.setattr(paths, "HOME", tmp_path / str(turn))
        assert main([*words, *quiet]) == 0
        said = capsys.readouterr().err
        assert ("de-quantizing GGUF tensors" in said) != bool(quiet), said
        assert not quiet or not said
    assert saving.bars_are_shown()


def test_it_is_converted_once_whatever_its_name(file, home, tmp_path, monkeypatch):
    first = loading.locate(str(file))
    copy = tmp_path / "another-name.gguf"
    shutil.copy(file, copy)
    monkeypatch.setattr(gguf_file, "convert", None)
    assert loading.locate(str(copy)) == first
    assert [path.name for path in (home / "models").glob("gguf-*")] == [first.rpartition("/")[2]]


def test_the_converted_folder_can_be_read_by_whom_the_umask_lets(file, home):
    before = os.umask(0o022)
    try:
        folder = gguf_file.folder_of(file)
    finally:
        os.umask(before)
    weights = folder / "model.safetensors"
    assert weights.stat().st_mode & 0o777 == 0o644


def test_a_conversion_that_is_interrupted_leaves_nothing_and_is_done_again(file, home, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(gguf_file, "quiet", interrupted)
        loading.load(str(file))
    assert [path.suffix for path in (home / "models").iterdir()] == [".lock"]
    # What a kill leaves is no model either, and is not in the way.
    name = gguf_file.folder_of(file).name
    whole = home / "models" / name
    whole.rename(whole.with_name(f".{name}.half"))
    (whole.with_name(f".{name}.half") / "leftover").write_text("")
    loading.load(str(file))
    assert not (whole / "leftover").exists()
    assert not whole.with_name(f".{name}.half").exists()


def test_of_two_at_once_one_converts_and_the_other_waits(home):
    made = []

    def write(folder):
        time.sleep(0.2)
        made.append(folder)

    def get():
        gguf_file.kept(home / "models" / "one", {"sha256": "a"}, write)

    threads = [threading.Thread(target=get) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert json.loads((home / "models" / "one" / "origin.json").read_text())["sha256"] == "a"


def test_another_file_of_the_name_is_converted_again_but_no_stranger_is_removed(home):
    folder = home / "models" / "one"
    gguf_file.kept(folder, {"sha256": "a"}, lambda half: (half / "a").touch())
    gguf_file.kept(folder, {"sha256": "b"}, lambda half: (half / "b").touch())
    assert (folder / "b").exists() and not (folder / "a").exists()
    (folder / "origin.json").unlink()
    with pytest.raises(StadeError, match=r"one' is in the way: it has no origin.json"):
        gguf_file.kept(folder, {"sha256": "a"}, lambda half: None)
    assert (folder / "b").exists()


@pytest.mark.parametrize("content", [b"", b'{"sha', b"[]", b"{}", b"7", b"\xff", b"[" * 100_000])
def test_a_damaged_origin_counts_as_not_kept(home, content):
    folder = home / "models" / "one"
    for name in "ab":
        gguf_file.kept(folder, {"sha256": "a"}, lambda half, name=name: (half / name).touch())
        assert gguf_file.is_kept(folder, "a")
        (folder / "origin.json").write_bytes(content)
        assert not gguf_file.is_kept(folder, "a")
    assert (folder / "b").exists() and not (folder / "a").exists()


def test_damaged_weights_of_a_converted_file_are_said_with_the_folder_to_remove(file):
    folder = gguf_file.folder_of(file)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(StadeError, match=f"(?s)cannot load '{file}'.*remove the folder '{folder}'"):
        loading.load(str(file))
    shutil.rmtree(folder)
    loading.load(str(file))


def test_a_file_that_is_none_of_a_supported_model(file, tmp_path):
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"no model at all", b""):
        (tmp_path / "damaged.gguf").write_bytes(content)
        with pytest.raises(StadeError, match=r"(?s)cannot load '.*damaged.gguf': .*a whole GGUF"):
            loading.load(str(tmp_path / "damaged.gguf"))
    for architecture, message in (
        ("falcon", "unknown architecture of other.gguf: 'falcon'"),
        (
            "newest",
            "(?s)cannot load .*architecture newest is not supported.*one of .* llama",
        ),
    ):
        other = small_gguf.write(tmp_path / "other.gguf", architecture=architecture)
        with pytest.raises(StadeError, match=message):
            loading.load(str(other))
    lacking = tmp_path / "lacking.gguf"
    lacking.write_bytes(whole.replace(b"blk.2.ffn_up.weight", b"blk.7.ffn_up.weight"))
    with pytest.raises(StadeError, match=r"has no place for .* first blk\.7\.ffn_up\.weight"):
        loading.load(str(lacking))


def test_a_missing_file_is_no_hub_id(file, monkeypatch):
    monkeypatch.chdir(file.parent.parent)
    with pytest.raises(StadeError, match=r"no model '.*/smal.gguf': did you mean '.*/small.gguf'"):
        loading.load(f"{file.parent.name}/smal.gguf")


def test_a_full_disk_and_a_missing_package_are_noticed_before(file, monkeypatch):
    parameters = sum(weight.size for weight in small_gguf.tensors().values())
    usage = shutil.disk_usage("/")
    with monkeypatch.context() as patch, pytest.raises(StadeError, match="STADE_NB_HOME"):
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4 * parameters - 1))
        loading.load(str(file))
    with monkeypatch.context() as patch, pytest.raises(StadeError, match=r"pip install gguf$"):
        patch.setattr(gguf_file, "find_spec", lambda name: None if name == "gguf" else name)
        loading.load(str(file))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4 * parameters))
    loading.load(str(file))


ONES = np.ones(8, np.float32)


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ({"more": {"blk.0.attn_norm.bias": ONES}}, "1 entries .* first blk.0.attn_norm.bias: they"),
        ({"more": {"blk.9.attn_q.weight": ONES}}, "first blk.9.attn_q.weight"),
        ({"more": {"blk.0.ffn_gate_exps.weight": ONES}}, "first blk.0.ffn_gate_exps.weight"),
        ({"more": {"rope_freqs.weight": 2 * ONES}}, "first rope_freqs.weight"),
        ({"scaling": gguf.RopeScalingType.LINEAR}, r"llama.rope.scaling.type \(linear\)"),
    ],
    ids=str,
)
def test_what_the_reader_would_leave_out_is_refused(tmp_path, holds, said):
    file = small_gguf.write(tmp_path / "more.gguf", **holds)
    with pytest.raises(StadeError, match=f"more.gguf holds .*{said}"):
        loading.load(str(file))


@pytest.mark.parametrize(
    "holds",
    [
        {"more": {"rope_freqs.weight": ONES}},
        {"more": {"blk.0.attn_rot_embd": ONES}},
        {"scaling": gguf.RopeScalingType.NONE},
    ],
    ids=str,
)
def test_what_changes_nothing_may_be_left_out(tmp_path, holds, file):
    more = small_gguf.write(tmp_path / "more.gguf", **holds)
    plain, same = (loading.load(str(one))[0] for one in (file, more))
    assert loading.fingerprint(same) == loading.fingerprint(plain)
