"""The paper's text against its own tables: arithmetic on the printed numbers, nothing else.

Everything is recomputed from data/paper; "better" means lower perplexity or higher accuracy.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas
from scipy import stats

from stade_book.claims import paper
from stade_nb.errors import unknown

NM = ("2:4", "4:8")
OF_TABLE_2 = "llama-7b"
DISTILLED = ("llama-3.1-8b", "llama-3.2-1b", "llama-3.2-3b")  # so the paper groups them
# Questions of each task's evaluation split in the harness: validation where tests are not public.
TASK_SIZES = {
    "boolq": 3270,
    "rte": 277,
    "hellaswag": 10042,
    "winogrande": 1267,
    "arc_easy": 2376,
    "arc_challenge": 1172,
    "openbookqa": 500,
}


class Counts(NamedTuple):
    """In how many comparisons one is better than, equal to or worse than the other."""

    better: int
    equal: int
    worse: int

    @property
    def total(self) -> int:
        """The number of comparisons."""
        return sum(self)


def _value(number: int) -> str:
    return "mean_accuracy_percent" if number == 4 else "perplexity"


def wide(number: int) -> pandas.DataFrame:
    """Table 3, 4, 5 or 6 with a row for each (model, pattern) and a column for each method.

    StadeError for another number.
    """
    if number not in (3, 4, 5, 6):
        raise unknown("table of methods", number, (3, 4, 5, 6))
    printed, value = paper.table(number), _value(number)
    cells = printed.pivot(index=["model", "pattern"], columns="method", values=value)
    return cells.drop(columns="dense").dropna(how="all")


def dense(number: int) -> pandas.Series:
    """What a table prints for each model before pruning."""
    return paper.table(number).query("method == 'dense'").set_index("model")[_value(number)]


def outcome(gain: float) -> str:
    """Better, equal or worse: the field of `Counts` in which a comparison counts."""
    return "better" if gain > 0 else "worse" if gain < 0 else "equal"


def cells(number: int, method: str, other: str) -> pandas.DataFrame:
    """Each comparison of `method` with `other` in a table: model, pattern, both values, outcome."""
    both = wide(number)[[method, other]].dropna()
    gain = (both[method] - both[other]) * (1 if number == 4 else -1)
    return both.assign(outcome=gain.map(outcome)).reset_index()


def counts(compared: pandas.DataFrame) -> Counts:
    """The outcomes of some comparisons, counted."""
    return Counts(*((compared["outcome"] == word).sum().item() for word in Counts._fields))


def growth() -> pandas.DataFrame:
    """Table 3: perplexity after pruning over that before; rows (model, pattern), column a method.

    What Sec. 4.2's "more than a threefold increase" and "approximately 1.5 times" speak of.
    """
    return wide(3).div(dense(3), axis="index", level="model")


def standard_error(accuracy: float = 0.5) -> float:
    """Table 4: binomial standard error of a seven-task mean, in points (percent).

    `accuracy`: of every task; a half gives the largest. Methods that answer the same questions are
    correlated, so the error of a difference may be smaller than √2 times this, or larger than it.
    """
    variance = sum(accuracy * (1 - accuracy) / size for size in TASK_SIZES.values())
    return 100 * math.sqrt(variance) / len(TASK_SIZES)


def within(number: int, method: str, other: str, span: float) -> Counts:
    """How many differences of `method` and `other` are smaller than, equal to, above `span`."""
    both = cells(number, method, other)
    room = span - (both[method] - both[other]).abs().round(6)
    return counts(pandas.DataFrame({"outcome": room.map(outcome)}))


def above_dense() -> pandas.DataFrame:
    """Table 4: pruned models that are printed with a higher accuracy than the dense one."""
    printed = paper.table(4)
    printed = printed.assign(dense=printed["model"].map(dense(4)))
    return printed.query("mean_accuracy_percent > dense").reset_index(drop=True)


def noise() -> pandas.Series:
    """Table 5: log(STADE without bias / Wanda), printed, for each (model, pattern).

    Eq. 9 is Wanda's criterion, so in theory these two methods are one; how far apart they are
    printed is a measure of everything that theory leaves out.
    """
    printed = wide(5)
    return (printed["stade_without_bias"] / printed["wanda"]).map(math.log)


def accuracy_noise(pairing: pandas.DataFrame) -> pandas.DataFrame:
    """Table 4: printed differences of STADE and Wanda against what chance alone would give.

    pairing: from `accuracy.pairing`; its mean ratio of paired to unpaired errors is taken over.
    Columns error (how it is reckoned), points (beyond which one difference in twenty is chance,
    mean over the cells), above, below and within (how many of the printed differences).
    """
    both = wide(4)[["stade", "wanda"]].dropna()
    gaps = both["stade"] - both["wanda"]
    errors = np.hypot(*(both[m].div(100).map(standard_error) for m in both))
    ratio = float((pairing["paired"] / pairing["unpaired"]).mean())
    ways = {"other questions for each method": 1.0, "the same questions, as alike as here": ratio}
    rows = []
    for way, factor in ways.items():
        if math.isfinite(factor):
            reach = float(stats.norm.ppf(0.975)) * factor * errors
            above, below = int((gaps > reach).sum()), int((gaps < -reach).sum())
            rows.append((way, float(reach.mean()), above, below, len(gaps) - above - below))
    return pandas.DataFrame(rows, columns=["error", "points", "above", "below", "within"])


# Table 2 ---------------------------------------------------------------------------------------


def layers() -> pandas.DataFrame:
    """Table 2: a row for each (layer, sparsity), with the perplexities of both metrics.

    Columns layer, input, sparsity, wanda, std, predicted (the metric that is marked †), marked (its
    perplexity), change (from the other metric to it, relative), outcome (of the marked one).
    """
    printed = paper.table(2)
    keys = ["layer", "input", "sparsity"]
    both = printed.pivot(index=keys, columns="metric", values="perplexity").reset_index()
    marked = printed[printed["predicted_better"] == 1].drop_duplicates("layer")
    both["predicted"] = both["layer"].map(marked.set_index("layer")["metric"])
    by_wanda = both["predicted"] == "wanda"
    own = both["wanda"].where(by_wanda, both["std"])
    other = both["std"].where(by_wanda, both["wanda"])
    both = both.assign(marked=own, change=own / other - 1, outcome=(other - own).map(outcome))
    return both.rename_axis(columns=None)


def hurts_most(metric: str = "marked") -> pandas.Series:
    """Table 2: the layer type whose pruning gives the highest perplexity, for each sparsity.

    metric: "wanda", "std", or "marked" (†, what the paper's analysis chooses for each layer).
    Several layer types of equal perplexity are joined by commas. StadeError for another metric.
    """
    if metric not in (known := ("marked", "wanda", "std")):
        raise unknown("metric of Table 2", metric, known)
    both = layers()
    highest = both[metric] == both.groupby("sparsity")[metric].transform("max")
    return both[highest].groupby("sparsity")["layer"].agg(", ".join)


def growth_at(sparsity: float) -> pandas.DataFrame:
    """Table 2: perplexity at `sparsity` over Llama-7B's dense one; a row for each layer and metric.

    StadeError where the table does not have that sparsity.
    """
    printed = paper.table(2)
    if sparsity not in set(printed["sparsity"]):
        raise unknown("sparsity of Table 2", sparsity, sorted(set(printed["sparsity"])))
    rows = printed[printed["sparsity"] == sparsity]
    times = rows["perplexity"] / dense(3)[OF_TABLE_2]
    return rows.assign(times=times)[["layer", "metric", "perplexity", "times"]]
