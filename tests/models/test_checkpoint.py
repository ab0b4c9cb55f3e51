"""What is read is the model that was saved, or an error in one line: nothing is left out.

A model without a tokenizer is one for token ids; a damaged one is an error, if it is needed.
"""

import json
import pathlib
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import build
from transformers import AutoTokenizer

from stade_nb.errors import StadeError
from stade_nb.models import loading, saving
from stade_nb.models.checkpoint import Missing, check_complete, reason
from stade_nb.models.windows import calibration_windows, evaluation_windows


@pytest.fixture
def folder(workplace, tmp_path):
    return shutil.copytree(workplace / "model", tmp_path / "model")


def configured(folder, **changes):
    """Change entries of the folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def stored(folder, **more):
    """Store tensors beside those that the folder's checkpoint has."""
    weights = folder / "model.safetensors"
    named = {name.replace("__", "."): tensor for name, tensor in more.items()}
    save_file(load_file(weights) | named, weights, {"format": "pt"})


def refused(folder):
    """What loading the folder says: it names the folder, and is at most a line and a remedy."""
    with pytest.raises(StadeError) as caught:
        loading.load(str(folder))
    said = str(caught.value)
    assert str(folder) in said and said.count("\n") <= 1
    return said


def test_blocks_that_the_configuration_does_not_announce_are_refused(folder):
    configured(folder, num_hidden_layers=2)
    said = refused(folder)
    assert "holds 9 weights that its config.json has no place for, first model.layers.2." in said
    assert "num_hidden_layers" in said


@pytest.mark.parametrize("files", ["one", "an index"])
def test_more_blocks_than_there_are_weights_are_refused_before_they_are_built(folder, files):
    """A million would be built for minutes, and a list with an entry for each of them made."""
    names = list(load_file(folder / "model.safetensors"))
    configured(folder, num_hidden_layers=10**9)
    if files == "an index":
        (folder / "model.safetensors").rename(folder / "some.safetensors")
        index = {"metadata": {}, "weight_map": dict.fromkeys(names, "some.safetensors")}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    said = refused(folder)
    assert f"holds {len(names)} weights, and its config.json announces 1000000000 blocks" in said
    configured(folder, num_hidden_layers=len(names))
    assert "weights, first model.layers." in refused(folder)
    configured(folder, num_hidden_layers=3)
    loading.load(str(folder))


@pytest.mark.parametrize("files", ["one", "an index"])
def test_more_tokens_than_the_embedding_has_are_refused_before_it_is_made(
    folder, files, monkeypatch
):
    """A billion rows would take all memory there is."""
    if files == "an index":
        names = list(load_file(folder / "model.safetensors"))
        (folder / "model.safetensors").rename(folder / "some.safetensors")
        index = {"metadata": {}, "weight_map": dict.fromkeys(names, "some.safetensors")}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    configured(folder, vocab_size=10**9)
    with monkeypatch.context() as patch:
        patch.setattr(loading, "AutoModelForCausalLM", None)
        said = refused(folder)
    assert "1 weights of another size" in said and "(64 x 32, announced 1000000000 x 32)" in said
    configured(folder, vocab_size=64)
    loading.load(str(folder))


@pytest.mark.parametrize(
    "name",
    ["extra__weight", "score__weight", "model__layers__0__self_attn__q_proj__lora_A__weight"],
)
def test_a_weight_without_a_place_is_refused(folder, name):
    stored(folder, **{name: torch.ones(3)})
    assert f"holds 1 weights that its config.json has no place for, first {name[:5]}" in refused(
        folder
    )


@pytest.mark.parametrize(
    "name",
    [
        "model__layers__0__self_attn__rotary_emb__inv_freq",
        "model__layers__1__self_attn__rotary_emb__cos_cached",
        "model__embeddings__position_ids",
        "decoder__version",
        "model__mtp_layers__0__proj__weight",
        "mtp__layers__0__mlp__up_proj__bias",
        "v_head__summary__weight",
    ],
)
def test_what_changes_no_logits_may_be_left_out(folder, name):
    stored(folder, **{name: torch.ones(3)})
    model, _ = loading.load(str(folder))
    assert loading.fingerprint(model) == loading.fingerprint(build("llama"))


@pytest.mark.parametrize("entry", [{"vocab_size": 65}, {"intermediate_size": 40}])
def test_weights_of_another_size_are_refused_by_name(folder, entry, capfd):
    configured(folder, **entry)
    said = refused(folder)
    assert "of another size than its config.json announces, first " in said
    assert " x " in said and not capfd.readouterr().err


def test_every_kind_of_difference_has_its_words():
    whole = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}
    check_complete("m", whole)
    for kind, key, words in (
        ("missing_keys", "lm_head.weight", "lacks 1 weights, first lm_head.weight"),
        ("mismatched_keys", ("w", (2, 3), (4, 3)), r"first w \(2 x 3, announced 4 x 3\)"),
        ("unexpected_keys", "q_proj.bias", "1 biases that its config.json does not announce"),
        ("unexpected_keys", "q_proj.weight", "1 weights that its config.json has no place for"),
    ):
        with pytest.raises(StadeError, match=words):
            check_complete("m", whole | {kind: {key}})


def test_an_adapter_beside_a_model_is_an_error_with_a_remedy(folder):
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "has an adapter (adapter_config.json)" in refused(folder)
    (folder / "config.json").unlink()
    assert "merge it first" in refused(folder)


QUANTISED = [
    {"quant_method": "gptq", "bits": 4},
    {"quant_method": "awq", "bits": 4},
    {"quant_method": "compressed-tensors", "config_groups": {}},
    {"quant_method": "bitsandbytes", "load_in_4bit": True},
    {"quant_method": "nothing known"},
]


@pytest.mark.parametrize("how", QUANTISED, ids=lambda how: how["quant_method"])
def test_quantised_weights_are_refused(folder, how):
    configured(folder, quantization_config=how)
    assert f"is quantised ({how['quant_method']}): expected plain weights" in refused(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"_attn_implementation": "flash_attention_2"},
        {"attn_implementation": "flash_attention_2"},
        {"rope_parameters": {"rope_type": "nonsense", "rope_theta": 1e4}},
        {"rope_scaling": {"type": "nonsense", "factor": 2}},
        {"hidden_size": None},
        {"num_attention_heads": None},
        {"num_hidden_layers": None},
        {"hidden_act": "nonsense"},
        {"vocab_size": "many"},
        {"model_type": "nonsense"},
        {"model_type": None},
        {"num_attention_heads": 0},
        {"head_dim": 7},
        {"rms_norm_eps": "small"},
        {"torch_dtype": "float99"},
        {"model_type": "qwen3", "layer_types": ["full_attention"]},
    ],
    ids=lambda entry: "-".join(f"{name}={value}" for name, value in entry.items())[:60],
)
def test_a_configuration_that_makes_no_sense_is_one_line(folder, entry):
    """Refused, or of no effect: where it loads, it is the model as it was."""
    configured(folder, **entry)
    try:
        model, _ = loading.load(str(folder))
    except StadeError as error:
        assert str(folder) in str(error) and str(error).count("\n") <= 1
    else:
        assert loading.fingerprint(model) == loading.fingerprint(build("llama"))


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b"{}", b"", b"\xff\xfe", b'"text"'])
def test_a_file_that_is_something_else_is_one_line(folder, file, content):
    (folder / file).write_bytes(content)
    if file == "tokenizer_config.json" and content == b"{}":
        loading.load(str(folder))  # the defaults
    else:
        refused(folder)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"null", b"{}", b'{"weight_map": {}}', b'{"weight_map": {"a": "b"}}']
)
def test_an_index_that_is_none_is_one_line(folder, content):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_bytes(content)
    refused(folder)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_half_a_file_of_weights_is_one_line(folder, share):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: int(share * len(whole))])
    refused(folder)
    weights.unlink()
    torch.save(build("llama").state_dict(), folder / "pytorch_model.bin")
    whole = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(whole[: int(share * len(whole))])
    refused(folder)


OWN = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}


@pytest.mark.parametrize("kind", ["own", "llama"])
@pytest.mark.parametrize("own", [OWN, ["own.Model", None]], ids=["dict", "list"])
def test_code_that_a_model_brings_along_is_neither_run_nor_asked_about(
    folder, monkeypatch, kind, own
):
    (folder / "own.py").write_text("raise SystemExit('run')\n")
    configured(folder, model_type=kind, auto_map=own)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    said = refused(folder)
    assert "comes with code of its own" in said and "trust_remote_code" not in said
    with pytest.raises(StadeError, match="code of its own"):
        loading.architecture(str(folder))


def test_code_of_a_tokenizer_is_not_run_either(folder):
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"auto_map": {"AutoTokenizer": ["own.Words", None]}}))
    (folder / "own.py").write_text("raise SystemExit('run')\n")
    assert "code of its own (AutoTokenizer in its tokenizer_config.json)" in refused(folder)


def test_code_for_something_else_than_this_is_no_matter(folder):
    configured(folder, auto_map={"AutoModelForSequenceClassification": "own.Classifier"})
    model, _ = loading.load(str(folder))
    assert type(model).__module__.startswith("transformers.")


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_a_bin_with_objects_is_refused_and_none_of_them_made(folder, tmp_path):
    trace = tmp_path / "trace"
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights | {"lm_head.extra": Touch(trace)}, folder / "pytorch_model.bin")
    said = refused(folder)
    assert "Weights only load failed" in said and "weights_only" not in said
    assert not trace.exists()
    # It is no idle trap.
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert trace.exists()


def test_the_reason_is_a_librarys_first_sentence():
    advice = "The file is damaged.\nPass trust_remote_code=True to go on."
    assert reason(RuntimeError(advice)) == "The file is damaged"
    assert reason(ValueError("Field 'a':\n  expected int, got None")) == (
        "Field 'a': expected int, got None"
    )
    assert reason(OSError("No space")) == "No space"
    assert reason(ValueError("x" * 1000 + " and so on it goes")).endswith("x ...")
    try:
        {}["rope"]
    except KeyError as error:
        assert reason(error) == f"KeyError: 'rope' (in {self_name()})"
    assert reason(RuntimeError()) == "RuntimeError"


def self_name():
    return test_the_reason_is_a_librarys_first_sentence.__qualname__


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
