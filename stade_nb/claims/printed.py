"""The paper's text against its own tables: arithmetic on the printed numbers, nothing else.

Everything is recomputed from data/paper; "better" means lower perplexity or higher accuracy.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import pandas
from scipy import stats

from stade_nb.claims import paper, verdicts
from stade_nb.claims.verdicts import FAILS, HOLDS, PRINTED, UNDECIDED, Decided, held
from stade_nb.errors import unknown

NM = ("2:4", "4:8")
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


def cells(number: int, method: str, other: str) -> pandas.DataFrame:
    """Each comparison of `method` with `other` in a table: model, pattern, both values, outcome."""
    both = wide(number)[[method, other]].dropna()
    gain = (both[method] - both[other]) * (1 if number == 4 else -1)
    outcome = gain.map(lambda g: "better" if g > 0 else "worse" if g < 0 else "equal")
    return both.assign(outcome=outcome).reset_index()


def counts(compared: pandas.DataFrame) -> Counts:
    """The outcomes of some comparisons, counted."""
    return Counts(*((compared["outcome"] == word).sum().item() for word in Counts._fields))


def growth() -> pandas.DataFrame:
    """Table 3: perplexity after pruning over that before; rows (model, pattern), column a method.

    What Sec. 4.2's "more than a threefold increase" and "approximately 1.5 times" speak of.
    """
    return wide(3).div(dense(3), axis="index", level="model")


def relative_gain(number: int = 3) -> pandas.DataFrame:
    """log(Wanda / STADE) of the printed perplexities, a row for each model, a column a pattern.

    Positive where STADE is better; sorted by the mean over the patterns, in column "mean".
    """
    printed = wide(number)
    gains = (printed["wanda"] / printed["stade"]).map(math.log).unstack("pattern")
    return gains.assign(mean=gains.mean(axis=1)).sort_values("mean", ascending=False)


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
    gaps = (both[method] - both[other]).abs().round(6)
    return Counts(
        (gaps < span).sum().item(), (gaps == span).sum().item(), (gaps > span).sum().item()
    )


def above_dense() -> pandas.DataFrame:
    """Table 4: pruned models that are printed with a higher accuracy than the dense one."""
    printed, before = paper.table(4), dense(4)
    printed = printed.assign(dense=printed["model"].map(before))
    higher = printed["mean_accuracy_percent"] > printed["dense"]
    return printed[higher].reset_index(drop=True)


def noise() -> pandas.Series:
    """Table 5: log(STADE without bias / Wanda), printed, for each (model, pattern).

    Eq. 9 is Wanda's criterion, so in theory these two methods are one; how far apart they are
    printed is a measure of everything that theory leaves out.
    """
    printed = wide(5)
    return (printed["stade_without_bias"] / printed["wanda"]).map(math.log)


# Table 2 ---------------------------------------------------------------------------------------


def layers() -> pandas.DataFrame:
    """Table 2: for each (layer, sparsity) both metrics' perplexities, `predicted` (†) and outcome.

    Columns layer, input, sparsity, wanda, std, predicted, outcome (of the predicted metric).
    """
    printed = paper.table(2)
    both = printed.pivot(
        index=["layer", "input", "sparsity"], columns="metric", values="perplexity"
    ).reset_index()
    marked = printed[printed["predicted_better"] == 1].drop_duplicates("layer")
    both["predicted"] = both["layer"].map(marked.set_index("layer")["metric"])
    gain = (both["wanda"] - both["std"]) * both["predicted"].map({"std": 1, "wanda": -1})
    outcome = gain.map(lambda g: "better" if g > 0 else "worse" if g < 0 else "equal")
    return both.assign(outcome=outcome).rename_axis(columns=None)


def hurts_most(metric: str = "predicted") -> pandas.Series:
    """Table 2: the layer type whose pruning gives the highest perplexity, for each sparsity.

    metric: "wanda", "std", or "predicted" (†, what the paper's analysis chooses for each layer).
    Several layer types of equal perplexity are joined by commas. StadeError for another metric.
    """
    both = layers()
    if metric == "predicted":
        value = both["wanda"].where(both["predicted"] == "wanda", both["std"])
    elif metric in ("wanda", "std"):
        value = both[metric]
    else:
        raise unknown("metric of Table 2", metric, ("predicted", "wanda", "std"))
    both = both.assign(value=value)
    highest = both["value"] == both.groupby("sparsity")["value"].transform("max")
    return both[highest].groupby("sparsity")["layer"].agg(", ".join)


def growth_at(sparsity: float) -> pandas.DataFrame:
    """Table 2: perplexity at `sparsity` over Llama-7B's dense one; a row for each layer and metric.

    StadeError where the table does not have that sparsity.
    """
    printed = paper.table(2)
    if sparsity not in set(printed["sparsity"]):
        raise unknown("sparsity of Table 2", sparsity, sorted(set(printed["sparsity"])))
    rows = printed[printed["sparsity"] == sparsity]
    times = rows["perplexity"] / dense(3)["llama-7b"]
    return rows.assign(times=times)[["layer", "metric", "perplexity", "times"]]


def decide() -> Iterator[Decided]:
    """Secs. 4.1–4.5 against Tables 2–6 as printed."""
    yield from of_table2()
    for claim in ("best-without-update", "unstructured-equal", "nm-bias-better"):
        number = 3 if claim == "best-without-update" else 5
        made = [c for c in paper.TEXT_CLAIMS[number] if c.id == claim]
        verdict, count = verdicts.printed(number, made)
        span = "within 1 % of" if made[0].comparable else "lower than"
        others = " and ".join(paper.title(c.above) for c in made)
        where = f"Table {number}, {', '.join(made[0].patterns)}"
        rule = f"{where}: STADE is {span} {others} in every cell"
        yield Decided(claim, PRINTED, rule, count, verdict)
    yield from _of_growth()
    yield from _of_table4()
    for claim, method, other in (
        ("sparsegpt-best", "sparsegpt", None),
        ("update-essential", "stade", "sparsegpt_without_update"),
    ):
        table = wide(6)
        rival = table.drop(columns=method).min(axis=1) if other is None else table[other]
        lower = int((table[method] < rival).sum())
        than = "any other method" if other is None else paper.title(other)
        yield Decided(
            claim,
            PRINTED,
            f"Table 6: {paper.title(method)} is lower than {than} in every cell",
            f"{lower} of {len(table)}",
            held(lower == len(table)),
        )


def of_table2() -> Iterator[Decided]:
    """Sec. 4.1 against Table 2 as printed."""
    both = layers()
    for claim, where, metric in (
        ("std-better-uncentred", "not centered", "STD"),
        ("wanda-better-centred", "centered", "Wanda"),
    ):
        count, verdict = _never_worse(counts(both[both["input"] == where]))
        rule = f"Table 2, layers marked {where}: {metric} is never higher than the other metric"
        yield Decided(claim, PRINTED, rule, count, verdict)
    last = both[(both["sparsity"] == 0.9) & (both["input"] == "centered")]
    lower = int((last["std"] < last["wanda"]).sum())
    rule = "Table 2 at 90 %, centred inputs: STD is lower than Wanda for every layer type"
    yield Decided(
        "std-better-at-90", PRINTED, rule, f"{lower} of {len(last)}", held(lower == len(last))
    )
    times = growth_at(0.9)["times"]
    count = f"{(times > 2).sum()} of {len(times)}, least {times.min():.2f} times"
    rule = "Table 2 at 90 %: every perplexity is more than twice the dense one"
    yield Decided("doubled-at-90", PRINTED, rule, count, held(bool((times > 2).all())))
    worst = hurts_most()
    mlp = worst.str.startswith("mlp.")
    rule = "Table 2, each layer type by its † metric: an MLP layer has the highest perplexity at "
    yield Decided(
        "mlp-hurts-most",
        PRINTED,
        rule + "every sparsity",
        f"{mlp.sum()} of {len(mlp)}: from {100 * worst[mlp].index.min():.0f} % on",
        held(bool(mlp.all())),
    )


def _of_growth() -> Iterator[Decided]:
    times = growth()
    newer, older = times.loc["llama-3.1-8b"], times.loc["llama-3-8b"].drop(columns="magnitude")
    tripled, near = (
        int((newer > 3).sum().sum()),
        int(older.round(1).isin([1.4, 1.5, 1.6]).sum().sum()),
    )
    yield Decided(
        "threefold",
        PRINTED,
        "Table 3, every pattern: Llama-3.1-8B above 3 times dense with every method, and "
        "Llama-3-8B, magnitude apart, 1.4 to 1.6 times (rounded)",
        f"{tripled} of {newer.size} and {near} of {older.size}",
        held(tripled == newer.size and near == older.size),
    )
    ranking = list(relative_gain().index)
    top = len(set(ranking[:3]) & set(DISTILLED))
    third = sum(name.startswith("llama-3") for name in ranking[:4])
    yield Decided(
        "distilled-gain-most",
        PRINTED,
        "Table 3: the three models that Sec. 4.2 calls distilled gain most, by the mean over the "
        "patterns of log(Wanda / STADE)",
        f"{top} of the first 3; Llama-3-8B is number {ranking.index('llama-3-8b') + 1}. Read as "
        f"Secs. 4.4 and 6 have it, all of Llama-3: {third} of the first 4",
        held(top == 3),
    )


def _of_table4() -> Iterator[Decided]:
    both = cells(4, "stade", "wanda")
    other = cells(3, "stade", "wanda")
    shared = both.merge(other, on=["model", "pattern"], suffixes=("", "_perplexity"))
    shared = shared[shared["outcome_perplexity"] != "equal"]
    same = int((shared["outcome"] == shared["outcome_perplexity"]).sum())
    chance = stats.binomtest(same, len(shared)).pvalue
    agree = HOLDS if 2 * same > len(shared) else FAILS
    yield Decided(
        "zero-shot-follows",
        PRINTED,
        "Tables 3 and 4, STADE and Wanda: the lower perplexity goes with the higher accuracy more "
        "often than a coin would have it (sign test, 5 %)",
        f"{same} of {len(shared)} (p = {chance:.2f})",
        agree if chance < 0.05 else UNDECIDED,
    )
    accuracies = wide(4).query("pattern in @NM", local_dict={"NM": NM})
    rivals = accuracies.drop(columns="stade")
    best = int(accuracies["stade"].gt(rivals.max(axis=1)).sum())
    wanda = int(accuracies["stade"].gt(accuracies["wanda"]).sum())
    yield Decided(
        "zero-shot-nm",
        PRINTED,
        "Table 4, N:M: STADE is above Wanda and STADE (w/o bias) in every cell",
        f"above both in {best} of {len(accuracies)}, above Wanda in {wanda}",
        held(best == len(accuracies)),
    )


def _never_worse(found: Counts) -> tuple[str, str]:
    count = f"lower in {found.better}, equal in {found.equal}, higher in {found.worse}"
    return f"{count} of {found.total}", held(found.better > 0 and found.worse == 0)
