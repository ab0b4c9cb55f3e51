"""The zero-shot tasks, by name: lm-eval's own seven of Table 4, and those that need no network.

An official task keeps its prompt and its metric, which are lm-eval's files; only where its
questions come from may change, from the hub to a local folder.
"""

import functools
import logging
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple, TextIO

import datasets
import lm_eval
from lm_eval import utils as lm_eval_utils
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from stade_nb import paths
from stade_nb.corpus import questions
from stade_nb.errors import StadeError, unknown
from stade_nb.files import digest
from stade_nb.models import hub_access, saving
from stade_nb.models.checkpoint import reason
from stade_nb.models.token_ids import is_whole

DEFINITIONS = Path(lm_eval.__file__).parent / "tasks"


class Official(NamedTuple):
    """Where lm-eval defines a task, and the split that it is evaluated on."""

    folder: str
    split: str


OFFICIAL = {
    "boolq": Official("super_glue/boolq", "validation"),
    "rte": Official("glue/rte", "validation"),
    "hellaswag": Official("hellaswag", "validation"),
    "winogrande": Official("winogrande", "validation"),
    "arc_easy": Official("arc", "test"),
    "arc_challenge": Official("arc", "test"),
    "openbookqa": Official("openbookqa", "test"),
}


EMBEDDED = tuple(f"embedded_{name}" for name in OFFICIAL)
SETS = {"official": tuple(OFFICIAL), "embedded": EMBEDDED}


class Questions(NamedTuple):
    """A task's questions as a model gets them.

    task: lm-eval's. limit: the first so many questions, None for all. digest: SHA-256, in
    hexadecimal, of everything that is asked and of the answers. guessing: the accuracy of the
    better of blind guessing and of always the same answer.
    """

    name: str
    task: ConfigurableTask
    limit: int | None
    digest: str
    count: int
    guessing: float


def chosen(tasks: str | Sequence[str]) -> list[str]:
    """The names in "official", "embedded", one task or several; StadeError for an unknown one."""
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    found = [task for name in names for task in SETS.get(name, [name])]
    for name in found:
        if name not in OFFICIAL and name not in EMBEDDED:
            raise unknown("zero-shot task", name, [*SETS, *OFFICIAL, *EMBEDDED])
    return list(dict.fromkeys(found))


def load(
    tasks: str | Sequence[str], tasks_dir: str | Path | None = None, limit: int | None = None
) -> list[Questions]:
    """The tasks that `tasks` names (see `chosen`), in order.

    tasks_dir: a folder with <task>/<split>.jsonl for each official task, in the hub's columns;
    None takes them from the hub. Embedded tasks need neither. limit: only so many questions of
    each, to try something out.
    StadeError for an unknown task, for files that are missing or do not fit, or without network.
    """
    names = chosen(tasks)
    if limit is not None and (not is_whole(limit) or limit < 2):
        raise StadeError(f"limit {limit!r}: expected 2 questions or more, or None for all")
    with quiet():
        found = _embedded([name for name in names if name in EMBEDDED])
        found |= _official([name for name in names if name in OFFICIAL], tasks_dir)
        return [_questions(name, found[name], limit) for name in names]


def _embedded(names: Sequence[str]) -> dict[str, ConfigurableTask]:
    if not names:
        return {}
    folder = questions.write(paths.HOME / "tasks")
    return TaskManager(include_path=[folder], include_defaults=False).load(list(names))["tasks"]


def _official(names: Sequence[str], tasks_dir: str | Path | None) -> dict[str, ConfigurableTask]:
    if not names:
        return {}
    folders = [DEFINITIONS / OFFICIAL[name].folder for name in names]
    manager = TaskManager(include_path=list(dict.fromkeys(folders)), include_defaults=False)
    wanted = list(names) if tasks_dir is None else [local_group(names, tasks_dir)]
    try:
        with hub_access.answering("the hub" if tasks_dir is None else tasks_dir):
            return manager.load(wanted)["tasks"]
    except Exception as error:  # whatever datasets, the hub's client or a template raises
        where = "the hub" if tasks_dir is None else f"folder {str(tasks_dir)!r}"
        raise StadeError(
            f"cannot load the tasks {', '.join(names)} from {where}: {reason(error)}\n"
            "Without network, give tasks_dir, a folder with <task>/<split>.jsonl in the columns of "
            "the hub's datasets"
        ) from error


def local_group(names: Sequence[str], tasks_dir: str | Path) -> dict:
    """A group of official tasks for lm-eval, whose questions are the files in `tasks_dir`.

    StadeError that lists what was looked for where a file is missing.
    """
    folder = paths.expanded(tasks_dir).resolve()
    files = {name: folder / name / f"{OFFICIAL[name].split}.jsonl" for name in names}
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise StadeError(
            f"tasks_dir {str(tasks_dir)!r} lacks {len(missing)} of {len(files)} files; looked for, "
            f"and not found: {', '.join(missing)}; put them there, or leave tasks_dir out to take "
            "the questions from the hub"
        )

    def local(name: str) -> dict:
        split = OFFICIAL[name].split
        return {
            "task": name,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {split: str(files[name])}},
            # A file is one split; the others would be for examples in the prompt.
            "training_split": None,
            "validation_split": split if split == "validation" else None,
            "test_split": split if split == "test" else None,
        }

    return {"group": "local_zero_shot", "task": [local(name) for name in names]}


def _questions(name: str, task: ConfigurableTask, limit: int | None) -> Questions:
    task.set_config("num_fewshot", 0)
    try:
        task.build_all_requests(limit=limit)
        answers = [answer(task, doc) for _, doc in task.doc_iterator(limit=limit)]
    except Exception as error:  # a template or function of the task that misses a column
        raise StadeError(
            f"the questions of task {name!r} do not fit it ({type(error).__name__}: {error}): "
            "expected the columns of the hub's dataset"
        ) from error
    asked: dict[int, list] = {}
    for instance in task.instances:
        asked.setdefault(instance.doc_id, []).append(list(instance.args))
    if len(asked) < 2:
        raise StadeError(
            f"task {name!r} has {len(asked)} questions: expected 2 or more, which a standard error "
            "takes; give all questions of its split"
        )
    pairs = list(zip(asked.values(), answers, strict=True))
    blind = sum(1 / len(choices) for choices in asked.values()) / len(asked)
    same = max(map(answers.count, set(answers))) / len(answers)
    return Questions(name, task, limit, digest([name, pairs]), len(asked), max(blind, same))


def answer(task: ConfigurableTask, doc: dict) -> int:
    """The place of the right choice."""
    # Where the choices are whole sentences up to a gap (WinoGrande), doc_to_text is the answer.
    right = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    return right if isinstance(right, int) else task.doc_to_choice(doc).index(right)


@contextmanager
def quiet() -> Iterator[None]:
    """No messages and bars of lm-eval and what it uses inside, and lm-eval's templates fast.

    lm-eval compiles a task's template again for every question, which takes longer than a small
    model takes to answer it. What other threads print is shown, and what it draws at random for
    names of its own is put back: the caller's draws stay what they would have been.
    """
    with saving.quiet(bars=True):
        logger, environment = logging.getLogger("lm_eval"), lm_eval_utils.env
        level, shown = logger.level, not datasets.are_progress_bars_disabled()
        original, state = environment.from_string, random.getstate()
        logger.setLevel(logging.ERROR)
        datasets.disable_progress_bars()
        environment.from_string = functools.cache(original)
        try:
            with redirect_stdout(_Muted(sys.stdout)), redirect_stderr(_Muted(sys.stderr)):
                yield
        finally:
            logger.setLevel(level)
            environment.from_string = original
            random.setstate(state)
            if shown:
                datasets.enable_progress_bars()


class _Muted:
    """In a stream's place: what this thread writes is dropped, what others write passed on."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        """As of a stream."""
        return len(text) if threading.get_ident() == self.thread else self.stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)
