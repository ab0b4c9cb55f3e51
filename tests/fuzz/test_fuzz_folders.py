"""A model's folder with altered files: refused in one line, or every stored weight is used."""

import json
import shutil

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from tiny_models import windows

from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.models import loading
from stade_nb.models.windows import evaluation_windows

# No large numbers: a model of that size would be built.
VALUES = st.recursive(
    st.one_of(
        st.none() | st.booleans() | st.integers(-2, 70) | st.floats(-2, 70),
        st.sampled_from(
            ["", "llama", "opt", "silu", "auto", "float32", "default", "linear", "x/y"]
        ),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def whole(workplace):
    """A small model's folder as it was saved."""
    return workplace / "model"


@pytest.fixture(scope="module")
def folder(whole, tmp_path_factory):
    """A copy of it, to alter."""
    return shutil.copytree(whole, tmp_path_factory.mktemp("altered") / "model")


def restored(folder, whole):
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)


def looked_at(folder, text):
    """Load and measure; StadeError in one or two lines, or a model with all that is stored."""
    try:
        model, tokenizer = loading.load(str(folder))
        state = model.state_dict()
        with safe_open(folder / "model.safetensors", "pt") as stored:
            for name in stored.keys():  # noqa: SIM118
                assert state[name].equal(stored.get_tensor(name).float()), name
        assert perplexity(model, windows(2)) > 0
        ids = evaluation_windows(text, tokenizer, 2, 8)
        assert ids.shape == (2, 8) and ids.dtype == torch.int64
    except StadeError as error:
        assert str(error).count("\n") <= 1 and str(error).strip()


def altered(value, path, new):
    """`value` with the entry at `path` (of keys, modulo what there is) in the place of `new`."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        at = step % len(value)
        return [altered(one, rest, new) if i == at else one for i, one in enumerate(value)]
    key = sorted(value)[step % len(value)]
    return value | {key: altered(value[key], rest, new)}


STEPS = st.lists(st.integers(0, 40), min_size=1, max_size=3)


@settings(max_examples=80)
@given(STEPS, VALUES, st.sampled_from(["config.json", "tokenizer.json", "tokenizer_config.json"]))
def test_an_entry_of_a_configuration_that_is_altered(folder, whole, workplace, path, new, name):
    restored(folder, whole)
    content = json.loads((whole / name).read_text())
    (folder / name).write_text(json.dumps(altered(content, path, new)))
    looked_at(folder, workplace / "text.txt")


MORE = ["rope_scaling", "layer_types", "quantization_config", "auto_map", "attention_bias",
        "_attn_implementation", "sliding_window", "tie_word_embeddings", "is_encoder_decoder",
        "pad_token_id", "pretraining_tp", "num_local_experts", "text_config", "dtype"]  # fmt: skip


@settings(max_examples=60)
@given(st.sampled_from(MORE), VALUES)
@example("num_hidden_layers", 0)
@example("tie_word_embeddings", True)
@example("quantization_config", "x")
@example("quantization_config", [1])
@example("quantization_config", {"a": 1})
@example("pad_token_id", 64)
def test_an_entry_that_is_added_to_the_configuration(folder, whole, workplace, name, value):
    restored(folder, whole)
    content = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {name: value}))
    looked_at(folder, workplace / "text.txt")


@settings(max_examples=60)
@given(
    st.sampled_from(["config.json", "tokenizer.json", "model.safetensors"]),
    st.integers(0, 400),
    st.binary(max_size=6),
    st.integers(0, 6),
    st.booleans(),
)
def test_bytes_that_are_altered_or_cut(folder, whole, workplace, name, at, new, skipped, ends):
    restored(folder, whole)
    content = (whole / name).read_bytes()
    at %= len(content)
    (folder / name).write_bytes(content[:at] + new + (b"" if ends else content[at + skipped :]))
    looked_at(folder, workplace / "text.txt")


@settings(max_examples=40)
@given(st.data())
def test_entries_of_the_header_of_the_weights(folder, whole, workplace, data):
    restored(folder, whole)
    content = (whole / "model.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    name = data.draw(st.sampled_from(sorted(header)))
    entry = data.draw(st.sampled_from(["shape", "dtype", "data_offsets", "other"]))
    values = st.lists(st.integers(-1, 5000), max_size=3) | st.sampled_from(["F16", "I64", "F8", ""])
    new = header[name] | {entry: data.draw(values)} if data.draw(st.booleans()) else None
    changed = json.dumps({**header, name: new} if new else {**header, "other": header.pop(name)})
    length = data.draw(st.sampled_from([len(changed), size, 0, 2**40]))
    stored = length.to_bytes(8, "little") + changed.encode() + content[8 + size :]
    (folder / "model.safetensors").write_bytes(stored)
    looked_at(folder, workplace / "text.txt")


@settings(max_examples=40)
@given(VALUES | st.fixed_dictionaries({"metadata": VALUES, "weight_map": VALUES}))
@example({})
@example({"weight_map": {"lm_head.weight": "../model.safetensors"}})
@example({"metadata": {}, "weight_map": {"lm_head.weight": 5}})
def test_an_index_of_weights(folder, whole, workplace, index):
    restored(folder, whole)
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(StadeError):
        loading.load(str(folder))
