"""How sure an accuracy is, whether two differ, and what accuracies decide (Sec. 4.4)."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

import pandas
from scipy import stats

from stade_book.claims import verdicts
from stade_book.claims.pairing import by_seed, matched, shared
from stade_book.claims.paper import DENSE
from stade_book.claims.scorecard import decides_both
from stade_book.claims.verdicts import CONFIDENCE, Difference, Verdict, by_runs, shared_confidence
from stade_nb.errors import StadeError
from stade_nb.numerics.bias import DROPPED, KEPT

LEVEL = 0.05


def interval(correct: int, questions: int) -> tuple[float, float]:
    """The exact (Clopper-Pearson) 95 % interval of an accuracy.

    >>> [round(end, 3) for end in interval(150, 300)]
    [0.442, 0.558]
    """
    found = stats.binomtest(correct, questions).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def p_value(correct: int, questions: int, chance: float) -> float:
    """The probability that guessing answers at least as many questions (one-sided binomial)."""
    return float(stats.binomtest(correct, questions, chance, alternative="greater").pvalue)


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
        means.append(fmean(gaps))
        squares = math.fsum((gap - means[-1]) ** 2 for gap in gaps)
        variances.append(squares / (len(gaps) - 1) / len(gaps))
    mean, error = fmean(means), math.sqrt(math.fsum(variances)) / len(means)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * error
    return Difference(mean, mean - half, mean + half)


def verdict(found: Difference, by_seed: Sequence[float] = ()) -> str:
    """The word for "above": that the difference turned round is below, by `verdicts.verdict`."""
    turned = Difference(-found.mean, -found.high, -found.low)
    return verdicts.verdict(turned, by_seed=[-gap for gap in by_seed])


class Way(NamedTuple):
    """All that is known of one way to prune one model: losses and answers, each by seed."""

    losses: dict[int, list[float]]
    answers: dict[int, dict[str, list[int]]]


def compare(ours: Way, other: Way, confidence: float) -> tuple[Difference, str, str]:
    """The difference of two ways' mean accuracies, the seeds that agree ("2 of 3"), the verdict."""
    pairs = matched(ours.answers, other.answers)
    averaged = (
        {task: list(map(fmean, zip(*(answers[task] for answers in way), strict=True)))
         for task in way[0]}
        for way in zip(*pairs, strict=True)
    )  # fmt: skip
    found = difference(*averaged, confidence)
    alone = [difference(*pair, confidence).mean for pair in pairs]
    agree = f"{sum(gap * found.mean > 0 for gap in alone)} of {len(alone)}"
    return found, agree, verdict(found, alone)


def ways(ran: pandas.DataFrame) -> dict[tuple[str, str, str], Way]:
    """By (model, method, pattern). ran: columns model, method, pattern, seed, losses, answers."""
    keys = ["model", "method", "pattern"]
    losses, answers = (by_seed(ran, keys, value) for value in Way._fields)
    return {key: Way(losses[key], answers[key]) for key in losses}


def _on_shared_seeds(known: dict, cells: Iterable[tuple[str, str, str]]) -> tuple[Way, ...] | None:
    """Two ways of `ways` on the seeds that both ran; None where they share none."""
    both = [known.get(cell) for cell in cells]
    if None in both:
        return None
    kept = [
        shared(*kind, tuple(method for _, method, _ in cells)) for kind in zip(*both, strict=True)
    ]
    return tuple(map(Way, *kept)) if all(map(all, kept)) else None


def above(ran: pandas.DataFrame, pairs: Iterable[tuple[str, str]], patterns: Sequence[str]):
    """ "A above B" on each model at each pattern, for each pair (A, B), on the seeds that both ran.

    All comparisons share the 95 %. Returns columns pattern, model, ours, other, change, low, high
    (of the accuracy), seeds, verdict.
    """
    known = ways(ran)
    asked = [
        (pattern, model, *pair, both)
        for pair in pairs
        for pattern in patterns
        for model in ran["model"].unique()
        if (both := _on_shared_seeds(known, [(model, way, pattern) for way in pair]))
    ]
    rows = []
    for pattern, model, *pair, both in asked:
        found, *words = compare(*both, shared_confidence(len(asked)))
        rows.append((pattern, model, *pair, *found, *words))
    columns = ["pattern", "model", "ours", "other", "change", "low", "high", "seeds", "verdict"]
    return pandas.DataFrame(rows, columns=columns)


def follows(ran: pandas.DataFrame, patterns: Sequence[str]) -> pandas.DataFrame:
    """Whether accuracy follows perplexity, for each model, pattern and pair of ways.

    Both differences of all comparisons share the 95 %. Returns columns pattern, model, lower (the
    way with the lower perplexity), higher, perplexity, accuracy (verdicts on "lower is lower" and
    on "lower is more accurate"), change (of the accuracy, lower - higher), verdict.
    """
    known, asked = ways(ran), []
    for model in ran["model"].unique():
        for pattern in patterns:
            at = [cell for cell in known if cell[0] == model and cell[2] == pattern]
            at += [cell for cell in known if cell[:2] == (model, DENSE)]
            asked += [
                (model, pattern, list(zip((cell[1] for cell in pair), both, strict=True)))
                for pair in combinations(dict.fromkeys(at), 2)
                if (both := _on_shared_seeds(known, pair))
            ]
    comparisons, rows = 2 * len(asked), []
    for model, pattern, pair in asked:
        gap, *_ = verdicts.compared(*(way.losses for _, way in pair), comparisons)
        (lower, below), (higher, over) = pair if gap.mean < 0 else pair[::-1]
        *_, perplexity = verdicts.compared(below.losses, over.losses, comparisons)
        found, _, accuracy = compare(below, over, shared_confidence(comparisons))
        word = perplexity if perplexity == verdicts.OPEN else accuracy
        rows.append((pattern, model, lower, higher, perplexity, accuracy, found.mean, word))
    columns = ["pattern", "model", "lower", "higher", "perplexity", "accuracy", "change", "verdict"]
    return pandas.DataFrame(rows, columns=columns)


RIVALS = [("stade", "wanda"), ("stade", "stade_without_bias")]  # of "outperforms", Sec. 4.4


def nm(patterns: Sequence[str]) -> list[str]:
    """The N:M patterns among them, of which the claim speaks."""
    return [pattern for pattern in patterns if ":" in pattern]


@decides_both("table4_zero_shot", "zero-shot-nm", "zero-shot-follows")
def decide(above: pandas.DataFrame, follows: pandas.DataFrame) -> Iterator[Verdict]:
    """Sec. 4.4. above: from `above`, of `RIVALS` at N:M patterns; follows: from `follows`."""
    rule = "N:M, on each model: STADE above Wanda, and above STADE (w/o bias), beyond noise"
    yield by_runs("zero-shot-nm", rule, above, unit="points")
    rule = (
        "each model, pattern and two of its ways, dense among them: the lower perplexity with the "
        "higher accuracy, both beyond noise"
    )
    found = by_runs("zero-shot-follows", rule, follows, unit="points")
    decided = follows[follows["verdict"] != verdicts.OPEN]
    dense = (decided[["lower", "higher"]] == DENSE).any(axis="columns").sum()
    note = f"in {dense} of the {len(decided)} that are decided one side is the dense model"
    yield found.noted(note if len(decided) else "")


def decide_dropped(dropped: pandas.DataFrame) -> Iterator[Verdict]:
    """What the corrected biases are worth, which a reload loses. dropped: from `dropped`."""
    rule = "each cell: perplexity lower with the corrected biases"
    text = "perplexity is higher without the corrected biases"
    words = (1 - dropped["times"]).map(verdicts.side)
    rows = dropped.assign(change=dropped["times"], verdict=words)
    yield by_runs("biases-lower-perplexity", rule, rows, unit="times", text=text)
    rule = "each cell: accuracy higher with them, beyond noise"
    text = "accuracy is lower without the corrected biases"
    yield by_runs("biases-raise-accuracy", rule, dropped, unit="points", text=text)


def _both(ran: pandas.DataFrame, ours: str, other: str) -> Iterator[tuple]:
    """(model, pattern, cell of `ours`, cell of the `other`): the first seed, where both ran."""
    first = ran.drop_duplicates(["model", "method", "pattern"])
    cells = {(cell.model, cell.pattern, cell.method): cell for cell in first.itertuples()}
    for (model, pattern, method), cell in cells.items():
        if method == ours and (model, pattern, other) in cells:
            yield model, pattern, cell, cells[model, pattern, other]


def task_tests(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """McNemar's test of two methods on every task; with several seeds, on the first.

    Columns model, pattern, task, gained and lost (questions that only `ours` and only the `other`
    answers correctly), differs (p below 5 % over all tests of the table, Bonferroni).
    """
    rows = [
        (model, pattern, task, *mcnemar(answers, theirs.answers[task]))
        for model, pattern, own, theirs in _both(ran, ours, other)
        for task, answers in own.answers.items()
    ]
    found = pandas.DataFrame(rows, columns=["model", "pattern", "task", "gained", "lost", "p"])
    return found.assign(differs=found["p"] * len(found) < LEVEL).drop(columns="p")


def pairing(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """What pairing gains: of two methods, how alike their answers are and the errors that gives.

    Columns model, pattern, alike (share of questions that both or neither answers), paired and
    unpaired (standard errors of the difference of mean accuracies).
    """
    rows = []
    for model, pattern, own, theirs in _both(ran, ours, other):
        alike = [
            answer == another
            for task, answers in own.answers.items()
            for answer, another in zip(answers, theirs.answers[task], strict=True)
        ]
        found = difference(own.answers, theirs.answers, math.erf(math.sqrt(0.5)))
        errors = found.high - found.mean, math.hypot(own.error, theirs.error)
        rows.append((model, pattern, fmean(alike), *errors))
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
    confidence = shared_confidence(len(both))
    found = [
        difference(*pair, confidence)
        for pair in zip(both["answers"], both["answers_dropped"], strict=True)
    ]
    judged = pandas.DataFrame(found, columns=["change", "low", "high"])
    judged["verdict"] = list(map(verdict, found))
    shown = both[[*keys, "perplexity", "perplexity_dropped", "accuracy", "accuracy_dropped"]]
    ratio = shown["perplexity_dropped"] / shown["perplexity"]
    return pandas.concat([shown.assign(times=ratio), judged], axis="columns")
