"""Records of the zero-shot table: one for each task, resumed after a kill; biases dropped."""

from types import SimpleNamespace

import pytest
import torch
import zero_shot_questions
from plain import run_cells
from recorded import all_records
from transformers import AutoModelForCausalLM

from stade_nb.engine import kept, pruning, zero_shot
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.engine.weights import drop_biases, snapshot
from stade_nb.engine.zero_shot import DROPPED, KEPT, run
from stade_nb.errors import StadeError
from stade_nb.evaluation import harness
from stade_nb.evaluation import tasks as task_files
from stade_nb.models import loading, saving
from stade_nb.models.windows import calibration_windows

LLAMA, OPT = "llama-230k", "opt-340k"
WINDOWS = Windows("embedded", 4, 32)
STADE = Cell("stade", "2:4")
WANTED = [(DENSE, KEPT), (STADE, KEPT), (STADE, DROPPED)]


def setting(folder):
    return Setting(WINDOWS, WINDOWS, folder)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    folder = zero_shot_questions.write(tmp_path_factory.mktemp("tasks"))
    return task_files.load(["arc_easy", "rte"], folder)


@pytest.fixture
def asked(monkeypatch):
    """Every (task, number of biases in the model) that is evaluated, in order."""
    order, evaluate = [], harness.Harness.evaluate

    def noted(self, questions, *how):
        biases = sum(layer.bias is not None for layer, _, _ in snapshot(self.model))
        order.append((questions.name, biases))
        return evaluate(self, questions, *how)

    monkeypatch.setattr(harness.Harness, "evaluate", noted)
    return order


def numbers(result):
    kept = "accuracy", "correct"
    return {name: [task[key] for key in kept] for name, task in result["tasks"].items()}


def test_each_cell_is_what_the_steps_by_hand_give(tasks, asked, tmp_path):
    dense, kept, dropped = run(LLAMA, WANTED, setting(tmp_path), tasks)
    layers = 2 * len(pruning.architectures.blocks(loading.load(LLAMA)[0]))
    assert asked == [(name, n) for n in (0, layers, 0) for name in ("arc_easy", "rte")]
    assert [r["biases"] for r in (dense, kept, dropped)] == [KEPT, KEPT, DROPPED]
    # Perplexities are the other tables' records.
    (alone,) = run_cells(LLAMA, [STADE], setting(tmp_path))
    assert {name: kept[name] for name in alone} == alone
    assert dropped["zeros"] == kept["zeros"] and dropped["perplexity"] != kept["perplexity"]

    model, tokenizer = loading.load(LLAMA)
    by_hand = harness.evaluate(model, tokenizer, tasks)
    assert numbers(dense) == numbers({"tasks": by_hand})
    ids = calibration_windows("embedded", tokenizer, 4, 32, 0)
    pruning.prune_model(model, ids, "stade", "2:4")
    by_hand = harness.evaluate(model, tokenizer, tasks)
    assert numbers(kept) == numbers({"tasks": by_hand})
    with saving.quiet():
        model.save_pretrained(tmp_path / "plain")
        naive = AutoModelForCausalLM.from_pretrained(tmp_path / "plain").eval()
    by_hand = harness.evaluate(naive, tokenizer, tasks)
    assert numbers(dropped) == numbers({"tasks": by_hand})


def test_records_of_half_precision_say_what_log_probabilities_are_in():
    asker, task = SimpleNamespace(bos=None, positions=8), SimpleNamespace(name="rte", digest="0")
    full, half = (
        zero_shot.key_fields({"dtype": dtype}, KEPT, asker, task)
        for dtype in ("float32", "bfloat16")
    )
    assert "softmax" not in full and half == full | {"dtype": "bfloat16", "softmax": "float32"}


@pytest.mark.parametrize("name", [LLAMA, OPT])
def test_dropped_biases_are_the_dense_ones(name):
    model, tokenizer = loading.load(name)
    dense = snapshot(model)
    ids = calibration_windows("embedded", tokenizer, 4, 32, 0)
    pruning.prune_model(model, ids, "stade", "2:4")
    pruned = snapshot(model)
    drop_biases(dense)
    changed = 0
    for (layer, weight, bias), (_, _, before) in zip(pruned, dense, strict=True):
        assert torch.equal(layer.weight, weight)
        assert (layer.bias is None) == (before is None)
        assert before is None or torch.equal(layer.bias, before)
        changed += bias is not None and (before is None or not torch.equal(bias, before))
    assert changed == len(pruned) * 2 // (7 if name == LLAMA else 6)


def test_a_killed_run_resumes_at_the_next_task(tasks, asked, tmp_path, monkeypatch):
    evaluate = harness.Harness.evaluate

    def killed(self, questions, *how):
        if len(asked) == 3:
            raise KeyboardInterrupt
        return evaluate(self, questions, *how)

    with monkeypatch.context() as patched:
        patched.setattr(harness.Harness, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(LLAMA, WANTED, setting(tmp_path), tasks)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(before) == 3 + 2  # three tasks, and the perplexities of two cells
    found = run(LLAMA, WANTED, setting(tmp_path), tasks)
    assert [name for name, _ in asked[3:]] == ["rte", "arc_easy", "rte"]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    again = run(LLAMA, WANTED[::-1], setting(tmp_path), tasks)
    assert again == found[::-1] and len(asked) == 6
    fresh = run(LLAMA, WANTED, setting(tmp_path / "fresh"), tasks)
    assert [numbers(result) for result in fresh] == [numbers(result) for result in found]


class Killed(BaseException):
    """What no handler of errors catches."""


@pytest.mark.parametrize("of", [kept.KeptBlocks, kept.KeptLosses])
def test_a_killed_run_goes_on_within_a_cell(of, tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(kept.paths, "HOME", tmp_path / "home")
    often = {"batch_size": 2, "keep_every": 1e-9}
    whole, again = (Setting(WINDOWS, WINDOWS, tmp_path / name, **often) for name in ("one", "two"))
    expected = run(LLAMA, WANTED, whole, tasks)
    steps, left = [], of.left

    def noted(self, *what):
        left(self, *what)
        steps.append(what)
        if killed and len(steps) == 2:
            raise Killed

    monkeypatch.setattr(of, "left", noted)
    killed = True
    with pytest.raises(Killed):
        run(LLAMA, WANTED, again, tasks)
    assert any((tmp_path / "home" / kept.FOLDER).iterdir())
    killed = False
    found = run(LLAMA, WANTED, again, tasks)
    assert [row["losses"] for row in found] == [row["losses"] for row in expected]
    assert [numbers(row) for row in found] == [numbers(row) for row in expected]
    assert not any((tmp_path / "home" / kept.FOLDER).iterdir())
    again_whole, before = Setting(WINDOWS, WINDOWS, tmp_path / "three", **often), len(steps)
    run(LLAMA, WANTED, again_whole, tasks)
    # Before the kill two steps, after it the others: none was done twice.
    assert before == len(steps) - before


def test_cells_that_leave_the_same_model_are_asked_once(tasks, asked, tmp_path):
    # On q_proj, whose input counts as centred, STADE is Wanda.
    wanted = [(Cell(way, "2:4", "self_attn.q_proj"), KEPT) for way in ("wanda", "stade")]
    wanda, stade, dense = run(LLAMA, [*wanted, (DENSE, KEPT)], setting(tmp_path), tasks)
    assert [name for name, _ in asked] == ["arc_easy", "rte"] * 2
    assert numbers(stade) == numbers(wanda) != numbers(dense)
    assert {task["seconds"] for task in stade["tasks"].values()} == {0.0}
    assert all(task["seconds"] > 0 for task in wanda["tasks"].values())
    assert {task["method"] for task in stade["tasks"].values()} == {"stade"}


def test_a_record_says_what_it_depends_on(tasks, tmp_path):
    run(LLAMA, WANTED, setting(tmp_path), tasks)
    by_task = [record for record in all_records(tmp_path) if "task" in record]
    assert len(by_task) == 6
    for record in by_task:
        assert record["harness"] == harness.HARNESS and record["metric"] == "acc"
        assert record["bos"] is None and record["positions"] == 256
        assert record["questions"] in {questions.digest for questions in tasks}
        assert record["batch_size"] > 1 and len(record["correct"]) == 8
        assert record["seconds"] > 0 and record["versions"].keys() >= {"torch", "transformers"}
    assert {record["biases"] for record in by_task} == {KEPT, DROPPED}


def test_a_cell_that_does_not_fit_stops_before_anything_is_computed(tasks, asked, tmp_path):
    wide = Cell("wanda", "3:7")
    with pytest.raises(StadeError, match="cell 'wanda 3:7'"):
        run(LLAMA, [(DENSE, KEPT), (wide, KEPT)], setting(tmp_path), tasks)
    assert not asked and not list(tmp_path.glob("*.json"))
