"""`--eval_zero_shot`: the seven zero-shot tasks of Table 4 for the commands prune and evaluate."""

from argparse import Namespace

import torch

from stade_nb.evaluation import harness, tasks


def questions(options: Namespace) -> list[tasks.Questions]:
    """The tasks that the options ask for, loaded; StadeError where that is not possible."""
    names = options.tasks or list(tasks.OFFICIAL)
    return tasks.load(names, options.tasks_dir, options.limit)


def answered(
    model: torch.nn.Module,
    tokenizer: object,
    asked: list[tasks.Questions],
    options: Namespace,
) -> dict:
    """Accuracies of a model, printed; what is returned goes into the command's report."""
    found = harness.evaluate(model, tokenizer, asked, progress=not options.quiet)
    mean, error = harness.mean(found.values())
    width = max(map(len, [*found, "mean"]))
    for name, result in found.items():
        points, spread = 100 * result["accuracy"], 100 * result["standard_error"]
        count, chance = result["count"], 100 * result["guessing"]
        print(
            f"{name:{width}}  {points:5.2f} ± {spread:.2f} % of {count:,} questions "
            f"(guessing: {chance:.2f} %)"
        )
    print(f"{'mean':{width}}  {100 * mean:5.2f} ± {100 * error:.2f} %, {harness.HARNESS}")
    about = {"mean": mean, "standard_error": error, "harness": harness.HARNESS}
    digests = {one.name: {"questions": one.digest} for one in asked}
    return {"zero_shot": about | {"tasks": {name: digests[name] | found[name] for name in found}}}
