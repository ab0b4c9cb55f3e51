"""What is written as a GGUF file is the model: weights, biases, tokenizer; or it is refused."""

import copy
import json
import resource
import shutil
import subprocess
import sys
from importlib.util import find_spec

import gguf
import numpy as np
import pytest
import small_gguf
import torch
from tiny_models import CONFIGS, build
from transformers import AutoModelForCausalLM

from stade_book.studies import conformance
from stade_nb.cli.program import main
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError
from stade_nb.models import gguf_export, gguf_file, loading
from workflow import ROOT

TEXT = "The function returns 123 arrays of foo_bar.\n\n  It's a test!"


@pytest.fixture(scope="module")
def dense():
    return loading.load(small_gguf.EMBEDDED)


@pytest.fixture(scope="module", params=["stade", "std"])
def pruned(request, dense):
    model = copy.deepcopy(dense[0])
    ids = torch.randint(0, 1024, (4, 32), generator=torch.Generator().manual_seed(0))
    prune_model(model, ids, request.param, "2:4")
    return model


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file, "cache", lambda: tmp_path / "home")
    (tmp_path / "home").mkdir()


def stored(file):
    tensors = gguf.GGUFReader(file).tensors
    return {t.name: gguf.dequantize(t.data, t.tensor_type) for t in tensors}


def test_weights_are_stored_as_llama_cpp_orders_them(dense, tmp_path):
    found = stored(gguf_export.write(*dense, tmp_path / "dense.gguf"))
    expected = small_gguf.tensors()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_corrected_bias_is_stored_in_the_order_of_its_weights_rows(dense, tmp_path):
    model = copy.deepcopy(dense[0])
    layer = model.model.layers[0].self_attn.q_proj
    layer.bias = torch.nn.Parameter(layer.weight[:, 0].clone(), requires_grad=False)
    found = stored(gguf_export.write(model, dense[1], tmp_path / "one.gguf"))
    assert np.array_equal(found["blk.0.attn_q.bias"], found["blk.0.attn_q.weight"][:, 0])
    assert not found["blk.1.attn_q.bias"].any() and not found["blk.0.ffn_gate.bias"].any()


def test_the_file_loads_here_with_its_biases_and_tokenizer(dense, pruned, home, tmp_path):
    file = gguf_export.write(pruned, dense[1], tmp_path / "pruned.gguf")
    again, tokenizer = loading.load(str(file))
    ids = torch.arange(100, 140)
    both = [conformance.log_probabilities(one, ids) for one in (again, pruned)]
    assert torch.equal(*both)
    assert tokenizer(TEXT).input_ids == dense[1](TEXT).input_ids


def test_transformers_alone_loses_them_and_llama_cpp_does_not(dense, pruned, tmp_path):
    file = gguf_export.write(pruned, dense[1], tmp_path / "pruned.gguf")
    ids = torch.arange(100, 116)
    bare = conformance.without(pruned, dense[0])
    both = [conformance.log_probabilities(one, ids) for one in (pruned, bare)]
    assert conformance.fate(conformance.from_gguf(file, ids), *both) == conformance.LOST
    if find_spec("xllamacpp") is None:
        return  # no part of the pinned environment; data/conformance.json has a run with it
    words = [sys.executable, str(ROOT / "benchmarks" / "llama_cpp.py"), str(file)]
    question = json.dumps({"ids": ids.tolist(), "vocabulary": 1024})
    done = subprocess.run(words, input=question, capture_output=True, text=True, check=True)
    rows = torch.tensor(json.loads(done.stdout.splitlines()[-1])["rows"])
    assert conformance.fate(rows, *both) == conformance.KEPT


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_half_and_vectors_are_wide(dense, dtype, tmp_path):
    model = copy.deepcopy(dense[0]).to(dtype)
    file = gguf_export.write(model, dense[1], tmp_path / "half.gguf")
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(file).tensors}
    narrow = {"float16": "F16", "bfloat16": "BF16"}[str(dtype).removeprefix("torch.")]
    assert kinds["blk.0.ffn_up.weight"] == narrow and kinds["blk.0.ffn_norm.weight"] == "F32"
    weight = model.model.layers[0].mlp.up_proj.weight.float().numpy()
    assert np.array_equal(stored(file)["blk.0.ffn_up.weight"].astype(np.float32), weight)


def test_biases_that_llama_cpp_would_refuse_are_refused_before_the_work(dense):
    for name, lost in (("qwen2", "mlp.down_proj, self_attn.o_proj"), ("qwen3", "mlp.down_proj")):
        with pytest.raises(StadeError, match=f"llama.cpp loads no biases of {lost}"):
            gguf_export.check_method(build(name), dense[1], "stade", "all")
    gguf_export.check_method(build("qwen2"), dense[1], "wanda")
    gguf_export.check_method(build("llama"), dense[1], "std")


def unlike(name, **entries):
    config = copy.deepcopy(CONFIGS[name])
    for entry, value in entries.items():
        setattr(config, entry, value)
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: build("opt"), "unknown architecture for a GGUF file: 'opt'"),
        (lambda: build("mistral"), "MistralForCausalLM with attention within a window of 8 tokens"),
        (lambda: build("gemma3"), "unknown architecture for a GGUF file: 'gemma3_text'"),
    ],
)
def test_a_model_that_llama_cpp_computes_otherwise_is_refused(dense, model, message):
    with pytest.raises(StadeError, match=message):
        gguf_export.check(model(), dense[1])


def test_a_tokenizer_of_another_kind_is_refused(dense):
    with pytest.raises(StadeError, match=r"no byte-level byte-pair encoding.*convert_hf_to_gguf"):
        gguf_export.check(dense[0], object())


def test_scaled_positions_are_written_and_refused_where_they_would_be_lost(dense, tmp_path):
    scaling = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "rope_type": "llama3",
    }
    scaling |= {"original_max_position_embeddings": 32, "rope_theta": 500000.0}
    model = unlike("llama", vocab_size=1024, rope_parameters=scaling)
    file = gguf_export.write(model, dense[1], tmp_path / "scaled.gguf")
    factors = stored(file)["rope_freqs.weight"]
    assert factors.shape == (4,) and factors[0] == 1 and factors[-1] == pytest.approx(8)
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        StadeError,
        match=r"first rope_freqs.weight: they would be left out; take the model's folder",
    ):
        gguf_file.convert(file, tmp_path / "folder")


def test_biases_that_would_be_lost_in_loading_are_refused(dense, tmp_path):
    model = unlike("qwen2", vocab_size=1024)
    model.model.layers[0].mlp.down_proj.bias = torch.nn.Parameter(torch.ones(32))
    file = gguf_export.write(model, dense[1], tmp_path / "more.gguf", refuse=False)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StadeError, match="has 12 biases, of which Qwen2ForCausalLM takes 9"):
        gguf_file.convert(file, tmp_path / "folder")


def test_the_command_writes_a_file_that_measures_the_same(capsys, home, tmp_path):
    ids = tmp_path / "ids.npy"
    np.save(ids, np.random.default_rng(0).integers(0, 1024, (4, 32)))
    words = ["--calibration", ids, "--evaluation", ids, "--quiet", "--save-gguf"]
    prune = ["prune", "--method", "stade", "--sparsity-type", "2:4", "--model", "llama-230k"]
    file = tmp_path / "pruned.gguf"
    assert main([str(word) for word in [*prune, *words, file]]) == 0
    *_, saved, measured = capsys.readouterr().out.splitlines()
    assert saved == f"saved: {file}" and measured.startswith("perplexity: ")
    evaluate = ["evaluate", "--model", file, "--evaluation", ids, "--quiet"]
    assert main([str(word) for word in evaluate]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == measured
    for name in (file, tmp_path / "pruned.bin", tmp_path / "nowhere" / "pruned.gguf"):
        assert main([str(word) for word in [*prune, *words, name]]) == 2
        assert "expected a new .gguf file in a folder that exists" in capsys.readouterr().err
    prune[prune.index("llama-230k")] = "opt-340k"
    assert main([str(word) for word in [*prune, *words, tmp_path / "opt.gguf"]]) == 2
    assert "unknown architecture for a GGUF file: 'opt'" in capsys.readouterr().err


def test_a_disk_that_fills_up_leaves_no_half_file(dense, tmp_path):
    file = tmp_path / "half.gguf"
    file.write_text("of an earlier run")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(StadeError, match=r"half.gguf' cannot be written"):
            gguf_export.write(*dense, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [path.name for path in tmp_path.iterdir()] == ["half.gguf"]
    assert file.read_text() == "of an earlier run"


def test_without_room_for_the_file_nothing_is_pruned(tmp_path, monkeypatch, capsys):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    words = "prune --model llama-230k --prune_method magnitude --sparsity_ratio 0.5 --quiet"
    assert main([*words.split(), "--save-gguf", str(tmp_path / "new.gguf")]) == 2
    said = capsys.readouterr()
    assert "the GGUF file may take" in said.err and not said.out
    assert not list(tmp_path.iterdir())
