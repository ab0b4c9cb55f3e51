"""Real models and texts through the command line: C4 in, WikiText-2 out, saved and loaded again."""

import json

import pytest
import torch
from conftest import needs_shared
from plain import run_cells
from transformers import AutoModelForCausalLM

from stade_nb.cli import commands
from stade_nb.cli.program import main
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.pruning import prune_model
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.models import blockwise, loading
from stade_nb.models.windows import calibration_windows, evaluation_windows

pytestmark = [needs_shared, pytest.mark.slow]
REAL = ["stories260K", "babygpt-shakespeare-opt"]
LENGTH = 64


@pytest.fixture(params=REAL)
def model(request, shared):
    return shared / "reality" / "models" / request.param


@pytest.fixture
def texts(shared):
    """Where calibration and evaluation come from, as options."""
    folder = shared / "reality" / "text"
    return folder / "c4_excerpt.txt", folder / "wiki.test.raw"


def words(command, model, texts, *others):
    """A command line on a model, the texts and small numbers."""
    calibration, evaluation = texts
    return [
        *(command, "--model", str(model), "--quiet", "--device", "cpu", "--seqlen", str(LENGTH)),
        *("--evaluation", str(evaluation), "--evaluation_windows", "24"),
        *(["--calibration", str(calibration), "--nsamples", "12"] * (command != "evaluate")),
        *others,
    ]


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_prune(capsys, model, texts, tmp_path, pattern):
    kind = ["--sparsity_type", pattern] if ":" in pattern else ["--sparsity_ratio", pattern]
    options = ["--prune_method", "stade", "--seed", "1", "--save", str(tmp_path / "out"), *kind]
    assert main(words("prune", model, texts, *options)) == 0
    report = json.loads((tmp_path / "out" / commands.REPORT).read_text())

    expected, tokenizer = loading.load(str(model))
    calibration = calibration_windows(texts[0], tokenizer, 12, LENGTH, 1)
    evaluation = evaluation_windows(texts[1], tokenizer, 24, LENGTH)
    dense = perplexity(expected, evaluation)
    reports = prune_model(expected, calibration, "stade", pattern)
    measured = perplexity(expected, evaluation)
    assert report["perplexity"] == measured != dense
    assert report["zeros"] == {name: one.zeros for name, one in reports.items()}
    added = {name.rpartition(".")[2] for name, one in reports.items() if one.added_bias}
    assert added == ({"o_proj", "down_proj"} if "stories" in model.name else set())

    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    with blockwise.evaluating(expected), torch.no_grad():
        for ids in evaluation.split(8):
            assert saved(input_ids=ids).logits.equal(expected(input_ids=ids).logits)
    capsys.readouterr()
    assert main(words("evaluate", tmp_path / "out", texts)) == 0
    assert f"perplexity: {measured:.4f} on 24 windows of 64 tokens of " in capsys.readouterr().out


def test_sweep(model, texts, tmp_path):
    methods = "magnitude,wanda,stade,stade_without_bias,sparsegpt"
    options = ["--methods", f"dense,{methods}", "--patterns", "0.5,2:4"]
    options += ["--results_dir", str(tmp_path / "engine"), "--out", str(tmp_path / "cells.json")]
    assert main(words("sweep", model, texts, *options)) == 0
    cells = [Cell("dense", "0")]
    cells += [Cell(name, pattern) for name in methods.split(",") for pattern in ("0.5", "2:4")]
    calibration, evaluation = map(str, texts)
    asked = Windows(calibration, 12, LENGTH), Windows(evaluation, 24, LENGTH)
    expected = run_cells(str(model), cells, Setting(*asked, tmp_path / "plain"))
    found = json.loads((tmp_path / "cells.json").read_text())
    for one, other in zip(found, expected, strict=True):
        assert one["perplexity"] == pytest.approx(other["perplexity"], rel=1e-5)
        assert one["zeros"] == other["zeros"] and one["method"] == other["method"]
