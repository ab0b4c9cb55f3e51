"""How sure an accuracy is, whether two differ, and what accuracies decide (Sec. 4.4)."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import pandas
from scipy import stats
from scipy.stats import binomtest

from stade_nb.claims import verdicts
from stade_nb.claims.verdicts import (
    CONFIDENCE,
    CONTRADICTED,
    OPEN,
    RUNS,
    SUPPORTED,
    Difference,
    Verdict,
    decides,
    shared_confidence,
)
from stade_nb.errors import StadeError
from stade_nb.numerics.bias import DROPPED, KEPT

LEVEL = 0.05


def interval(correct: int, questions: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of an accuracy.

    >>> [round(end, 3) for end in interval(150, 300)]
    [0.442, 0.558]
    """
    found = binomtest(correct, questions).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)


def p_value(correct: int, questions: int, chance: float) -> float:
    """The probability that guessing answers at least as many questions (one-sided binomial)."""
    return float(binomtest(correct, questions, chance, alternative="greater").pvalue)


def above_chance(correct: int, questions: int, chance: float, tasks: int = 1) -> bool:
    """Whether an accuracy is above chance at the 5 % level, Bonferroni-corrected over `tasks`."""
    return p_value(correct, questions, chance) < LEVEL / tasks


# By task, one number for each question: 0 or 1, or a mean over calibration seeds.
Answers = Mapping[str, Sequence[float]]


class McNemar(NamedTuple):
    """Questions that only `ours`, and that only the `other` answers correctly, and the p value."""

    ours: int
    other: int
    p: float


def mcnemar(ours: Sequence[int], other: Sequence[int]) -> McNemar:
    """McNemar's exact test, two-sided, on one task's answers, 0 or 1, to the same questions."""
    pairs = list(zip(ours, other, strict=True))
    gained, lost = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    p = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return McNemar(gained, lost, float(p))


def difference(ours: Answers, other: Answers, confidence: float = CONFIDENCE) -> Difference:
    """Mean accuracy of `ours` - that of the `other`, unweighted over the tasks, with interval.

    StadeError for other tasks on one side than on the other, or a task of fewer than 2 questions.
    """
    if ours.keys() != other.keys() or not ours:
        raise StadeError(
            f"answers to {', '.join(ours) or 'no task'} against {', '.join(other) or 'none'}: "
            "expected the same tasks"
        )
    means, variances = [], []
    for task in ours:
        gaps = [a - b for a, b in zip(ours[task], other[task], strict=True)]
        if len(gaps) < 2:
            raise StadeError(f"{len(gaps)} question of {task}: expected 2 or more for an interval")
        mean = math.fsum(gaps) / len(gaps)
        spread = math.fsum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
        means.append(mean)
        variances.append(spread / len(gaps))
    mean, error = math.fsum(means) / len(means), math.sqrt(math.fsum(variances)) / len(means)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * error
    return Difference(mean, mean - half, mean + half)


def verdict(found: Difference, by_seed: Sequence[float] = ()) -> str:
    """The word for "above", by the rules of `verdicts` turned round."""
    low, high = min([found.low, *by_seed]), max([found.high, *by_seed])
    return SUPPORTED if low > 0 else CONTRADICTED if high < 0 else OPEN


class Way(NamedTuple):
    """All that is known of one way to prune one model: losses and answers, each by seed."""

    losses: dict[int, list[float]]
    answers: dict[int, dict[str, list[int]]]


def compare(ours: Way, other: Way, confidence: float) -> tuple[Difference, str, str]:
    """The difference of two ways' mean accuracies, the seeds that agree ("2 of 3"), the verdict."""
    pairs = verdicts.matched(ours.answers, other.answers)
    averaged = [
        {task: [math.fsum(a) / len(a) for a in zip(*(p[side][task] for p in pairs), strict=True)]
         for task in pairs[0][side]}
        for side in (0, 1)
    ]  # fmt: skip
    found = difference(*averaged, confidence)
    alone = [difference(*pair, confidence).mean for pair in pairs]
    agree = f"{sum(gap * found.mean > 0 for gap in alone)} of {len(alone)}"
    return found, agree, verdict(found, alone)


def ways(ran: pandas.DataFrame) -> dict[tuple[str, str, str], Way]:
    """By (model, method, pattern). ran: columns model, method, pattern, seed, losses, answers."""
    found: dict[tuple[str, str, str], Way] = {}
    for row in ran.itertuples():
        way = found.setdefault((row.model, row.method, row.pattern), Way({}, {}))
        way.losses[row.seed], way.answers[row.seed] = row.losses, row.answers
    return found


def above(ran: pandas.DataFrame, pairs: Iterable[tuple[str, str]], patterns: Sequence[str]):
    """ "A above B" on each model at each pattern, for each pair (A, B) of methods.

    All comparisons share the 95 %. Returns columns pattern, claim, model, ours, other, change, low,
    high (of the accuracy), seeds, verdict.
    """
    known = ways(ran)
    models = list(dict.fromkeys(ran["model"]))
    asked = [
        (pattern, a, b, model)
        for a, b in pairs
        for pattern in patterns
        for model in models
        if (model, a, pattern) in known and (model, b, pattern) in known
    ]
    rows = []
    for pattern, a, b, model in asked:
        two = known[model, a, pattern], known[model, b, pattern]
        found, agree, word = compare(*two, shared_confidence(len(asked)))
        rows.append((pattern, model, a, b, *found, agree, word))
    columns = ["pattern", "model", "ours", "other", "change", "low", "high", "seeds", "verdict"]
    return pandas.DataFrame(rows, columns=columns)


def follows(ran: pandas.DataFrame, patterns: Sequence[str]) -> pandas.DataFrame:
    """Whether accuracy follows perplexity, for each model, pattern and pair of ways.

    Both differences of all comparisons share the 95 %. Returns columns pattern, model, lower (the
    way with the lower perplexity), higher, perplexity, accuracy (verdicts on "lower is lower" and
    on "lower is more accurate"), change (of the accuracy, lower - higher), verdict.
    """
    known, asked = ways(ran), []
    for model in dict.fromkeys(ran["model"]):
        for pattern in patterns:
            methods = [m for name, m, p in known if name == model and p == pattern]
            at = {m: known[model, m, pattern] for m in methods}
            at |= {m: way for (name, m, p), way in known.items() if name == model and m == "dense"}
            asked += [(model, pattern, pair, at) for pair in combinations(at, 2)]
    confidence = shared_confidence(2 * len(asked))
    rows = []
    for model, pattern, pair, at in asked:
        windows, alone = verdicts.paired(*(at[way].losses for way in pair))
        lower, higher = pair if sum(alone) < 0 else pair[::-1]
        windows, alone = verdicts.paired(at[lower].losses, at[higher].losses)
        gap = verdicts.difference(*zip(*windows, strict=True), confidence)
        perplexity = verdicts.verdict(gap, by_seed=alone)
        found, _, accuracy = compare(at[lower], at[higher], confidence)
        word = OPEN if perplexity == OPEN else accuracy
        rows.append((pattern, model, lower, higher, perplexity, accuracy, found.mean, word))
    columns = ["pattern", "model", "lower", "higher", "perplexity", "accuracy", "change", "verdict"]
    return pandas.DataFrame(rows, columns=columns)


RIVALS = [("stade", "wanda"), ("stade", "stade_without_bias")]  # of "outperforms", Sec. 4.4


def nm(patterns: Sequence[str]) -> list[str]:
    """The N:M patterns among them, of which the claim speaks."""
    return [pattern for pattern in patterns if ":" in pattern]


@decides(RUNS, "table4_zero_shot", "zero-shot-nm", "zero-shot-follows")
def decide(above: pandas.DataFrame, follows: pandas.DataFrame) -> Iterator[Verdict]:
    """Sec. 4.4. above: from `above`, of `RIVALS` at N:M patterns; follows: from `follows`."""
    for claim, rule, rows in (
        (
            "zero-shot-nm",
            "N:M, on each model: STADE above Wanda, and above STADE (w/o bias), beyond noise",
            above,
        ),
        (
            "zero-shot-follows",
            "each model, pattern and two of its ways, dense among them: the lower perplexity with "
            "the higher accuracy, both beyond noise",
            follows,
        ),
    ):
        models = ", ".join(rows["model"].unique())
        yield Verdict(claim, RUNS, rule, verdicts.counted(rows, unit="points"), models)


def decide_dropped(dropped: pandas.DataFrame) -> Iterator[Verdict]:
    """What the corrected biases are worth, which a reload loses. dropped: from `dropped`."""
    models = ", ".join(dropped["model"].unique())
    lower = (1 - dropped["times"]).map(verdicts.side)
    yield Verdict(
        "biases-lower-perplexity", RUNS, "each cell: perplexity lower with the corrected biases",
        verdicts.count(lower, dropped["times"], "times"), models,
        "perplexity is higher without the corrected biases",
    )  # fmt: skip
    yield Verdict(
        "biases-raise-accuracy", RUNS, "each cell: accuracy higher with them, beyond noise",
        verdicts.counted(dropped, unit="points"), models,
        "accuracy is lower without the corrected biases",
    )  # fmt: skip


def task_tests(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """McNemar's test of two methods on every task; with several seeds, on the first.

    Columns model, pattern, task, gained and lost (questions that only `ours` and only the `other`
    answers correctly), differs (p below 5 % over all tests of the table, Bonferroni).
    """
    first = ran.drop_duplicates(["model", "method", "pattern"])
    cells = {(c.model, c.pattern, c.method): c.answers for c in first.itertuples()}
    rows = [
        (model, pattern, task, *mcnemar(answers[task], cells[model, pattern, other][task]))
        for (model, pattern, method), answers in cells.items()
        if method == ours and (model, pattern, other) in cells
        for task in answers
    ]
    found = pandas.DataFrame(rows, columns=["model", "pattern", "task", "gained", "lost", "p"])
    return found.assign(differs=found["p"] * len(found) < LEVEL).drop(columns="p")


def pairing(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """What pairing gains: of two methods, how alike their answers are and the errors that gives.

    Columns model, pattern, alike (share of questions that both or neither answers), paired and
    unpaired (standard errors of the difference of mean accuracies).
    """
    first = ran.drop_duplicates(["model", "method", "pattern"])
    cells = {(c.model, c.pattern, c.method): c for c in first.itertuples()}
    rows = []
    for (model, pattern, method), one in cells.items():
        if method != ours or (model, pattern, other) not in cells:
            continue
        two = cells[model, pattern, other]
        pairs = [
            pair
            for task in one.answers
            for pair in zip(one.answers[task], two.answers[task], strict=True)
        ]
        alike = sum(a == b for a, b in pairs) / len(pairs)
        found = difference(one.answers, two.answers, math.erf(math.sqrt(0.5)))
        rows.append(
            (model, pattern, alike, found.high - found.mean, math.hypot(one.error, two.error))
        )
    return pandas.DataFrame(rows, columns=["model", "pattern", "alike", "paired", "unpaired"])


def dropped(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Corrected biases kept and dropped: what each does to perplexity and to mean accuracy.

    Changes are "dropped" against "kept", relative for the perplexity; all comparisons of a column
    share the 95 %. Columns model, method, pattern, perplexity, perplexity_dropped, times,
    accuracy, accuracy_dropped, change, low, high, verdict (on "keeping is more accurate").
    """
    keys = ["model", "method", "pattern", "seed"]
    both = ran[ran["biases"] == KEPT].merge(
        ran[ran["biases"] == DROPPED], on=keys, suffixes=("", "_dropped"), validate="one_to_one"
    )
    rows = []
    for cell in both.itertuples():
        found = difference(cell.answers, cell.answers_dropped, shared_confidence(len(both)))
        rows.append((*found, verdict(found)))
    judged = pandas.DataFrame(rows, columns=["change", "low", "high", "verdict"])
    shown = both[[*keys, "perplexity", "perplexity_dropped", "accuracy", "accuracy_dropped"]]
    ratio = shown["perplexity_dropped"] / shown["perplexity"]
    return pandas.concat([shown.assign(times=ratio), judged], axis="columns")
