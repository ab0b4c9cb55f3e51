"""The paper's printed tables (arXiv 2503.22451, version 1) and verdicts on what they claim.

The rules below were fixed before any model of ours was pruned:

- Two methods are compared on the same evaluation windows. The mean of the paired differences of
  the windows' losses is the logarithm of the ratio of the perplexities; a t interval goes with it.
- "A below B" holds where the whole interval says so, does not hold where the whole interval says
  the opposite, and is undecided otherwise.
- "comparable" holds where the whole interval lies within ±1 % of perplexity, does not hold where
  it lies wholly outside, and is undecided otherwise.
- A claim over several models and patterns holds where each comparison does, and does not hold
  where one does not. Intervals are widened (Bonferroni) so that the claim as a whole has 95 %.

An interval covers the choice of evaluation windows, not that of the calibration windows.
"""

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas
from scipy import stats

from stade_nb.errors import StadeError, unknown
from stade_nb.masks import parse_pattern
from stade_nb.methods import METHODS

VERSION = "arXiv 2503.22451, version 1"
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided (difference within noise)"
CONFIDENCE = 0.95
COMPARABLE = math.log(1.01)
DENSE = "dense"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "paper"
_NAMES = {"Dense": DENSE, **{method.title: name for name, method in METHODS.items()}}


class Claim(NamedTuple):
    """`below` has a lower perplexity than `above`, or the two are comparable, at `patterns`."""

    id: str
    below: str
    above: str
    patterns: tuple[str, ...]
    comparable: bool = False

    @property
    def words(self) -> str:
        return f"{title(self.below)} {'≈' if self.comparable else '<'} {title(self.above)}"


class Difference(NamedTuple):
    """log(perplexity of one / perplexity of the other): estimate and the ends of its interval."""

    mean: float
    low: float
    high: float


# What the text of Secs. 4.2 and 4.3 says, and one consequence of Eq. 9 that it does not draw.
TEXT_CLAIMS = {
    3: (
        Claim("best-without-update", "stade", "wanda", ("0.5", "2:4", "4:8")),
        Claim("best-without-update", "stade", "magnitude", ("0.5", "2:4", "4:8")),
    ),
    5: (
        Claim("unstructured-equal", "stade", "stade_without_bias", ("0.5",), comparable=True),
        Claim("nm-bias-better", "stade", "stade_without_bias", ("2:4", "4:8")),
    ),
}
WANDA_IS_EQ9 = Claim("wanda-is-eq9", "stade_without_bias", "wanda", ("0.5", "2:4", "4:8"), True)


def title(method: str) -> str:
    """The paper's name of a method."""
    return "Dense" if method == DENSE else METHODS[method].title


@cache
def _read(name: str) -> pandas.DataFrame:
    return pandas.read_csv(FOLDER / f"{name}.csv")


def claims() -> pandas.DataFrame:
    """Every claim of the paper: id, where, claim, decidable_by (T theory, P printed, E run)."""
    return _read("claims").copy()


def claim_text(claim: str) -> str:
    """What the claim called `claim` says, from the list of claims."""
    known = _read("claims").set_index("id")["claim"]
    if claim not in known:
        raise unknown("claim", claim, known.index)
    return known[claim]


def stated(claim: str, verdict: str) -> str:
    """A verdict as a line of text: the word, what the claim says, its id."""
    return f"{verdict}: {claim_text(claim)} ({claim})"


def table(number: int) -> pandas.DataFrame:
    """Table `number` (2 to 6) as printed, one value a row; methods and patterns in our names."""
    if not (FOLDER / f"table{number}.csv").is_file():
        raise unknown("table", number, range(2, 7))
    printed = _read(f"table{number}").copy()
    if "method" in printed:
        printed["method"] = printed["method"].map(_NAMES)
        printed["pattern"] = [
            DENSE if s == "0%" else str(parse_pattern(s)) for s in printed.pop("sparsity")
        ]
    return printed


def _printed_gaps(number: int, below: str, above: str, pattern: str) -> list[float]:
    """log(perplexity of `below` / perplexity of `above`) of each model that a table prints."""
    rows = table(number).query("pattern == @pattern")
    wide = rows.pivot(index="model", columns="method", values="perplexity")
    return [math.log(ratio) for ratio in wide[below] / wide[above]]


def printed_counts(number: int, below: str, above: str, pattern: str) -> tuple[int, int, int]:
    """In how many of a table's models `below` is printed lower than, equal to, above `above`."""
    gaps = _printed_gaps(number, below, above, pattern)
    return sum(g < 0 for g in gaps), sum(g == 0 for g in gaps), sum(g > 0 for g in gaps)


def printed_orders(number: int, methods: list[str], patterns: list[str]) -> list[Claim]:
    """For each pair and pattern the order that most of a table's models are printed in, if any."""
    printed, orders = table(number), []
    methods = [m for m in methods if m != DENSE and m in set(printed["method"])]
    for pattern in (p for p in patterns if p in set(printed["pattern"])):
        for index, first in enumerate(methods):
            for second in methods[index + 1 :]:
                lower, _, higher = printed_counts(number, first, second, pattern)
                if lower != higher:
                    pair = (first, second) if lower > higher else (second, first)
                    orders.append(Claim(f"table{number}-order", *pair, (pattern,)))
    return orders


def printed_verdict(number: int, claims: list[Claim]) -> tuple[str, str]:
    """The verdict that the printed numbers alone give, without noise, and the counts behind it."""
    gaps = [
        (gap, claim.comparable)
        for claim in claims
        for pattern in claim.patterns
        for gap in _printed_gaps(number, claim.below, claim.above, pattern)
    ]
    agree = all(abs(gap) < COMPARABLE if comparable else gap < 0 for gap, comparable in gaps)
    lower, equal = sum(gap < 0 for gap, _ in gaps), sum(gap == 0 for gap, _ in gaps)
    return (
        HOLDS if agree else FAILS,
        f"lower in {lower}, equal in {equal}, higher in {len(gaps) - lower - equal} of {len(gaps)}",
    )


def difference(ours, other, confidence: float = CONFIDENCE) -> Difference:
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


def overall(words) -> str:
    """The verdict on a claim from those on its comparisons."""
    words = list(words)
    if not words:
        raise StadeError("a verdict on no comparison at all: run the methods that the claim names")
    return FAILS if FAILS in words else UNDECIDED if UNDECIDED in words else HOLDS


def judge(ran: pandas.DataFrame, claims: list[Claim]) -> pandas.DataFrame:
    """Each comparison that `claims` make on the cells in `ran`, with interval and verdict.

    ran: columns model, method, pattern, losses (per window). Comparisons of a claim's id share the
    95 %. Columns: id, pattern, claim, model, change (relative perplexity), low, high, verdict.
    """
    losses = ran.set_index(["model", "method", "pattern"])["losses"]
    pairs = [
        (claim, pattern, model)
        for claim in claims
        for pattern in claim.patterns
        for model in dict.fromkeys(ran["model"])
        if (model, claim.below, pattern) in losses.index
        and (model, claim.above, pattern) in losses.index
    ]
    shared = pandas.Series([claim.id for claim, _, _ in pairs]).value_counts()
    rows = []
    for claim, pattern, model in pairs:
        found = difference(
            losses[model, claim.below, pattern],
            losses[model, claim.above, pattern],
            1 - (1 - CONFIDENCE) / shared[claim.id],
        )
        rows.append(
            (
                claim.id,
                pattern,
                claim.words,
                model,
                *map(math.expm1, found),
                verdict(found, claim.comparable),
            )
        )
    return pandas.DataFrame(
        rows, columns=["id", "pattern", "claim", "model", "change", "low", "high", "verdict"]
    )
