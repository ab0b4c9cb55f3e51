"""Models by name, and biases that survive a reload."""

import copy
import json
import shutil
import threading

import pytest
import torch
from conftest import needs_shared
from tiny_models import CONFIGS, build, windows
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from stade_nb.engine.cell import Cell
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise, loading, saving

REAL = ["stories260K", "babygpt-shakespeare-opt"]


@pytest.fixture(scope="module")
def tokenizer():
    words = Tokenizer(WordLevel({f"w{number}": number for number in range(64)}, unk_token="w0"))
    words.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words)


@pytest.fixture
def folder(tmp_path, tokenizer):
    saving.save(build("llama"), tokenizer, tmp_path / "tiny-llama")
    return tmp_path / "tiny-llama"


def reloaded_logits(folder, ids):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(input_ids=ids).logits


def logits(model, ids):
    with blockwise.evaluating(model):
        return model(input_ids=ids).logits


@pytest.mark.parametrize("name", ["llama", "opt", "opt_350m"])
@pytest.mark.parametrize("method", ["std", "stade"])
def test_corrected_biases_survive(name, method, tokenizer, tmp_path):
    model, ids = build(name), windows(4)
    before = model.config.to_dict()
    assert set(architectures.layer_types(model)) <= saving.biases_that_can_be_stored(model)
    dense = logits(model, ids)
    reports = prune_model(model, ids, method, "0.5")
    pruned = logits(model, ids)
    saving.save(model, tokenizer, tmp_path)
    assert (reloaded_logits(tmp_path, ids) - pruned).abs().max() == 0
    assert (dense - pruned).abs().max() > 0.01
    config = json.loads((tmp_path / "config.json").read_text())
    if name == "llama":
        assert config["attention_bias"] and config["mlp_bias"]
        added = {layer.rpartition(".")[2] for layer, report in reports.items() if report.added_bias}
        everywhere = {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "o_proj", "down_proj"}
        assert added == (everywhere if method == "std" else {"o_proj", "down_proj"})
        again, _ = loading.load(str(tmp_path))
        assert again.model.layers[0].mlp.down_proj.bias.equal(
            model.model.layers[0].mlp.down_proj.bias
        )
    # The model in memory is the same one as before it was saved.
    assert logits(model, ids).equal(pruned)
    assert model.config.to_dict() == before


def test_bias_that_an_opt_without_biases_gets(tokenizer, tmp_path):
    config, ids = build("opt").config, windows(4)
    config.enable_bias = False
    model = AutoModelForCausalLM.from_config(config).eval()
    prune_model(model, ids, "stade", "0.5")
    saving.save(model, tokenizer, tmp_path)
    assert reloaded_logits(tmp_path, ids).equal(logits(model, ids))


def test_an_unpruned_model_is_saved_as_it_is(folder):
    config = json.loads((folder / "config.json").read_text())
    assert not config["attention_bias"] and not config["mlp_bias"]
    assert reloaded_logits(folder, windows(2)).equal(logits(build("llama"), windows(2)))


@pytest.mark.parametrize("name", ["mistral", "qwen2", "qwen3", "gemma"])
def test_architectures_without_a_place_for_biases(name, tokenizer, tmp_path):
    model, ids = build(name), windows(4)
    can_be_stored = saving.biases_that_can_be_stored(model)
    assert not set(architectures.layer_types(model)) <= can_be_stored
    assert ("self_attn.o_proj" in can_be_stored) == (name in ("qwen3", "gemma"))
    assert ("self_attn.q_proj" in can_be_stored) == (name != "mistral")
    prune_model(model, ids, "stade", "0.5")
    with pytest.raises(StadeError, match=r"no way to store the corrected biases of .*down_proj"):
        saving.save(model, tokenizer, tmp_path / "pruned")
    assert not (tmp_path / "pruned").exists()


@pytest.mark.parametrize("name", ["qwen3", "gemma"])
def test_attention_biases_alone_survive(name, tokenizer, tmp_path):
    model, ids = build(name), windows(4)
    prune_model(model, ids, Cell("stade", "0.5", "self_attn.o_proj"))
    saving.save(model, tokenizer, tmp_path)
    assert reloaded_logits(tmp_path, ids).equal(logits(model, ids))


@needs_shared
@pytest.mark.parametrize("name", REAL)
def test_real_models_survive(name, shared, tmp_path):
    model, tokenizer = loading.load(str(shared / "reality" / "models" / name))
    ids = torch.randint(0, model.config.vocab_size, (4, 32), generator=torch.manual_seed(0))
    prune_model(model, ids, "stade", "2:4")
    saving.save(model, tokenizer, tmp_path)
    assert (reloaded_logits(tmp_path, ids) - logits(model, ids)).abs().max() == 0
    _, tokens = loading.load(str(tmp_path))
    assert tokens("the king").input_ids == tokenizer("the king").input_ids


def test_save_into_a_file(tokenizer, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StadeError, match="is a file"):
        saving.save(build("llama"), tokenizer, tmp_path / "file")


def test_load(folder):
    model, tokenizer = loading.load(str(folder), dtype="bfloat16")
    assert model.dtype == torch.bfloat16 and not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert tokenizer("w3 w5").input_ids == [3, 5]


def test_embedded(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "EMBEDDED", tmp_path)
    (tmp_path / "notes").mkdir()
    shutil.copytree(folder, tmp_path / "another")
    assert loading.embedded_models() == ["another", "tiny-llama"]
    model, _ = loading.load("tiny-llama")
    assert loading.fingerprint(model) == loading.fingerprint(build("llama"))
    with pytest.raises(StadeError, match="no model 'tiny-lama': did you mean 'tiny-llama'"):
        loading.load("tiny-lama")


def test_missing_folder(folder):
    with pytest.raises(StadeError, match=r"did you mean '.*tiny-llama'\? expected an embedded"):
        loading.load(str(folder.with_name("tinyllama")))
    with pytest.raises(StadeError, match=r"no model 'nothing'.*hub id"):
        loading.load("nothing")
    (folder / "config.json").unlink()
    with pytest.raises(StadeError, match=r"has no config.json"):
        loading.load(str(folder))


def test_hub_out_of_reach(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(StadeError, match=r"(?s)cannot load 'someone/no-such-model'.*hf auth login"):
        loading.load("someone/no-such-model")


def test_damaged_checkpoints(folder, tokenizer):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StadeError, match="cannot load"):
        loading.load(str(folder))
    model = build("llama")
    state = model.state_dict()
    del state["model.layers.1.mlp.up_proj.weight"]
    model.save_pretrained(folder, state_dict=state)
    with pytest.raises(StadeError, match=r"lacks 1 weights, first model.layers.1.mlp.up_proj"):
        loading.load(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("name", ["llama", "opt"])
def test_a_head_that_is_no_number_is_refused_as_pruning_would_not_see_it(
    name, value, tokenizer, tmp_path
):
    model = build(name)
    saving.save(model, tokenizer, tmp_path / "whole")
    loading.load(str(tmp_path / "whole"))
    with torch.no_grad():
        architectures.after_blocks(model)[-1].weight[3, 1] = value
    saving.save(model, tokenizer, tmp_path / "broken")
    with pytest.raises(StadeError, match="weight that are not finite: download"):
        loading.load(str(tmp_path / "broken"))


def test_dropped_biases_are_an_error(tokenizer, tmp_path):
    """REFERENCE: a plain `save_pretrained` writes biases that a reload silently drops."""
    model, ids = build("llama"), windows(4)
    prune_model(model, ids, "stade", "0.5")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert not reloaded_logits(tmp_path, ids).equal(logits(model, ids))
    with pytest.raises(StadeError, match=r"holds 6 biases that its config.json does not announce"):
        loading.load(str(tmp_path))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: out of memory")],
)
def test_a_model_that_a_device_has_no_room_for(monkeypatch, folder, error):
    """A smaller batch, which is the advice elsewhere, would not help."""

    def no_room(*_, **__):
        raise error

    monkeypatch.setattr(loading, "check_device", lambda _: torch.device("cuda", 0))
    monkeypatch.setattr(torch.nn.Module, "to", no_room)
    with pytest.raises(
        StadeError,
        match=r"in float32 does not fit into .* the device cuda:0: take dtype bfloat16.*sweep",
    ):
        loading.load(str(folder))
    with pytest.raises(
        StadeError, match=r"in float16 does not fit .* cuda:0: take a smaller model"
    ):
        loading.load(str(folder), dtype="float16")
    monkeypatch.setattr(loading.AutoModelForCausalLM, "from_pretrained", no_room)
    with pytest.raises(StadeError, match="does not fit into the memory of the device cpu"):
        loading.load(str(folder))
    error = KeyError("another")
    with pytest.raises(StadeError, match="cannot load"):
        loading.load(str(folder))


def test_devices_and_dtypes(monkeypatch, folder):
    assert loading.check_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert loading.check_device("auto").type == "cpu"
    with pytest.raises(StadeError, match=r"'cuda': this machine has 0 CUDA devices.*'cpu'"):
        loading.load(str(folder), device="cuda")
    with pytest.raises(StadeError, match="unknown device 'gpu'"):
        loading.check_device("gpu")
    for name in ("cuda:x", "cuda:", "cuda:01", "cuda:\u0663", "cpu:1", "mps"):
        with pytest.raises(StadeError, match=f"unknown device '{name}'"):
            loading.check_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert loading.check_device("cuda:1") == torch.device("cuda", 1)
    assert loading.check_device("auto").type == "cuda"
    with pytest.raises(StadeError, match="has 2 CUDA devices"):
        loading.check_device("cuda:2")
    with pytest.raises(StadeError, match="unknown dtype 'float23': did you mean 'float32'"):
        loading.load(str(folder), dtype="float23")
    assert loading.check_dtype(torch.float16) is torch.float16


def test_fingerprint_sees_every_weight():
    model = build("opt")
    first = loading.fingerprint(model)
    assert first == loading.fingerprint(build("opt")) and len(first) == 64
    model.model.decoder.layers[2].fc2.bias.data[0] += 1e-3
    assert loading.fingerprint(model) != first
    assert loading.fingerprint(build("opt").bfloat16()) != first


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("llama", {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}),
        ("llama", {"rms_norm_eps": 1e-2}),
        ("opt", {"activation_function": "gelu"}),
    ],
)
def test_fingerprint_sees_the_configuration(name, change, monkeypatch):
    """The weights are the same, what is computed with them is not."""
    model = build(name)
    changed = copy.deepcopy(CONFIGS[name])
    changed.update(change)
    monkeypatch.setitem(CONFIGS, name, changed)
    other = build(name)
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    assert not logits(model, windows(2)).equal(logits(other, windows(2)))
    assert loading.fingerprint(model) != loading.fingerprint(other)


@pytest.mark.parametrize("name", CONFIGS)
def test_fingerprint_is_that_of_the_saved_and_reloaded_model(name, tokenizer, tmp_path):
    model = build(name)
    saving.save(model, tokenizer, tmp_path / "one")
    reloaded, _ = loading.load(str(tmp_path / "one"))
    shutil.move(tmp_path / "one", tmp_path / "two")
    moved, _ = loading.load(str(tmp_path / "two"))
    assert loading.fingerprint(reloaded) == loading.fingerprint(moved) == loading.fingerprint(model)


def test_fingerprint_of_corrected_biases_needs_no_announcement(tokenizer, tmp_path):
    """In memory or saved: what announces the biases does not count, the biases do."""
    model = build("llama")
    dense = loading.fingerprint(model)
    prune_model(model, windows(4), "std", "0.5")
    saving.save(model, tokenizer, tmp_path)
    reloaded, _ = loading.load(str(tmp_path))
    assert reloaded.config.attention_bias and not model.config.attention_bias
    assert loading.fingerprint(reloaded) == loading.fingerprint(model) != dense


def test_threads_that_load_at_once_get_whole_models():
    """Several at once: transformers takes from the class of all models what ties their heads."""
    found, before = [], transformers_logging.get_verbosity()

    def load():
        model, _ = loading.load("llama-230k")
        found.append(model.lm_head.weight is model.model.embed_tokens.weight)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    assert transformers_logging.get_verbosity() == before
