"""How much calibration text is enough, and what difference between two methods can be believed?

Windows of one length, drawn from one text by several seeds; the evaluation is the same everywhere.
The rules, in the code before any number of them was looked at:

- A method gains from more text where its perplexity with the largest budget is lower than with the
  smallest: compared as any two ways are (`verdicts.compared`), the seeds side by side. All methods
  share the 95 %.
- The difference of two methods is the mean logarithm of the ratio of their perplexities. Two things
  make it uncertain: which windows are evaluated (h, half the width of the paired 95 % interval) and
  which are calibrated on (s, the standard deviation of the difference between seeds). The smallest
  difference that can be believed with k seeds is sqrt(h² + t² s² / k), with t of as many seeds as
  there are.
- A difference is believed where its size is above that, with the seeds that there are.
"""

import math
from collections.abc import Iterable
from statistics import fmean, stdev

import pandas
from scipy import stats

from stade_book.claims import pairing, verdicts
from stade_book.studies.measured import EVALUATED, LENGTH, TEXTS

PATTERN = "0.5"
METHODS = ("wanda", "stade", "wanda_with_bias", "std")
AGAINST = METHODS[0]


def of_records(rows: list[dict]) -> pandas.DataFrame:
    """The cells of this study among `shipped.rows`: windows, method, seed, device, losses, record.

    `windows` is the number of calibration windows.
    """
    found = []
    for row in rows:
        texts = row["calibration_corpus"], row["evaluation_corpus"]
        sizes = (texts[0]["length"], texts[1]["length"], texts[1]["windows"])
        named = tuple(text["source"] for text in texts) == TEXTS
        whole = row["layers"] == "all" and row["pattern"] == PATTERN and row["method"] in METHODS
        if named and whole and sizes == (LENGTH, LENGTH, EVALUATED):
            about = {name: row[name] for name in ("method", "seed", "device", "losses", "record")}
            found.append({"windows": texts[0]["windows"]} | about)
    columns = ["windows", "method", "seed", "device", "losses", "record"]
    return pandas.DataFrame(found, columns=columns).sort_values(columns[:3], ignore_index=True)


def perplexities(found: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each method and budget: windows, tokens, method, seeds, perplexity, low and high.

    perplexity: of the mean loss over windows and seeds; low, high: of the seeds by themselves.
    """
    rows = []
    for (windows, method), some in found.groupby(["windows", "method"], sort=False):
        means = [fmean(losses) for losses in some["losses"]]
        ends = [math.exp(value) for value in (fmean(means), min(means), max(means))]
        rows.append((windows, windows * LENGTH, method, len(some), *ends))
    columns = "windows tokens method seeds perplexity low high"
    return pandas.DataFrame(rows, columns=columns.split())


def gains(found: pandas.DataFrame) -> pandas.DataFrame:
    """The first rule: method, fewest, most (windows), change, low, high, seeds, verdict."""
    rows, by = [], pairing.by_seed(found, ["method", "windows"])
    budgets = {
        method: sorted(windows for each, windows in by if each == method)
        for method in METHODS
        if any(each == method for each, _ in by)
    }
    budgets = {method: sizes for method, sizes in budgets.items() if len(sizes) > 1}
    for method, (fewest, *_, most) in budgets.items():
        ours, other = pairing.shared(by[method, most], by[method, fewest], (method, method))
        if not ours:
            continue
        gap, seeds, word = verdicts.compared(ours, other, len(budgets))
        rows.append((method, fewest, most, *map(math.expm1, gap), seeds, word))
    columns = "method fewest most change low high seeds verdict"
    return pandas.DataFrame(rows, columns=columns.split())


def believable(found: pandas.DataFrame) -> pandas.DataFrame:
    """The second rule, a row for each method against Wanda and budget with two seeds or more.

    Returns columns method, windows, seeds, change (relative), of_windows (h) and of_seeds (s), one
    (what can be believed with one seed), all (with those there are) and believed; all but `seeds`
    and `believed` as relative changes of perplexity.
    """
    rows, by = [], pairing.by_seed(found, ["method", "windows"])
    for (method, windows), ours in by.items():
        if method == AGAINST or (AGAINST, windows) not in by:
            continue
        ours, other = pairing.shared(ours, by[AGAINST, windows], (method, AGAINST))
        if len(ours) < 2:
            continue
        rows.append((method, windows, *_second_rule(pairing.matched(ours, other))))
    columns = "method windows seeds change of_windows of_seeds one all believed"
    return pandas.DataFrame(rows, columns=columns.split())


def against(pairs: Iterable[tuple]) -> pandas.DataFrame:
    """The second rule on other comparisons: model, pattern, method, seeds, change, all, believed.

    pairs: (model, pattern, method, losses by seed, Wanda's by the same seeds); those of a single
    seed have no row.
    """
    rows = []
    for *about, ours, other in pairs:
        if len(both := pairing.matched(ours, other)) > 1:
            count, change, _, _, _, every, believed = _second_rule(both)
            rows.append((*about, count, change, every, believed))
    columns = "model pattern method seeds change all believed"
    return pandas.DataFrame(rows, columns=columns.split())


def _second_rule(pairs: list[tuple]) -> tuple:
    """The columns of `believable` from `seeds` on. pairs: the losses of both, for each seed."""
    means = [list(map(fmean, zip(*side, strict=True))) for side in zip(*pairs, strict=True)]
    gap = verdicts.difference(*means)
    half, count = gap.high - gap.mean, len(pairs)
    spread = stdev(fmean(a) - fmean(b) for a, b in pairs)
    reach = stats.t.ppf(0.5 + verdicts.CONFIDENCE / 2, count - 1) * spread
    one, every = (math.hypot(half, reach / math.sqrt(k)) for k in (1, count))
    sizes = map(math.expm1, (gap.mean, half, spread, one, every))
    return count, *sizes, abs(gap.mean) > every


def pooled(found: pandas.DataFrame) -> float:
    """What can be believed with one seed, by one s for all rows of `believable`: a relative change.

    The second rule with the mean h, and s² the mean of the rows' squares, weighted by their degrees
    of freedom. Added when the rows were known: a standard deviation of three seeds says little by
    itself. Wanda's runs are in several rows, so that s is a little less certain than t takes it.
    """
    degrees = found["seeds"] - 1
    half, spread = (found[name].map(math.log1p) for name in ("of_windows", "of_seeds"))
    pooled = math.sqrt((degrees * spread**2).sum() / degrees.sum())
    reach = stats.t.ppf(0.5 + verdicts.CONFIDENCE / 2, degrees.sum()) * pooled
    return math.expm1(math.hypot(half.mean(), reach))
