"""The embedded suite as lm-eval task files with their own data, and what is recorded of it.

Nothing of the suite is stored but its SHA-256, in ``data/tasks.json``: the text that the questions
are made of is pinned by the lock.
"""

import json
from pathlib import Path

import yaml

from stade_nb.corpus import embedded_corpus, task_suite, task_text
from stade_nb.corpus.task_suite import TASKS, TaskInfo, questions
from stade_nb.files import write_at_once

__all__ = [
    "TASKS",
    "TaskInfo",
    "config",
    "difference",
    "questions",
    "record",
    "recorded",
    "sha256",
    "write",
]

DATA = "validation.jsonl"


def _lines(task: str) -> str:
    return "".join(json.dumps(question) + "\n" for question in questions(task))


def sha256(task: str) -> str:
    """SHA-256 of a task's questions, as written."""
    return task_text.digest(_lines(task))


def config(task: str, data: Path) -> dict:
    """lm-eval's settings for an embedded task whose questions are in the file `data`."""
    paired = "continuation" in questions(task)[0]
    return {
        "task": task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"validation": str(data.resolve())}},
        "validation_split": "validation",
        "output_type": "multiple_choice",
        "doc_to_text": "label" if paired else "context",
        "doc_to_choice": "choices",
        "doc_to_target": "continuation" if paired else "label",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }


def write(folder: str | Path) -> Path:
    """Write ``<task>/<task>.yaml`` and ``<task>/validation.jsonl`` of all tasks; return `folder`.

    A file that is right already is left alone, another one is replaced at once.
    """
    folder = Path(folder)
    for task in TASKS:
        place = folder / task
        place.mkdir(parents=True, exist_ok=True)
        _replace(place / DATA, _lines(task))
        settings = yaml.safe_dump(config(task, place / DATA), sort_keys=False)
        _replace(place / f"{task}.yaml", settings)
    return folder


def _replace(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_at_once(path, text)


def recorded() -> dict[str, dict]:
    """What ``data/tasks.json`` says of each task: number of questions and their SHA-256."""
    return json.loads(task_text.RECORDED.read_text(encoding="utf-8"))["tasks"]


def difference(task: str) -> str | None:
    """None where a task's questions are the recorded ones, else a sentence that says why not."""
    here, there = sha256(task), recorded()[task]["sha256"]
    if here == there:
        return None
    text = embedded_corpus.difference("evaluation") or "the evaluation text is the recorded one"
    return (
        f"the questions of {task} differ from the recorded ones ({here[:12]} instead of "
        f"{there[:12]}; {text}): accuracies will differ from the shipped ones"
    )


def record() -> None:
    """Write ``data/tasks.json`` anew (a maintainer's step, when the corpus or a task changes)."""
    texts = {
        sentence
        for document in embedded_corpus.part("evaluation")
        for sentence in task_text.sentences_of(document)
    }
    leaked = task_text.trained_on(texts, embedded_corpus.part("train"))
    content = {"leaked": sorted(map(task_text.digest, leaked))}
    _replace(task_text.RECORDED, json.dumps(content, indent=1) + "\n")
    task_text.evaluation.cache_clear()
    task_suite.built.cache_clear()
    content["tasks"] = {
        task: {"questions": len(questions(task)), "sha256": sha256(task)} for task in TASKS
    }
    _replace(task_text.RECORDED, json.dumps(content, indent=1) + "\n")
