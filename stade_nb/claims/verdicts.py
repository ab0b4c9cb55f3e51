"""Verdicts on the paper's claims, by rules that were fixed before the runs that they judge.

The rules on one calibration seed came first; those on several came with the seeds, before any
of the others was run.

- Two methods are compared on the same evaluation windows and with the same calibration seeds; a
  method that needs no calibration is compared with each seed of the other. A window's loss is its
  mean over the seeds. The mean of the paired differences of these losses is the logarithm of the
  ratio of the perplexities (geometric means over the seeds); a t interval goes with it.
- "A below B" holds where the whole interval says so, does not hold where the whole interval says
  the opposite, and is undecided otherwise.
- "A and B comparable" holds where the whole interval lies within ±1 % of perplexity, does not hold
  where it lies wholly outside, and is undecided otherwise.
- Besides, each calibration seed by itself must give a difference on the side that the verdict
  says; where one does not, the verdict is undecided.
- A claim over several models and patterns holds where each comparison does, and does not hold
  where one does not. Intervals are widened (Bonferroni) so that the claim as a whole has 95 %.
- A claim about models and patterns taken together holds where more than half of the comparisons
  hold and none fails, does not hold where as many fail as hold, and is undecided otherwise.

An interval covers the choice of evaluation windows, not that of the calibration windows: a few
seeds are too few for an interval of their own, so they must agree instead.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas
from scipy import stats

from stade_nb.claims import paper
from stade_nb.claims.paper import Claim
from stade_nb.errors import StadeError

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided (difference within noise)"
NOT_RUN, NOT_PRINTED, OPEN = "not run here", "not printed", "undecided"
CONFIDENCE = 0.95
COMPARABLE = math.log(1.01)


class Difference(NamedTuple):
    """log(perplexity of one / perplexity of the other): estimate and the ends of its interval."""

    mean: float
    low: float
    high: float


def stated(claim: str, verdict: str, words: str = "") -> str:
    """A verdict as a line of text: the word, what the claim says, its id.

    words: what was judged, where that is not what the list of claims says.
    """
    return f"{verdict}: {words or paper.claim_text(claim)} ({claim})"


def printed(number: int, claims: Iterable[Claim]) -> tuple[str, str]:
    """The verdict that the printed numbers alone give, without noise, and the counts behind it."""
    claims = list(claims)
    majority = all(claim.majority for claim in claims)
    gaps = [
        (gap, claim.comparable)
        for claim in claims
        for pattern in claim.patterns
        for gap in paper.printed_gaps(number, claim.below, claim.above, pattern, claim.family)
    ]
    if not gaps:
        return NOT_PRINTED, "no such cells"
    absent = {c.above for c in claims} - set(paper.table(number)["method"])
    words = [
        HOLDS if (abs(gap) < COMPARABLE if comparable else gap < 0)
        else FAILS if comparable or gap > 0 or not majority else UNDECIDED
        for gap, comparable in gaps
    ]  # fmt: skip
    lower, equal = sum(gap < 0 for gap, _ in gaps), sum(gap == 0 for gap, _ in gaps)
    word = overall(words, majority)
    counts = (
        f"lower in {lower}, equal in {equal}, higher in {len(gaps) - lower - equal} of {len(gaps)}"
    )
    if absent:
        compared = dict.fromkeys(paper.title(c.above) for c in claims if c.above not in absent)
        rows = ", ".join(sorted(map(paper.title, absent)))
        return NOT_PRINTED, f"no {rows} on all layers; against {', '.join(compared)} {counts}"
    return OPEN if word == UNDECIDED else word, counts


def difference(
    ours: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE
) -> Difference:
    """Paired t interval of mean(ours - other); both are the same windows' losses, (windows,).

    StadeError for fewer than 2 windows.
    """
    gaps = [float(a) - float(b) for a, b in zip(ours, other, strict=True)]
    if len(gaps) < 2:
        raise StadeError(f"{len(gaps)} evaluation windows: expected at least 2 for an interval")
    mean = math.fsum(gaps) / len(gaps)
    spread = math.fsum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
    half = float(stats.t.ppf((1 + confidence) / 2, len(gaps) - 1)) * math.sqrt(spread / len(gaps))
    return Difference(mean, mean - half, mean + half)


def verdict(found: Difference, comparable: bool = False, by_seed: Sequence[float] = ()) -> str:
    """The verdict on one comparison, by the rules at the head of this file.

    by_seed: the mean difference that each calibration seed gives.
    """
    # The seeds are on the verdict's side if an interval stretched to hold them all still is.
    low, high = min([found.low, *by_seed]), max([found.high, *by_seed])
    if comparable:
        inside = low > -COMPARABLE and high < COMPARABLE
        outside = high < -COMPARABLE or low > COMPARABLE
        return HOLDS if inside else FAILS if outside else UNDECIDED
    return HOLDS if high < 0 else FAILS if low > 0 else UNDECIDED


def _side(gap: float, comparable: bool) -> float:
    """What a difference by itself, without noise, says: equal where two say the same."""
    return abs(gap) < COMPARABLE if comparable else math.copysign(1, gap) if gap else 0


def matched(ours: dict[int, Any], other: dict[int, Any]) -> list[tuple[Any, Any]]:
    """What two ways have for each seed; a way with one seed only goes with each of the other's.

    StadeError for several seeds on both sides that are not the same.
    """
    if len(ours) == 1:
        ours = dict.fromkeys(other, *ours.values())
    if len(other) == 1:
        other = dict.fromkeys(ours, *other.values())
    if ours.keys() != other.keys():
        raise StadeError(
            f"calibration seeds {sorted(ours)} against {sorted(other)}: expected the same ones; "
            "run both methods with the same seeds"
        )
    return [(ours[seed], other[seed]) for seed in ours]


def paired(below: dict[int, list], above: dict[int, list]) -> tuple[list[tuple], list[float]]:
    """Two methods' losses, {seed: (windows,)}, brought together.

    Returns for each window its mean losses over the seeds, (below, above), and for each seed the
    mean difference. Seeds go together as in `matched`, with its StadeError.
    """
    pairs = [list(zip(*both, strict=True)) for both in matched(below, above)]
    windows = [
        tuple(math.fsum(losses) / len(losses) for losses in zip(*window, strict=True))
        for window in zip(*pairs, strict=True)
    ]
    return windows, [math.fsum(a - b for a, b in seed) / len(seed) for seed in pairs]


def overall(words: Iterable[str], majority: bool = False) -> str:
    """The verdict on a claim from those on its comparisons; "not run here" without any.

    majority: of the comparisons taken together.
    """
    found = Counter(words)
    if majority and found:
        for_it, against = found[HOLDS], found[FAILS]
        if for_it > found.total() / 2 and not against:
            return HOLDS
        return FAILS if against and against >= for_it else UNDECIDED
    return next((word for word in (FAILS, UNDECIDED, HOLDS) if word in found), NOT_RUN)


def judge(ran: pandas.DataFrame, claims: Iterable[Claim]) -> pandas.DataFrame:
    """Each comparison that `claims` make on the cells in `ran`, with interval and verdict.

    ran: columns model, method, pattern, seed, losses (one per window), and family where a claim
    has one; a row for each seed. The comparisons under one claim's id share the 95 %. Returns
    columns id, pattern, claim, model, change (of perplexity, relative), low, high, seeds ("2 of 3":
    so many are on the change's side of zero, or of the ±1 % of a comparable claim), verdict.
    """
    losses: dict[tuple, dict] = {}
    for *key, seed, found in ran[["model", "method", "pattern", "seed", "losses"]].itertuples(
        index=False
    ):
        losses.setdefault(tuple(key), {})[seed] = found
    family = dict(zip(ran["model"], ran.get("family", ran["model"]), strict=True))
    pairs = [
        (claim, pattern, model, losses.get((model, claim.below, pattern)),
         losses.get((model, claim.above, pattern)))
        for claim in claims for pattern in claim.patterns for model in family
        if claim.family in ("", family[model])
    ]  # fmt: skip
    pairs = [pair for pair in pairs if None not in pair]
    shared = Counter(claim.id for claim, *_ in pairs)
    rows = []
    for claim, pattern, model, below, above in pairs:
        windows, by_seed = paired(below, above)
        found = difference(*zip(*windows, strict=True), 1 - (1 - CONFIDENCE) / shared[claim.id])
        word = verdict(found, claim.comparable, by_seed)
        sides = [
            _side(gap, claim.comparable) == _side(found.mean, claim.comparable) for gap in by_seed
        ]
        agree = f"{sum(sides)} of {len(by_seed)}"
        rows.append((claim.id, pattern, claim.words, model, *map(math.expm1, found), agree, word))
    columns = ["id", "pattern", "claim", "model", "change", "low", "high", "seeds", "verdict"]
    return pandas.DataFrame(rows, columns=columns)


def short(verdict: str) -> str:
    """A verdict without what it says in brackets."""
    return verdict.partition(" (")[0]


def counted(words: Iterable[str]) -> str:
    """How often each verdict was given: "holds in 3, undecided in 1 of 4"."""
    found = Counter(words)
    parts = [f"{short(word)} in {found[word]}" for word in (HOLDS, FAILS, UNDECIDED) if found[word]]
    return f"{', '.join(parts)} of {found.total()}" if parts else NOT_RUN


def summary(number: int, claims: Sequence[Claim], judged: pandas.DataFrame) -> pandas.DataFrame:
    """The claims on a table: what they say, what the printed numbers say, what ours say."""
    rows = []
    for name in dict.fromkeys(claim.id for claim in claims):
        words = list(judged[judged["id"] == name]["verdict"])
        made = [claim for claim in claims if claim.id == name]
        verdict_printed, counts = printed(number, made)
        texts = made[0].reading or paper.claim_text(name), f"{verdict_printed}: {counts}"
        rows.append((name, *texts, overall(words, made[0].majority), counted(words)))
    columns = ["id", "claim", "by the paper's own numbers", "verdict here", "comparisons here"]
    return pandas.DataFrame(rows, columns=columns)


THEORY, PRINTED = "theory", "printed tables"


class Decided(NamedTuple):
    """A claim's verdict: `count` is what the `rule` found, `by` says what decides."""

    id: str
    by: str
    rule: str
    count: str
    verdict: str


def held(condition: bool) -> str:
    """The verdict where only two are possible."""
    return HOLDS if condition else FAILS
