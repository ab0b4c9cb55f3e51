"""The cells of the page on Table 4, and the tables of accuracies that it shows."""

from collections.abc import Sequence
from html import escape

import pandas
from IPython.display import HTML

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.verdicts import NOT_RUN, Count
from stade_book.pages import html, models
from stade_book.pages.notebooks import ZeroShot
from stade_book.pages.tables import earlier, perplexity
from stade_nb.corpus import questions
from stade_nb.engine import zero_shot
from stade_nb.evaluation import harness, tasks
from stade_nb.models import papers_model
from stade_nb.numerics.bias import DROPPED, KEPT
from stade_nb.numerics.methods import METHODS


def run(p: ZeroShot) -> pandas.DataFrame:
    """All cells of the table, computed or read from the records in `results_dir`.

    p: the notebook's checked parameters. Beside what the table shows, each method that corrects
    biases is evaluated with these dropped. A row for each: model (by its label), method, pattern,
    seed, biases, perplexity, losses, tasks (by name what `harness.Harness.evaluate` returns),
    answers (their `correct` alone), accuracy and error (`harness.mean`), and paper_model (see
    `papers_model`).
    """
    asked_of_all = tasks.load(p.tasks, p.tasks_dir, p.limit)
    asked = perplexity.cells(p.methods, p.patterns, "layer", p.seeds)
    corrected = [cell for cell in asked if cell.method.corrects]
    wanted = [(cell, KEPT) for cell in asked] + [(cell, DROPPED) for cell in corrected]
    rows = []
    for name, label in models.labelled(p.models).items():
        setting = models.setting(p, requests_at_once=p.requests_at_once)
        found = zero_shot.run(name, wanted, setting, asked_of_all, progress=True)
        about = {"model": label, "paper_model": papers_model(name)}
        rows += [cell | about for cell in found]
    ran = pandas.DataFrame(rows)
    ran.loc[ran["method"] == paper.DENSE, "pattern"] = paper.DENSE
    ran["answers"] = [{n: t["correct"] for n, t in tasks.items()} for tasks in ran["tasks"]]
    means = [harness.mean(tasks.values()) for tasks in ran["tasks"]]
    ran["accuracy"], ran["error"] = zip(*means, strict=True)
    return ran


def reproduced(p: ZeroShot, ran: pandas.DataFrame) -> HTML:
    """Our mean accuracies beside the printed ones, where a model is one of the paper's."""
    value = "mean_accuracy_percent"
    return perplexity.shown(4, kept(ran).assign(**{value: 100 * ran["accuracy"]}), p, value)


def layout(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Mean accuracy ± its standard error in percent, laid out as the paper's Table 4.

    With several calibration seeds, both are means over these: the questions are the same.
    """
    keys = ["method", "pattern", "model"]
    averaged = kept(ran).groupby(keys, sort=False)[["accuracy", "error"]].mean().reset_index()
    text = [percent(a, e) for a, e in zip(averaged["accuracy"], averaged["error"], strict=True)]
    return perplexity.layout(averaged.assign(text=text), "text")


def by_task(ran: pandas.DataFrame) -> pandas.DataFrame:
    """The paper's appendix: accuracy ± standard error of each task, a row for each cell.

    A first row says what guessing gets. With several seeds, the first one.
    """
    first = kept(ran).drop_duplicates(["model", "method", "pattern"])
    guesses = {name: f"{100 * t['guessing']:.1f}" for name, t in first["tasks"].iloc[0].items()}
    rows = [{"model": "", "method": "guessing", "sparsity": ""} | guesses]
    for cell in first.itertuples():
        head = {"model": cell.model, "method": paper.title(cell.method)}
        head["sparsity"] = perplexity.sparsity(cell.pattern)
        found = {n: percent(t["accuracy"], t["standard_error"]) for n, t in cell.tasks.items()}
        rows.append(head | found)
    return pandas.DataFrame(rows).rename(columns=short)


def guessing(ran: pandas.DataFrame) -> pandas.DataFrame:
    """What each task is worth: is a dense model above guessing (exact test, 5 % over all tasks)?

    Columns task, questions, guessing (percent) and one for each model, with its 95 % interval.
    """
    dense = kept(ran)[kept(ran)["method"] == paper.DENSE]
    rows = []
    for name, task in dense["tasks"].iloc[0].items():
        rows.append({"task": short(name), "questions": task["count"]})
        rows[-1]["guessing"] = f"{100 * task['guessing']:.1f}"
        for model, found in zip(dense["model"], dense["tasks"], strict=True):
            word = "" if above_guessing(found[name], len(found)) else ", no better than guessing"
            low, high = claims.accuracy.interval(sum(found[name]["correct"]), found[name]["count"])
            share = f"{100 * found[name]['accuracy']:.1f} ({100 * low:.1f} to {100 * high:.1f})"
            rows[-1][model] = share + word
    return pandas.DataFrame(rows)


def above_guessing(result: dict, tasks: int) -> bool:
    """Whether a model knows something of a task, one of so many."""
    return claims.accuracy.above_chance(
        sum(result["correct"]), result["count"], result["guessing"], tasks
    )


def mean_guess(ran: pandas.DataFrame) -> float:
    """The mean accuracy that guessing gets."""
    guesses = [task["guessing"] for task in ran["tasks"].iloc[0].values()]
    return sum(guesses) / len(guesses)


def guessed(ran: pandas.DataFrame) -> list[str]:
    """The tasks on which a dense model is no better than guessing, "task (model)"."""
    dense = kept(ran)[kept(ran)["method"] == paper.DENSE]
    return [
        f"{short(name)} ({model})"
        for model, found in zip(dense["model"], dense["tasks"], strict=True)
        for name, result in found.items()
        if not above_guessing(result, len(found))
    ]


def facts(p: ZeroShot, ran: pandas.DataFrame) -> dict:
    """What the page's provenance says of the table's run."""
    results = [task for tasks in ran["tasks"] for task in tasks.values()]
    sizes = sorted({task["batch_size"] for task in results})
    bos = {row.model: next(iter(row.tasks.values()))["bos"] for row in ran.itertuples()}
    first = ran["tasks"].iloc[0]
    cut = {row.model: sum(t["truncated"] for t in row.tasks.values()) for row in ran.itertuples()}
    return perplexity.facts(p, ran) | {
        "records": records(ran),
        "harness": ", ".join(sorted({task["harness"] for task in results})) + ", 0-shot, acc",
        "tasks": ", ".join(f"{name} {task['questions'][:12]}" for name, task in first.items()),
        "token before each question": ", ".join(f"{m}: {b or 'nothing'}" for m, b in bos.items()),
        "requests at once": f"{sizes[0]} to {sizes[-1]}",
        "requests cut on the left": ", ".join(f"{m}: {n}" for m, n in cut.items()),
        "seconds of answering": f"{sum(task['seconds'] for task in results):.0f}",
    }


def records(ran: pandas.DataFrame) -> pandas.DataFrame:
    """`perplexity.records`, and the record of each task in a column with the task's name."""
    cells = perplexity.records(ran).rename(columns={"record": "perplexity"})
    cells.insert(3, "biases", ran["biases"])
    for name in ran["tasks"].iloc[0]:
        cells[short(name)] = [found[name]["record"][: perplexity.DIGITS] for found in ran["tasks"]]
    return cells


def printed(methods: list[str], patterns: list[str]) -> pandas.DataFrame:
    """Table 4 as printed, with the binomial standard error that its numbers must have."""
    shown = paper.table(4)
    wanted = shown["method"].isin(methods) | (shown["method"] == paper.DENSE)
    shown = shown[wanted & shown["pattern"].isin([paper.DENSE, *patterns])]
    accuracies = shown["mean_accuracy_percent"] / 100
    errors = accuracies.map(claims.printed.standard_error) / 100
    text = [percent(a, e, 2) for a, e in zip(accuracies, errors, strict=True)]
    return perplexity.layout(shown.assign(text=text), "text")


def task_differences(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """`claims.accuracy.task_tests` as a table: columns model, sparsity and one for each task.

    Entries "gained : lost", with an asterisk where the two methods differ.
    """
    rows: dict[tuple[str, str], dict] = {}
    for test in claims.accuracy.task_tests(ran, ours, other).itertuples():
        head = {"model": test.model, "sparsity": paper.sparsity(test.pattern)}
        text = f"{test.gained} : {test.lost}".replace(" ", "\N{NO-BREAK SPACE}")
        row = rows.setdefault((test.model, test.pattern), head)
        row[short(test.task)] = text + " *" * test.differs
    return pandas.DataFrame(rows.values())


DROPPED_NAMES = {
    "perplexity_dropped": "biases dropped",
    "times": "change",
    "accuracy": "accuracy, %",
    "accuracy_dropped": "biases dropped",
    "points": "kept − dropped, points",
    "verdict": "keeping is better",
}


def dropped_layout(judged: pandas.DataFrame) -> pandas.DataFrame:
    """What `claims.accuracy.dropped` found, written for readers; headings in `DROPPED_NAMES`."""
    signed = "{:+.1f}".format
    ends = zip(100 * judged["low"], 100 * judged["high"], strict=True)
    frame = judged.assign(
        method=judged["method"].map(paper.title),
        sparsity=judged["pattern"].map(paper.sparsity),
        times=[f"{signed(100 * (t - 1))} %".replace("-", "−") for t in judged["times"]],
        points=[f"{signed(low)} to {signed(high)}".replace("-", "−") for low, high in ends],
        perplexity=judged["perplexity"].map("{:.2f}".format),
        perplexity_dropped=judged["perplexity_dropped"].map("{:.2f}".format),
        accuracy=(100 * judged["accuracy"]).map("{:.1f}".format),
        accuracy_dropped=(100 * judged["accuracy_dropped"]).map("{:.1f}".format),
    )
    return frame[["model", "method", "sparsity", "perplexity", "perplexity_dropped", "times",
                  "accuracy", "accuracy_dropped", "points", "verdict"]]  # fmt: skip


def kept(ran: pandas.DataFrame) -> pandas.DataFrame:
    """The cells of the table itself: biases as Eq. 7 has them."""
    return ran[ran["biases"] == KEPT]


def real_above(patterns: Sequence[str]) -> pandas.DataFrame:
    """STADE against Wanda on the official questions that both answered in a real model.

    The rule is `claims.accuracy.above`. Returns columns model, sparsity, claim, tasks, questions,
    points (of the mean accuracy, with the interval), seeds and verdict.
    """
    answered = earlier.answered(earlier.real())
    judged = claims.accuracy.above(answered, claims.accuracy.RIVALS[:1], patterns)
    rows = []
    for one in judged.itertuples():
        asked = answered.loc[answered["model"] == one.model, "answers"].iloc[0]
        change, low, high = (f"{100 * gap:+.1f}" for gap in (one.change, one.low, one.high))
        head = {"model": one.model, "sparsity": paper.sparsity(one.pattern)}
        head |= {"claim": f"{paper.title(one.ours)} > {paper.title(one.other)}"}
        head |= {"tasks": len(asked), "questions": sum(map(len, asked.values()))}
        points = f"{change} ({low} to {high})".replace("-", "−")
        rows.append(head | {"points": points, "seeds": one.seeds, "verdict": one.verdict})
    return pandas.DataFrame(rows)


def place(row: dict) -> tuple:
    """Where a row of `shipped.answers` stands: dense first, methods and tasks as the paper's."""
    method, pattern = row["method"], row["pattern"]
    at = [
        list(names).index(name) if name in names else len(names)
        for name, names in ((method, METHODS), (row["task"], tasks.OFFICIAL))
    ]
    return method != paper.DENSE, pattern, at[0], row["seed"], row["biases"], at[1]


def real_follows(patterns: Sequence[str]) -> Count:
    """Whether a real model's accuracy follows its perplexity, by `claims.accuracy.follows`."""
    answered = earlier.answered(earlier.real())
    return claims.verdicts.counted(claims.accuracy.follows(answered, patterns), unit="points")


def real_glue(patterns: Sequence[str]) -> dict[str, str]:
    """What a page's box says of the real models: `real_above` in words and `real_follows`."""
    points = [
        f"at {row.sparsity} {row.points} points, {row.verdict}, in {row.questions:,} questions of "
        f"{row.tasks} tasks"
        for row in real_above(patterns).itertuples()
    ]
    follows = str(real_follows(patterns))
    return {"real": "; ".join(points) or NOT_RUN, "real_follows": follows or NOT_RUN}


def percent(accuracy: float, error: float, digits: int = 1) -> str:
    """An accuracy with its standard error, in percent."""
    return f"{100 * accuracy:.{digits}f} ± {100 * error:.{digits}f}"


def short(task: str) -> str:
    """A task's name for the head of a column."""
    return questions.TASKS[task].name if task in questions.TASKS else task


def examples(names: str | Sequence[str]) -> pandas.DataFrame:
    """The first question of each embedded task among `names` (see `tasks.chosen`).

    Columns task, form (the official task that it imitates), text, with … where a choice goes,
    choices and right. Empty where all tasks are official.
    """
    rows = []
    for task in tasks.chosen(names):
        if task in questions.TASKS:
            asked = questions.questions(task)[0]
            row = {"task": short(task), "form": questions.TASKS[task].official}
            row["text"] = f"{asked.get('context', '')} … {asked.get('continuation', '')}".strip()
            row["choices"] = " / ".join(asked["choices"])
            rows.append(row | {"right": asked["choices"][asked["label"]]})
    return pandas.DataFrame(rows)


def by_model(table: pandas.DataFrame) -> HTML:
    """`by_task` with the rows of each model behind a line to click, those of guessing in each."""
    guess = table[table["model"] == ""]
    return HTML(
        "\n".join(
            f'<details class="records"><summary>{escape(model)}: {len(rows)} rows</summary>\n'
            f"{html.table(pandas.concat([guess, rows]).drop(columns='model')).data}</details>"
            for model, rows in table.drop(guess.index).groupby("model", sort=False)
        )
    )
