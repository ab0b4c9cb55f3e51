"""Which differences of accuracy are real, by rules fixed before any model of ours was questioned.

- Two models, or two ways to prune one, answer the same questions. On one task McNemar's exact test
  looks at the questions that only one of them answers correctly: a coin would give each half.
- The mean of several tasks: the paired differences of a task's answers have a mean and a variance;
  the tasks' means are averaged without weights, and their errors propagated to a normal interval.
  With several calibration seeds an answer is its mean over the seeds, and each seed by itself must
  give a difference on the side that a verdict says, or it is undecided.
- "A above B" holds where the whole interval says so, does not hold where the whole interval says
  the opposite, and is undecided otherwise.
- "Accuracy follows perplexity" is asked of each pair of ways at each pattern, the dense model among
  them. It holds where the lower perplexity goes with the higher accuracy, does not hold where it
  goes with the lower one, and is undecided unless both differences are decided.
- A claim over several models and patterns holds where each comparison does, and does not hold
  where one does not. Intervals are widened (Bonferroni) so that the claim as a whole has 95 %.

An interval covers the choice of questions of the kind asked, not that of other tasks.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import pandas
from scipy import stats

from stade_nb.claims import verdicts
from stade_nb.claims.verdicts import CONFIDENCE, FAILS, HOLDS, UNDECIDED, Difference
from stade_nb.errors import StadeError

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
    """The verdict on "above", by the rules at the head of this file."""
    low, high = min([found.low, *by_seed]), max([found.high, *by_seed])
    return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED


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
        found, agree, word = compare(*two, 1 - (1 - CONFIDENCE) / len(asked))
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
    confidence = 1 - (1 - CONFIDENCE) / (2 * len(asked)) if asked else CONFIDENCE
    rows = []
    for model, pattern, pair, at in asked:
        windows, alone = verdicts.paired(*(at[way].losses for way in pair))
        lower, higher = pair if sum(alone) < 0 else pair[::-1]
        windows, alone = verdicts.paired(at[lower].losses, at[higher].losses)
        gap = verdicts.difference(*zip(*windows, strict=True), confidence)
        perplexity = verdicts.verdict(gap, by_seed=alone)
        found, _, accuracy = compare(at[lower], at[higher], confidence)
        word = UNDECIDED if perplexity == UNDECIDED else accuracy
        rows.append((pattern, model, lower, higher, perplexity, accuracy, found.mean, word))
    columns = ["pattern", "model", "lower", "higher", "perplexity", "accuracy", "change", "verdict"]
    return pandas.DataFrame(rows, columns=columns)
