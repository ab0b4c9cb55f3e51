"""Verdicts on the paper's claims, by rules that were fixed before any model of ours was pruned.

- Two methods are compared on the same evaluation windows. The mean of the paired differences of
  the windows' losses is the logarithm of the ratio of the perplexities; a t interval goes with it.
- "A below B" holds where the whole interval says so, does not hold where the whole interval says
  the opposite, and is undecided otherwise.
- "A and B comparable" holds where the whole interval lies within ±1 % of perplexity, does not hold
  where it lies wholly outside, and is undecided otherwise.
- A claim over several models and patterns holds where each comparison does, and does not hold
  where one does not. Intervals are widened (Bonferroni) so that the claim as a whole has 95 %.

An interval covers the choice of evaluation windows, not that of the calibration windows.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas
from scipy import stats

from stade_nb import paper
from stade_nb.errors import StadeError
from stade_nb.paper import Claim

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided (difference within noise)"
NOT_RUN = "not run here"
CONFIDENCE = 0.95
COMPARABLE = math.log(1.01)


class Difference(NamedTuple):
    """log(perplexity of one / perplexity of the other): estimate and the ends of its interval."""

    mean: float
    low: float
    high: float


def stated(claim: str, verdict: str) -> str:
    """A verdict as a line of text: the word, what the claim says, its id."""
    return f"{verdict}: {paper.claim_text(claim)} ({claim})"


def printed(number: int, claims: Iterable[Claim]) -> tuple[str, str]:
    """The verdict that the printed numbers alone give, without noise, and the counts behind it."""
    gaps = [
        (gap, claim.comparable)
        for claim in claims
        for pattern in claim.patterns
        for gap in paper.printed_gaps(number, claim.below, claim.above, pattern)
    ]
    agree = all(abs(gap) < COMPARABLE if comparable else gap < 0 for gap, comparable in gaps)
    lower, equal = sum(gap < 0 for gap, _ in gaps), sum(gap == 0 for gap, _ in gaps)
    return (
        HOLDS if agree else FAILS,
        f"lower in {lower}, equal in {equal}, higher in {len(gaps) - lower - equal} of {len(gaps)}",
    )


def difference(
    ours: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE
) -> Difference:
    """Paired t interval of mean(ours - other); both are the same windows' losses, (windows,)."""
    gaps = [float(a) - float(b) for a, b in zip(ours, other, strict=True)]
    if len(gaps) < 2:
        raise StadeError(f"{len(gaps)} evaluation windows: expected at least 2 for an interval")
    mean = math.fsum(gaps) / len(gaps)
    spread = math.fsum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
    half = float(stats.t.ppf((1 + confidence) / 2, len(gaps) - 1)) * math.sqrt(spread / len(gaps))
    return Difference(mean, mean - half, mean + half)


def verdict(found: Difference, comparable: bool = False) -> str:
    """The verdict on one comparison, by the rules at the head of this file."""
    _, low, high = found
    if comparable:
        inside = low > -COMPARABLE and high < COMPARABLE
        outside = high < -COMPARABLE or low > COMPARABLE
        return HOLDS if inside else FAILS if outside else UNDECIDED
    return HOLDS if high < 0 else FAILS if low > 0 else UNDECIDED


def overall(words: Iterable[str]) -> str:
    """The verdict on a claim from those on its comparisons; "not run here" without any."""
    found = set(words)
    return next((word for word in (FAILS, UNDECIDED, HOLDS) if word in found), NOT_RUN)


def judge(ran: pandas.DataFrame, claims: Iterable[Claim]) -> pandas.DataFrame:
    """Each comparison that `claims` make on the cells in `ran`, with interval and verdict.

    ran: columns model, method, pattern, losses (one per window). The comparisons under one claim's
    id share the 95 %. Returns columns id, pattern, claim, model, change (of perplexity, relative),
    low, high, verdict.
    """
    losses = ran.set_index(["model", "method", "pattern"])["losses"].to_dict()
    models = list(dict.fromkeys(ran["model"]))
    pairs = [
        (claim, pattern, model, losses.get((model, claim.below, pattern)),
         losses.get((model, claim.above, pattern)))
        for claim in claims for pattern in claim.patterns for model in models
    ]  # fmt: skip
    pairs = [pair for pair in pairs if None not in pair]
    shared = Counter(claim.id for claim, *_ in pairs)
    rows = []
    for claim, pattern, model, below, above in pairs:
        found = difference(below, above, 1 - (1 - CONFIDENCE) / shared[claim.id])
        word = verdict(found, claim.comparable)
        rows.append((claim.id, pattern, claim.words, model, *map(math.expm1, found), word))
    columns = ["id", "pattern", "claim", "model", "change", "low", "high", "verdict"]
    return pandas.DataFrame(rows, columns=columns)


def counted(words: Iterable[str]) -> str:
    """How often each verdict was given: "holds in 3, does not hold in 1 of 4"."""
    found = Counter(words)
    parts = [f"{word} in {found[word]}" for word in (HOLDS, FAILS, UNDECIDED) if found[word]]
    return f"{', '.join(parts)} of {found.total()}" if parts else NOT_RUN


def summary(number: int, claims: Sequence[Claim], judged: pandas.DataFrame) -> pandas.DataFrame:
    """The claims on a table: what they say, what the printed numbers say, what ours say."""
    rows = []
    for name in dict.fromkeys(claim.id for claim in claims):
        words = list(judged[judged["id"] == name]["verdict"])
        verdict_printed, counts = printed(number, [claim for claim in claims if claim.id == name])
        texts = paper.claim_text(name), f"{verdict_printed}: {counts}"
        rows.append((name, *texts, overall(words), counted(words)))
    columns = ["id", "claim", "by the paper's own numbers", "verdict here", "comparisons here"]
    return pandas.DataFrame(rows, columns=columns)
