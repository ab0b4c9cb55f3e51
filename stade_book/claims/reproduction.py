"""Our values beside those that the paper prints for the same model, by rules fixed before any run.

- match: the two are equal after rounding to the two decimals that the paper prints.
- close: ours, as it is, lies within 2 % of the printed value.
- differs: everything else.
- Ours is the mean over the calibration seeds; which seed the printed value has is not known.
- Where text, number or length of the windows are not those of the paper's protocol, nothing is
  compared: the values answer different questions.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pandas

from stade_book.claims import paper, printed, verdicts
from stade_book.claims.verdicts import RUNS, Verdict
from stade_nb.models import CALIBRATION, EVALUATION, HubFile

MATCH, CLOSE, DIFFERS, APART = "match", "close", "differs", "not compared"
DECIMALS = 2
WITHIN = 0.02
WINDOWS, LENGTH = 128, 2048
FORMATS = {"printed": "{:.2f}", "ours": "{:.2f}", "difference": "{:+.1%}"}


def verdict(ours: float, printed: float) -> str:
    """Match, close or differs, by the rules at the head of this file."""
    if f"{ours:.{DECIMALS}f}" == f"{printed:.{DECIMALS}f}":
        return MATCH
    return CLOSE if abs(ours - printed) <= WITHIN * abs(printed) else DIFFERS


def departures(p: SimpleNamespace) -> list[str]:
    """In what a notebook's parameters depart from Section 4's protocol, in words; often nothing."""

    def is_text(source: str, known: dict[str, HubFile]) -> bool:
        ((name, hub),) = known.items()
        path = Path(source).expanduser()
        return source == name or path.name == Path(hub.file).name or (path / hub.file).is_file()

    # Only Table 4 has tasks, and a limit of them.
    tasks, limit = set(getattr(p, "tasks", ["official"])), getattr(p, "limit", None)
    found = {
        f"calibrated on {p.calibration}, not C4": not is_text(p.calibration, CALIBRATION),
        f"evaluated on {p.evaluation}, not WikiText-2": not is_text(p.evaluation, EVALUATION),
        f"{p.windows} calibration windows, not {WINDOWS}": p.windows != WINDOWS,
        f"{p.evaluation_windows} evaluation windows, not all": p.evaluation_windows is not None,
        f"windows of {p.window_length} tokens, not {LENGTH}": p.window_length not in (None, LENGTH),
        "other tasks than the paper's seven": tasks not in ({"official"}, set(printed.TASK_SIZES)),
        f"{limit} questions of each task, not all": limit is not None,
    }
    return [words for words, departs in found.items() if departs]


def beside(
    number: int, ran: pandas.DataFrame, p: SimpleNamespace, value: str = "perplexity"
) -> pandas.DataFrame:
    """Each printed `value` of Table `number` whose cell ran; empty where no model is the paper's.

    ran: from `tables.perplexity.run` or, for Table 2, `tables.layers.run`. p: the notebook's
    checked parameters. Returns columns model, method (for Table 2 layer and metric), sparsity,
    printed, ours (mean over the seeds), difference (relative), verdict.
    """
    keys = ["model", *(["layer", "metric", "sparsity"] if number == 2 else ["method", "pattern"])]
    table = paper.table(number)
    table = table if "model" in table else table.assign(model=printed.OF_TABLE_2)
    theirs = table.set_index(keys)[value].rename("printed")
    own = ran.drop(columns="model").rename(columns={"paper_model": "model"})
    means = own.dropna(subset="model").groupby(keys, sort=False)[value].mean()
    found = means.to_frame("ours").join(theirs, how="inner")
    found = found.reset_index().rename(columns={"pattern": "sparsity"})
    for column in found.columns.intersection(["method", "metric"]):
        found[column] = found[column].map(paper.title)
    found["sparsity"] = [paper.sparsity(str(each)) for each in found["sparsity"]]
    found["difference"] = found["ours"] / found["printed"] - 1
    pairs = zip(found["ours"], found["printed"], strict=True)
    found["verdict"] = APART if departures(p) else list(itertools.starmap(verdict, pairs))
    head = [*keys[:-1], "sparsity"]
    return found[[*head, "printed", "ours", "difference", "verdict"]]


TOKENS = 100  # of training text for a parameter outside the embeddings, at least


def of_models(quality: pandas.DataFrame, records: Sequence[Mapping]) -> Iterator[Verdict]:
    """Are the embedded models trained well enough to say something about pruning?

    quality: `cards.quality` with the column recomputed, the evaluation perplexity measured now.
    records: the models' training records in the same order.
    """
    run = pandas.DataFrame(records, index=quality.index)
    drift = (quality["recomputed"] / quality["evaluation"] - 1).abs()
    for name, true, text in (
        ("tokens", run["tokens_per_parameter"] >= TOKENS, f"at least {TOKENS} tokens a parameter"),
        ("better-than-ngrams", quality["evaluation"] < run["evaluation_ngram_perplexity"],
         "evaluation perplexity below that of 3-grams"),
        ("as-recorded", drift < 1e-3, "evaluation perplexity as recorded, to one in a thousand"),
    ):  # fmt: skip
        models = ", ".join(quality["model"])
        yield Verdict(name, RUNS, "each model", verdicts.checked(true), models, text)
