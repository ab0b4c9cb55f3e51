"""Which tasks the embedded suite has, and their questions.

Each is made in the image of a task of the paper, from the evaluation text alone: no dataset and no
model is asked, questions and answers follow from how the text is built.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import yaml

from stade_nb import paths
from stade_nb.corpus import documents, endings, pairs, sentences
from stade_nb.errors import unknown
from stade_nb.files import try_folder, write_at_once


@dataclass(frozen=True)
class TaskInfo:
    """A task of the suite: its own name, the official one it imitates, chance, what it asks."""

    name: str
    official: str
    chance: float
    about: str
    build: Callable
    number: int = 300


TASKS: dict[str, TaskInfo] = {
    "embedded_boolq": TaskInfo(
        "affirmed or denied",
        "boolq",
        0.5,
        "The passage is a sentence; the model says it again with its verb affirmed (yes) or denied "
        "(no), and the answer is what the passage does: as many yes as no for each verb.",
        pairs.boolq,
        400,
    ),
    "embedded_rte": TaskInfo(
        "true premise",
        "rte",
        0.5,
        "Which of two premises entails the hypothesis: the hypothesis is the main clause of a "
        "sentence, the premises are that sentence and the same with a word of the clause exchanged "
        "for one of another document.",
        pairs.rte,
    ),
    "embedded_hellaswag": TaskInfo(
        "second half",
        "hellaswag",
        0.25,
        "The first half of a sentence; its own second half, or second halves of three sentences of "
        "other documents with as many words.",
        endings.hellaswag,
    ),
    "embedded_winogrande": TaskInfo(
        "word in a gap",
        "winogrande",
        0.5,
        "A blank in a sentence; the word that stands there, or one of like ending and frequency "
        "that the document never uses.",
        pairs.winogrande,
    ),
    "embedded_arc_easy": TaskInfo(
        "last word",
        "arc_easy",
        0.25,
        "The last word of a sentence; the other three end sentences of other documents and have "
        "like ending and frequency.",
        endings.arc_easy,
    ),
    "embedded_arc_challenge": TaskInfo(
        "last word, same document",
        "arc_challenge",
        0.25,
        "The last word of a sentence; the other three end sentences of the same document and have "
        "a like ending.",
        endings.arc_challenge,
    ),
    "embedded_openbookqa": TaskInfo(
        "end of a fact",
        "openbookqa",
        0.25,
        "A sentence that states a fact, up to its verb; its completion as it stands, or with the "
        "first content word exchanged for one of like ending and frequency that the document "
        "never uses.",
        endings.openbookqa,
    ),
}
# No sentence is asked about twice; tasks that few sentences fit choose first.
_ORDER = ("boolq", "openbookqa", "rte", "arc_challenge", "hellaswag", "winogrande", "arc_easy")


@lru_cache(maxsize=1)
def built() -> dict[str, list[dict]]:
    """The questions of all tasks: what one takes, the next ones leave out."""
    text = sentences.evaluation()
    taken: set[str] = set()
    suite = {}
    for official in _ORDER:
        name = f"embedded_{official}"
        free = [sentence for sentence in text.sentences if sentence.text not in taken]
        number = TASKS[name].number
        found = TASKS[name].build(text, sentences.mixed(free, name), number)
        suite[name] = [_placed(i, question) for i, question in enumerate(islice(found, number))]
        taken |= {question["source"] for question in suite[name]}
    return suite


def _placed(number: int, question: dict) -> dict:
    """The question with its number, its right answer (first so far) moved to each place in turn."""
    if "label" not in question:
        right, *choices = question["choices"]
        label = number % (len(choices) + 1)
        choices.insert(label, right)
        question = question | {"choices": choices, "label": label}
    return {"id": number} | question


def questions(task: str) -> list[dict]:
    """The questions of an embedded task, the same ones at every call.

    Each has ``id``, ``document`` (number of the source file), ``source`` (the sentence that decides
    the answer), ``choices``, ``label`` (the right choice), and either a ``context`` that the
    choices complete or a ``continuation`` of the choices. Raises StadeError for an unknown task.
    """
    if task not in TASKS:
        raise unknown("embedded task", task, TASKS)
    return [dict(question) for question in built()[task]]


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
    return sentences.digest(_lines(task))


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
        place = try_folder(folder / task)
        _replace(place / DATA, _lines(task))
        settings = yaml.safe_dump(config(task, place / DATA), sort_keys=False)
        _replace(place / f"{task}.yaml", settings)
    return folder


def _replace(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_at_once(path, text)


def recorded() -> dict[str, dict]:
    """What ``data/tasks.json`` says of each task: number of questions and their SHA-256."""
    return json.loads(sentences.RECORDED.read_text(encoding="utf-8"))["tasks"]


def difference(task: str) -> str | None:
    """None where a task's questions are the recorded ones, else a sentence that says why not."""
    here, there = sha256(task), recorded()[task]["sha256"]
    if here == there:
        return None
    text = documents.difference("evaluation") or "the evaluation text is the recorded one"
    return (
        f"the questions of {task} differ from the recorded ones ({here[:12]} instead of "
        f"{there[:12]}; {text}): accuracies will differ from the shipped ones"
    )


def record() -> None:
    """Write ``data/tasks.json`` anew (a maintainer's step, when the corpus or a task changes)."""
    texts = {
        sentence
        for document in documents.part("evaluation")
        for sentence in sentences.sentences_of(document)
    }
    leaked = sentences.trained_on(texts, documents.part("train"))
    content = {"leaked": sorted(map(sentences.digest, leaked))}
    _replace(paths.maintained(sentences.RECORDED), json.dumps(content, indent=1) + "\n")
    sentences.evaluation.cache_clear()
    built.cache_clear()
    content["tasks"] = {
        task: {"questions": len(questions(task)), "sha256": sha256(task)} for task in TASKS
    }
    _replace(paths.maintained(sentences.RECORDED), json.dumps(content, indent=1) + "\n")
