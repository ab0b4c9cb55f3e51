"""Which tasks the embedded suite has, and their questions.

Each is made in the image of a task of the paper, from the evaluation text alone: no dataset and no
model is asked, questions and answers follow from how the text is built.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from stade_nb.corpus import task_endings, task_pairs, task_text
from stade_nb.errors import unknown


@dataclass(frozen=True)
class TaskInfo:
    """A task of the suite: the official one it imitates, its chance level, what it asks."""

    official: str
    chance: float
    about: str
    build: Callable
    number: int = 300


TASKS: dict[str, TaskInfo] = {
    "embedded_boolq": TaskInfo(
        "boolq",
        0.5,
        "The passage is a sentence; the model says it again with its verb affirmed (yes) or denied "
        "(no), and the answer is what the passage does: as many yes as no for each verb.",
        task_pairs.boolq,
        400,
    ),
    "embedded_rte": TaskInfo(
        "rte",
        0.5,
        "Which of two premises entails the hypothesis: the hypothesis is the main clause of a "
        "sentence, the premises are that sentence and the same with a word of the clause exchanged "
        "for one of another document.",
        task_pairs.rte,
    ),
    "embedded_hellaswag": TaskInfo(
        "hellaswag",
        0.25,
        "The first half of a sentence; its own second half, or second halves of three sentences of "
        "other documents with as many words.",
        task_endings.hellaswag,
    ),
    "embedded_winogrande": TaskInfo(
        "winogrande",
        0.5,
        "A blank in a sentence; the word that stands there, or one of like ending and frequency "
        "that the document never uses.",
        task_pairs.winogrande,
    ),
    "embedded_arc_easy": TaskInfo(
        "arc_easy",
        0.25,
        "The last word of a sentence; the other three end sentences of other documents and have "
        "like ending and frequency.",
        task_endings.arc_easy,
    ),
    "embedded_arc_challenge": TaskInfo(
        "arc_challenge",
        0.25,
        "The last word of a sentence; the other three end sentences of the same document and have "
        "a like ending.",
        task_endings.arc_challenge,
    ),
    "embedded_openbookqa": TaskInfo(
        "openbookqa",
        0.25,
        "A sentence that states a fact, up to its verb; its completion as it stands, or with the "
        "first content word exchanged for one of like ending and frequency that the document "
        "never uses.",
        task_endings.openbookqa,
    ),
}
# No sentence is asked about twice; tasks that few sentences fit choose first.
_ORDER = ("boolq", "openbookqa", "rte", "arc_challenge", "hellaswag", "winogrande", "arc_easy")


@lru_cache(maxsize=1)
def built() -> dict[str, list[dict]]:
    """The questions of all tasks: what one takes, the next ones leave out."""
    text = task_text.evaluation()
    taken: set[str] = set()
    suite = {}
    for official in _ORDER:
        name = f"embedded_{official}"
        free = [sentence for sentence in text.sentences if sentence.text not in taken]
        number = TASKS[name].number
        found = TASKS[name].build(text, task_text.mixed(free, name), number)
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
