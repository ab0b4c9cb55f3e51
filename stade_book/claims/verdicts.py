"""Verdicts on the paper's claims, by rules that were fixed before the runs that they judge.

Records of real models are judged by the same rules; many of them were known by then.

One comparison of perplexities ("A is below B", "A and B are comparable"):

- Both methods have the same evaluation windows, and the calibration seeds that both ran; one that
  needs no calibration meets each seed of the other. A window's loss is its mean over the seeds. The
  mean of the paired differences, the logarithm of the ratio of the perplexities, has a t interval.
- "A below B" is supported where the whole interval says so, contradicted where the whole interval
  says the opposite, and open otherwise. "Comparable" is supported where the whole interval lies
  within ±1 % of perplexity, contradicted where it lies wholly outside, and open otherwise.
- An interval covers the choice of evaluation windows. Calibration seeds are too few for one of
  their own, so each by itself must be on the same side; where one is not, it is open.
- The comparisons of one claim share the 95 % (Bonferroni), those that are left out of it included.

Printed numbers have no windows: they are compared as they stand, and equal ones are open.

A claim is its comparisons, counted. The count is the verdict; the word that goes with it is

- not run here, not printed, no records: without any comparison;
- mixed: some comparisons support it and some contradict it;
- contradicted: some contradict it and none supports it;
- supported: none contradicts it, and more support it than are open;
- open: none contradicts it, and no more support it than are open.

Comparisons of which the paper itself does not speak are counted apart.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

import pandas
from scipy import stats

from stade_book.claims import paper
from stade_book.claims.pairing import BySeed, by_seed, matched, shared
from stade_nb import paths
from stade_nb.errors import StadeError

SUPPORTED, OPEN, CONTRADICTED, MIXED = "supported", "open", "contradicted", "mixed"
NOT_RUN, NOT_PRINTED, NO_RECORDS = "not run here", "not printed", "no records"
# Runs of this build, by default of this book's own models, and records of real ones.
THEORY, PRINTED, RECORDS, RUNS = "theory", "print", "records", "runs"
CONFIDENCE, COMPARABLE = 0.95, math.log(1.01)
SMALL = "on models of 0.2–0.5 M parameters"  # outside their embeddings


class Count(NamedTuple):
    """How many comparisons support a claim, leave it open and contradict it; `note`: what else.

    lowest, highest: ends of the effects, relative changes (unit "%"), differences of accuracies
    ("points") or ratios ("times"); None without.

    >>> print(Count(22, 2, 0, -0.069, -0.003))
    supported 22, open 2, contradicted 0 of 24 (−6.9 to −0.3 %)
    """

    supported: int
    open: int
    contradicted: int
    lowest: float | None = None
    highest: float | None = None
    unit: str = "%"
    note: str = ""

    @property
    def total(self) -> int:
        """The number of comparisons."""
        return self.supported + self.open + self.contradicted

    @property
    def word(self) -> str:
        """The word by the rules at the head of this file; "" without a comparison."""
        if not self.total:
            return ""
        if self.contradicted:
            return MIXED if self.supported else CONTRADICTED
        return SUPPORTED if self.supported > self.open else OPEN

    def ends(self) -> str:
        """The smallest and the largest effect, "(−6.9 to −0.3 %)"; "" without."""
        if not self.total or self.lowest is None or self.highest is None:
            return ""
        ends = (self._written(end) for end in (self.lowest, self.highest))
        return f"({' to '.join(dict.fromkeys(ends))} {self.unit})".replace("-", "−")

    def _written(self, end: float) -> str:
        """An end with the digits that another machine finds too: of hundreds of times none."""
        if self.unit == "times":
            return f"{end:,.0f}" if end >= 100 else f"{end:.2f}"
        return f"{100 * end:+z,.1f}"

    def __str__(self) -> str:
        words = (f"{word} {getattr(self, word):,}" for word in (SUPPORTED, OPEN, CONTRADICTED))
        text = f"{', '.join(words)} of {self.total:,} {self.ends()}" if self.total else ""
        return "; ".join(filter(None, (text.strip(), self.note)))


def count(
    words: Iterable[str], effects: Iterable[float] = (), unit: str = "%", note: str = ""
) -> Count:
    """Comparisons counted, with the ends of their effects; NaN is no effect."""
    found = Counter(words)
    sizes = [float(effect) for effect in effects if not math.isnan(effect)]
    ends = (min(sizes), max(sizes)) if sizes else (None, None)
    return Count(found[SUPPORTED], found[OPEN], found[CONTRADICTED], *ends, unit, note)


def checked(true: Iterable[bool], note: str = "") -> Count:
    """Checks counted: supported is what is so, contradicted what is not."""
    return count([SUPPORTED if each else CONTRADICTED for each in true], note=note)


def counted(rows: pandas.DataFrame, left_out: str = "", unit: str = "%") -> Count:
    """Comparisons counted with their changes; those that do not count are a note.

    rows: columns change, verdict and counts, without which all count. left_out: which do not.
    """
    counts = rows.get("counts", pandas.Series(True, rows.index)).astype(bool)
    inside, outside = (
        count(part["verdict"], part["change"], unit) for part in (rows[counts], rows[~counts])
    )
    note = f"not counted, {left_out}: {outside}" if outside.total else ""
    return inside._replace(note=note)


class Verdict(NamedTuple):
    """What `by` (theory, print, records or runs) has to say on the claim called `id`.

    rule: what a comparison is, in words, fixed before the runs. where: what was compared. text:
    what is judged, where that is not what the list of claims says.
    """

    id: str
    by: str
    rule: str
    count: Count
    where: str = ""
    text: str = ""

    @property
    def claim(self) -> str:
        """What is judged, in words; StadeError where neither `text` nor the list has them."""
        return self.text or paper.claim_text(self.id)

    @property
    def word(self) -> str:
        """Supported, open, contradicted, mixed; without a count, that there is nothing."""
        return self.count.word or {PRINTED: NOT_PRINTED, RECORDS: NO_RECORDS}.get(self.by, NOT_RUN)

    @property
    def scope(self) -> str:
        """On which models: `SMALL` where all that was run are this book's own, and of records all.

        A verdict on small models is none on larger ones, and records are of few.
        """
        if self.by == RECORDS:
            return f"on {self.where}" if self.where else ""
        own = {config.parent.name for config in (paths.DATA / "models").glob("*/config.json")}
        ran = set(filter(None, self.where.split(", ")))
        return SMALL if self.by == RUNS and self.count.total and ran and ran <= own else ""

    def noted(self, note: str) -> "Verdict":
        """The verdict with another note behind those of its count; as it is for an empty one."""
        notes = "; ".join(filter(None, (self.count.note, note)))
        return self._replace(count=self.count._replace(note=notes))

    @property
    def said(self) -> str:
        """The word, and on which models."""
        return " ".join(filter(None, (self.word, self.scope)))

    def __str__(self) -> str:
        how = " ".join(filter(None, (self.by, self.scope)))
        parts = self.word, f"{self.claim} ({self.id}, by {how})", str(self.count)
        return ": ".join(filter(None, parts))


def by_runs(
    claim: str, rule: str, rows: pandas.DataFrame, left_out: str = "", unit: str = "%", text=""
) -> Verdict:
    """The verdict on `claim` of comparisons: `rows` as for `counted`, with a column model."""
    models = ", ".join(rows["model"].unique())
    return Verdict(claim, RUNS, rule, counted(rows, left_out, unit), models, text)


def of_records(found: Iterable[Verdict]) -> list[Verdict]:
    """The same rules applied to records of real models: verdicts `by_runs`, as `RECORDS`."""
    return [verdict._replace(by=RECORDS) for verdict in found]


class Difference(NamedTuple):
    """log(perplexity of one / perplexity of the other): estimate and the ends of its interval."""

    mean: float
    low: float
    high: float


def shared_confidence(comparisons: int) -> float:
    """What each of so many intervals needs, that all together have 95 % (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / max(comparisons, 1)


def difference(
    ours: Sequence[float], other: Sequence[float], confidence: float = CONFIDENCE
) -> Difference:
    """Paired t interval of mean(ours - other), losses of the same windows; StadeError for one."""
    if len(ours) != len(other) or len(ours) < 2:
        raise StadeError(
            f"{len(ours)} evaluation windows against {len(other)}: expected the same ones, and at "
            "least 2 for an interval"
        )
    mean = fmean(a - b for a, b in zip(ours, other, strict=True))
    # Where all windows differ alike there is a loss of precision: the interval is that point.
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        found = stats.ttest_rel(ours, other).confidence_interval(confidence)
    return Difference(mean, float(found.low), float(found.high))


def verdict(found: Difference, comparable: bool = False, by_seed: Sequence[float] = ()) -> str:
    """The word for one comparison, by the rules at the head of this file.

    by_seed: the mean difference that each calibration seed gives.
    """
    # The seeds are on the verdict's side if an interval stretched to hold them all still is.
    low, high = min([found.low, *by_seed]), max([found.high, *by_seed])
    if comparable:
        inside = low > -COMPARABLE and high < COMPARABLE
        outside = high < -COMPARABLE or low > COMPARABLE
        return SUPPORTED if inside else CONTRADICTED if outside else OPEN
    return SUPPORTED if high < 0 else CONTRADICTED if low > 0 else OPEN


def side(gap: float, comparable: bool = False) -> str:
    """The word for a difference as it stands, without noise: what two printed numbers say."""
    return verdict(Difference(gap, gap, gap), comparable)


def compared(
    below: BySeed, above: BySeed, comparisons: int, comparable: bool = False, factor: float = 1
) -> tuple[Difference, str, str]:
    """`factor` times the perplexity of `below` against that of `above`: difference, seeds, word.

    below, above: losses, (windows,) for each seed. comparisons: so many share the 95 %. seeds: how
    many are on the mean's side of zero, or of ±1 % if `comparable`, "2 of 3".
    """
    pairs, shift = matched(below, above), math.log(factor)
    means = (list(map(fmean, zip(*way, strict=True))) for way in zip(*pairs, strict=True))
    found = Difference(*(end + shift for end in difference(*means, shared_confidence(comparisons))))
    alone = [fmean(a - b for a, b in zip(*pair, strict=True)) + shift for pair in pairs]
    here, *sides = (side(gap, comparable) for gap in (found.mean, *alone))
    return found, f"{sides.count(here)} of {len(sides)}", verdict(found, comparable, alone)


def judge(ran: pandas.DataFrame, claims: Iterable[paper.Claim]) -> pandas.DataFrame:
    """Each comparison that `claims` make on the cells in `ran`, with interval and word.

    ran: columns model, method, pattern, seed, losses (one per window); family where a claim has
    one; added_bias (by layer) where a claim is about added biases; a row for each seed. Returns
    columns id, pattern, claim, model, change (of perplexity, relative), low, high, seeds, verdict
    (see `compared`), counts (whether the claim speaks of it).
    """
    losses = by_seed(ran, ["model", "method", "pattern"])
    family = dict(zip(ran["model"], ran.get("family", ran["model"]), strict=True))
    own = _biased(ran)
    pairs = [
        (claim, pattern, model, losses.get((model, claim.below, pattern)),
         losses.get((model, claim.above, pattern)))
        for claim in claims for pattern in claim.patterns for model in family
        if claim.family in ("", family[model])
    ]  # fmt: skip
    pairs = [
        (claim, pattern, model, *shared(*both, (claim.below, claim.above)))
        for claim, pattern, model, *both in pairs if None not in both
    ]  # fmt: skip
    pairs = [pair for pair in pairs if all(pair[3:])]
    together = Counter(claim.id for claim, *_ in pairs)
    rows = []
    for claim, pattern, model, *both in pairs:
        found, *words = compared(*both, together[claim.id], claim.comparable)
        row = claim.id, pattern, claim.words, model, *map(math.expm1, found), *words
        rows.append((*row, not (claim.adds_bias and model in own)))
    columns = "id pattern claim model change low high seeds verdict counts"
    return pandas.DataFrame(rows, columns=columns.split())


def _biased(ran: pandas.DataFrame) -> set[str]:
    """The models of which the records say that no method added a bias: their layers had them."""
    if "added_bias" not in ran:
        return set()
    added = ran["added_bias"].map(lambda by_layer: any((by_layer or {}).values()))
    return set(ran["model"]) - set(ran["model"][added])
