"""Table 4 of the real models without the tasks on which they can only guess.

Where a dense model does no better than guessing, a difference between its pruned versions means
nothing: what a method changes there is which answer the model prefers. So the comparison of means
over all tasks stands beside one over the others. The rule is that of the small models' table; that
it is held against the real ones, too, was added when their answers were known.
"""

from collections.abc import Sequence

import pandas

from stade_book.claims import accuracy, paper
from stade_book.claims.verdicts import NOT_RUN
from stade_book.pages.tables import earlier
from stade_book.studies import shipped


def tasks(name: str) -> list[str]:
    """The tasks on which a real model, dense, is not above guessing: exact test, 5 % over all."""
    dense = [row for row in shipped.answers(name) if row["method"] == paper.DENSE]
    return sorted(
        row["task"]
        for row in dense
        if not accuracy.above_chance(sum(row["correct"]), row["count"], row["guessing"], len(dense))
    )


def left(answered: pandas.DataFrame, out: dict[str, list[str]]) -> pandas.DataFrame:
    """`answered`, from `earlier.answered`, without the tasks that are `out` of each model.

    Models of which no task is left have no rows.
    """
    kept = [
        {task: each for task, each in answers.items() if task not in out[model]}
        for model, answers in zip(answered["model"], answered["answers"], strict=True)
    ]
    return answered.assign(answers=kept)[[bool(answers) for answers in kept]]


def without(answered: pandas.DataFrame) -> pandas.DataFrame:
    """`left`, of the tasks on which each model, dense, can only guess."""
    return left(answered, {name: tasks(name) for name in answered["model"].unique()})


def words(patterns: Sequence[str]) -> dict[str, str]:
    """What a page says: `guessed`, the tasks by model, and `unguessed`, STADE against Wanda."""
    answered = earlier.answered(earlier.real())
    out = {name: tasks(name) for name in answered["model"].unique()}
    judged = accuracy.above(left(answered, out), accuracy.RIVALS[:1], patterns)
    parts = []
    for row in judged.itertuples():
        ends = (f"{100 * end:+.1f}".replace("-", "−") for end in (row.change, row.low, row.high))
        at = f"at {paper.sparsity(row.pattern)} "
        parts.append(at + "{} ({} to {}) points, ".format(*ends) + row.verdict)
    named = (f"{name}: {', '.join(lacking) or 'none'}" for name, lacking in out.items())
    return {"guessed": "; ".join(named) or NOT_RUN, "unguessed": "; ".join(parts) or NOT_RUN}
