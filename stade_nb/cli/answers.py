"""Zero-shot tasks on the command line: the questions asked for, their answers, what is said."""

from pathlib import Path
from types import SimpleNamespace

from stade_nb.engine.prepare import Prepared
from stade_nb.errors import StadeError


def questions(options: SimpleNamespace, tokenizer: object) -> list:
    """The zero-shot tasks that the options ask for, loaded; none where they are not wanted.

    StadeError where lm-eval is missing, and for a tokenizer that cannot begin a question.
    """
    if not options.eval_zero_shot:
        return []
    try:
        from stade_nb.evaluation import harness, tasks  # lm-eval is an extra of the package
    except ModuleNotFoundError as error:
        raise StadeError(
            f"--eval_zero_shot needs {error.name}, which is not installed: pip install "
            "'.[zero-shot]' in the project's folder installs it"
        ) from error
    harness.check_tokenizer(tokenizer)
    return tasks.load(options.tasks or list(tasks.OFFICIAL), options.tasks_dir, options.limit)


def answered(prepared: Prepared, asked: list, progress: bool, folder: Path) -> dict:
    """Accuracies of the model: their mean, and by task. folder: where answers are kept."""
    from stade_nb.evaluation import harness

    found = harness.evaluate(
        prepared.model, prepared.tokenizer, asked, progress=progress, folder=folder
    )
    mean, error = harness.mean(found.values())
    about = {"mean": mean, "standard_error": error, "harness": harness.HARNESS}
    by_task = {one.name: {"questions": one.digest} | found[one.name] for one in asked}
    return about | {"tasks": by_task}


def say(found: dict) -> None:
    """Print what `answered` returns."""
    width = max(map(len, [*found["tasks"], "mean"]))
    for name, result in found["tasks"].items():
        points, spread = 100 * result["accuracy"], 100 * result["standard_error"]
        count, chance = result["count"], 100 * result["guessing"]
        print(
            f"{name:{width}}  {points:5.2f} ± {spread:.2f} % of {count:,} questions "
            f"(guessing: {chance:.2f} %)"
        )
    mean, error = 100 * found["mean"], 100 * found["standard_error"]
    print(f"{'mean':{width}}  {mean:5.2f} ± {error:.2f} %, {found['harness']}")
