"""Zero-shot tasks: lm-eval's prompts and numbers, on local questions, of models in memory."""

import copy
import json
import math
import random
import sys
import threading

import pytest
import torch
import yaml
import zero_shot_questions
from conftest import SHARED, needs_shared
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
from torch import nn

from stade_nb.corpus import questions
from stade_nb.engine import pruning, weights
from stade_nb.errors import StadeError
from stade_nb.evaluation import harness
from stade_nb.evaluation import tasks as task_files
from stade_nb.evaluation.tasks import DEFINITIONS, OFFICIAL
from stade_nb.models import loading, saving
from stade_nb.models.checkpoint import Missing
from stade_nb.models.windows import calibration_windows

MODEL = loading.embedded_models()[0]
NAMES = list(OFFICIAL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return zero_shot_questions.write(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def tasks(folder):
    return task_files.load(NAMES, folder)


@pytest.fixture
def loaded():
    return loading.load(MODEL)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_of_a_half_precision_model_log_probabilities_are_in_float32(tasks, dtype):
    model, tokenizer = loading.load(MODEL, dtype=dtype)
    lm, (question, *_) = harness.Harness(model, tokenizer).lm, tasks[0].task.instances
    ((found, _),) = lm.loglikelihood([question], disable_tqdm=True)
    context, choice = lm._encode_pair(*question.args)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*context, *choice]])).logits[
            0, -len(choice) - 1 : -1
        ]
    chances = logits.float().log_softmax(-1)[range(len(choice)), choice]
    assert found == pytest.approx(chances.sum().item(), rel=1e-6)


def directly(model_folder, tasks_dir, place, limit=None):
    """lm-eval as its users call it: a model's folder and a group in a YAML file."""
    group = task_files.local_group(NAMES, tasks_dir)
    (place / "local.yaml").write_text(yaml.safe_dump(group))
    official = [DEFINITIONS / OFFICIAL[name].folder for name in NAMES]
    with task_files.quiet():
        found = simple_evaluate(
            "hf",
            model_args={"pretrained": str(model_folder), "dtype": "float32"},
            device="cpu",
            tasks=[group["group"]],
            task_manager=TaskManager(include_path=[*official, place], include_defaults=False),
            batch_size=3,
            limit=limit,
            bootstrap_iters=10,
        )
    results, samples = found["results"], found["samples"]
    return {
        name: {
            "accuracy": results[name]["acc,none"],
            "standard_error": results[name]["acc_stderr,none"],
            "correct": [s["acc"] for s in sorted(samples[name], key=lambda s: s["doc_id"])],
        }
        for name in NAMES
    }


def numbers(results):
    names = "accuracy", "standard_error", "correct"
    return {task: {name: result[name] for name in names} for task, result in results.items()}


def test_equals_lm_eval_called_directly(tasks, folder, loaded, tmp_path):
    ours = harness.evaluate(*loaded, tasks)
    assert numbers(ours) == directly(loading.locate(MODEL), folder, tmp_path)
    for result in ours.values():
        assert result["count"] == 8 == len(result["correct"])
        assert result["accuracy"] == sum(result["correct"]) / 8


@needs_shared
@pytest.mark.slow
def test_equals_lm_eval_on_the_official_questions(tmp_path):
    where = SHARED / "reality" / "models" / "stories260K"
    official = task_files.load(NAMES, SHARED / "reality" / "tasks", limit=100)
    assert [questions.count for questions in official] == [100] * 7
    ours = harness.evaluate(*loading.load(str(where)), official)
    assert numbers(ours) == directly(where, SHARED / "reality" / "tasks", tmp_path, limit=100)


@needs_shared
def test_official_questions_and_what_guessing_gets():
    tasks = task_files.load(NAMES, SHARED / "reality" / "tasks")
    found = {q.name: (q.count, round(q.guessing, 3)) for q in tasks}
    # BoolQ has more "yes", RTE more entailed pairs; the others are balanced.
    assert found["boolq"] == (3270, 0.622) and found["rte"] == (277, 0.527)
    assert found["hellaswag"][0] == 1000 and found["winogrande"] == (1267, 0.504)
    assert found["arc_easy"][0] == 2376 and found["arc_challenge"][0] == 1172
    assert found["openbookqa"] == (500, 0.276)


@needs_shared
def test_says_what_the_tokenizer_puts_first(loaded):
    story = loading.load(str(SHARED / "reality" / "models" / "stories260K"))
    assert harness.Harness(*story).bos == "<s>"
    assert harness.Harness(*loaded).bos is None


def test_reload_keeps_the_accuracies_of_corrected_biases(tasks, loaded, tmp_path):
    model, tokenizer = loaded
    windows = calibration_windows("embedded", tokenizer, 8, 64, 0)
    dense = harness.evaluate(model, tokenizer, tasks)
    pruning.prune_model(model, windows, "stade", "4:8")
    assert any(layer.bias is not None for layer, _, _ in weights.snapshot(model))
    pruned = harness.evaluate(model, tokenizer, tasks)
    assert numbers(pruned) != numbers(dense)
    saving.save(model, tokenizer, tmp_path / "saved")
    again = loading.load(str(tmp_path / "saved"))
    assert numbers(harness.evaluate(*again, tasks)) == numbers(pruned)


def test_batch_size_changes_nothing(tasks, loaded):
    auto = harness.evaluate(*loaded, tasks)
    asking = harness.Harness(*loaded, batch_size=1)
    one = {questions.name: asking.evaluate(questions) for questions in tasks}
    assert numbers(auto) == numbers(one)
    assert {result["batch_size"] for result in one.values()} == {1}
    assert min(result["batch_size"] for result in auto.values()) > 8
    with pytest.raises(StadeError, match="batch_size 0: expected 1 or more, or 'auto'"):
        harness.Harness(*loaded, batch_size=0)


def test_counts_requests_that_do_not_fit(tasks, loaded, tmp_path):
    long = {"passage": "the array " * 300, "question": "is it", "label": 1}
    file = tmp_path / "boolq" / "validation.jsonl"
    file.parent.mkdir()
    short = long | {"passage": "the array"}
    file.write_text("\n".join(json.dumps(doc) for doc in (long, short, short)))
    (questions,) = task_files.load(["boolq"], tmp_path)
    found = harness.evaluate(*loaded, [questions])["boolq"]
    assert found["truncated"] == 2  # both answers to the first question
    assert found["guessing"] == 1


def test_digest_tells_questions_apart(tasks, folder, tmp_path):
    assert len({questions.digest for questions in tasks}) == 7
    (fewer,) = task_files.load(["rte"], folder, limit=5)
    assert fewer.count == 5 and fewer.digest != tasks[1].digest
    lines = (folder / "rte" / "validation.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    lines[0] = json.dumps(first | {"label": 1 - first["label"]})
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / "validation.jsonl").write_text("\n".join(lines))
    (other,) = task_files.load(["rte"], tmp_path)
    assert other.digest != tasks[1].digest
    (same,) = task_files.load(["rte"], folder)
    assert same.digest == tasks[1].digest


@pytest.mark.parametrize("mark", ["utf-8-sig", "CRLF"])
def test_questions_are_the_same_whatever_editor_wrote_them(tasks, folder, tmp_path, mark):
    (tmp_path / "rte").mkdir()
    text = (folder / "rte" / "validation.jsonl").read_text()
    content = text.encode(mark) if mark != "CRLF" else text.replace("\n", "\r\n").encode()
    (tmp_path / "rte" / "validation.jsonl").write_bytes(content)
    (marked,) = task_files.load(["rte"], tmp_path)
    assert marked.digest == tasks[1].digest


def test_a_tokenizer_that_asks_nothing_is_said_before_the_work(loaded):
    model, tokenizer = loaded
    silent = copy.deepcopy(tokenizer)
    silent.bos_token = silent.eos_token = None
    for one, words in ((silent, "neither BOS nor EOS"), (Missing("no files here"), "no files")):
        with pytest.raises(StadeError, match=words):
            harness.Harness(model, one)
    with pytest.raises(StadeError, match="tokenizer of the type NoneType"):
        harness.Harness(model, None)
    # A name would be a model of the hub to lm-eval.
    with pytest.raises(StadeError, match="model of the type str"):
        harness.Harness(MODEL, tokenizer)


def test_missing_files_are_listed(folder, tmp_path):
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / "validation.jsonl").write_text("{}\n")
    with pytest.raises(StadeError) as error:
        task_files.load(["boolq", "rte", "arc_easy"], tmp_path)
    looked_for = f"{tmp_path}/boolq/validation.jsonl, {tmp_path}/arc_easy/test.jsonl"
    said = f"lacks 2 of 3 files; looked for, and not found: {looked_for}; put them there, or leave"
    assert said in str(error.value) and "\n" not in str(error.value)


def test_bad_input_is_explained(folder, tmp_path, monkeypatch):
    with pytest.raises(StadeError, match="unknown zero-shot task 'bolq': did you mean 'boolq'"):
        task_files.load(["bolq"], folder)
    with pytest.raises(StadeError, match="knows no home folder '~nobodyx'"):
        task_files.load(["boolq"], "~nobodyx/y")
    for limit in (1, "4", 4.0, True):
        with pytest.raises(StadeError, match=f"limit {limit!r}: expected 2 questions or more"):
            task_files.load(["boolq"], folder, limit=limit)
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / "validation.jsonl").write_text('{"premise": "a", "label": 0}\n')
    with pytest.raises(StadeError, match=r"cannot load the tasks rte .*'sentence1' is undefined"):
        task_files.load(["rte"], tmp_path)
    one = (folder / "rte" / "validation.jsonl").read_text().splitlines()[0]
    (tmp_path / "rte" / "validation.jsonl").write_text(f"{one}\n")
    with pytest.raises(StadeError, match=r"task 'rte' has 1 questions: expected 2 or more"):
        task_files.load(["rte"], tmp_path)


def test_mean_and_its_error():
    results = [{"accuracy": 0.5, "standard_error": 0.03}, {"accuracy": 0.7, "standard_error": 0.04}]
    assert harness.mean(results) == (pytest.approx(0.6), pytest.approx(0.025))
    assert math.isclose(harness.mean(results[:1])[1], 0.03)
    with pytest.raises(StadeError, match="of no tasks"):
        harness.mean([])


def test_names_of_tasks():
    assert task_files.chosen("official") == NAMES
    assert task_files.chosen(["rte", "official"]) == ["rte", *(n for n in NAMES if n != "rte")]
    assert task_files.chosen("embedded") == [f"embedded_{name}" for name in NAMES]
    assert set(task_files.chosen("embedded")) == set(questions.TASKS)


def test_embedded_tasks_need_no_folder(loaded, folder):
    two = task_files.load(["embedded_arc_easy", "rte"], folder, limit=20)
    assert [(questions.name, questions.count) for questions in two] == [
        ("embedded_arc_easy", 20),
        ("rte", 8),
    ]
    found = harness.evaluate(*loaded, two)
    # The trained model knows how the sentences of its own kind of text end.
    assert found["embedded_arc_easy"]["accuracy"] > found["embedded_arc_easy"]["guessing"]


def test_a_bar_counts_the_requests(tasks, loaded, capsys, monkeypatch):
    """Those of one task, although what lm-eval prints is silenced."""
    counted, bar = [], harness.tqdm
    monkeypatch.setattr(
        harness, "tqdm", lambda *args, **kw: counted.append(bar(*args, **kw)) or counted[-1]
    )
    asking = harness.Harness(*loaded)
    quiet, shown = asking.evaluate(tasks[0]), asking.evaluate(tasks[0], progress=True)
    assert quiet["correct"] == shown["correct"]
    assert counted[0].n == 0 < counted[1].n <= counted[1].total == len(tasks[0].task.instances)
    assert "_model_call" not in vars(asking.lm)


def test_the_caller_finds_everything_as_it_was(tasks, loaded):
    """Training flags, an untied head, and the numbers that `random` draws next."""
    model, tokenizer = loaded
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    model.train().model.layers[1].eval()
    flags, head = [part.training for part in model.modules()], model.lm_head.weight
    state = random.getstate()
    harness.evaluate(model, tokenizer, tasks[:1])
    assert [part.training for part in model.modules()] == flags
    assert model.lm_head.weight is head and "tie_weights" not in vars(model)
    assert random.getstate() == state


def test_only_what_its_own_thread_prints_is_dropped(capsys):
    with task_files.quiet():
        print("of lm-eval")
        other = threading.Thread(target=print, args=("of another thread",))
        other.start()
        other.join()
        print("of lm-eval", file=sys.stderr)
    print("afterwards")
    assert capsys.readouterr() == ("of another thread\nafterwards\n", "")
