"""Which tasks the embedded suite has, and their questions.

Each is made in the image of a task of the paper, from the evaluation text alone: no dataset and no
model is asked, questions and answers follow from how the text is built.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import yaml

from stade_nb import paths
from stade_nb.corpus import documents, endings, pairs, sentences
from stade_nb.errors import unknown
from stade_nb.files import try_folder, write_at_once


class TaskInfo(NamedTuple):
    """A task of the suite: its own name, what makes its questions, and how many there are."""

    name: str
    build: Callable
    number: int = 300

    @property
    def official(self) -> str:
        """The task of the paper in whose image it is made: what makes the questions is named so."""
        return self.build.__name__


_TASKS = (
    TaskInfo("affirmed or denied", pairs.boolq, 400),
    TaskInfo("true premise", pairs.rte),
    TaskInfo("second half", endings.hellaswag),
    TaskInfo("word in a gap", pairs.winogrande),
    TaskInfo("last word", endings.arc_easy),
    TaskInfo("last word, same document", endings.arc_challenge),
    TaskInfo("end of a fact", endings.openbookqa),
)
TASKS = {f"embedded_{task.official}": task for task in _TASKS}
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
