"""How far Wanda is from itself, when the norms that its scores come from are nudged.

Blocks are pruned one after the other. Where two scores are nearly equal, very little decides which
of two weights goes, and what enters every later block is different from there on. To see how far
that leads, a model is pruned by Wanda with the same windows on the same machine. Only the norms
‖X_j‖ are multiplied by 1 + ε u, with u drawn anew for every input, uniform within ±1:

- "rounding": ε = 2⁻²⁴, less than float32 resolves;
- "count": ε = 2⁻¹⁵, what it makes of a norm to divide by N - 1 instead of N (1 / 2N for the 2¹⁴
  tokens of the study). Papers do not say which they do, and nobody would call it another method.

The rules:

- s is the standard deviation of the log-perplexity over the plain run and the nudged ones. Two runs
  that differ in a nudge alone differ, in 95 % of cases, by at most t s √2, with t of one degree of
  freedom less than runs; where each side is a mean over k seeds, by that over √k.
- A comparison of two methods, at a model and pattern that was measured, stands out where its change
  of log-perplexity is larger than what "count" does. Its verdict, which knows windows and seeds
  only, stays what it is.

They were in the code before any number of the study, for "rounding" alone; differences of up to
2 % between a CPU and a GPU, and of 3 % between Wanda and the variant of STADE that has N - 1 where
Wanda has N, were known. The first draw of "rounding" changed nothing at all in N:M patterns, and
the perplexity at 50 % by 0.01 % (a second draw by 0.3 %). "count" was added then, before any number
of its own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pandas
import torch
from scipy import stats
from torch import Tensor

from stade_book.claims import verdicts
from stade_book.studies import measured
from stade_nb.numerics import metrics
from stade_nb.numerics.methods import METHODS, Method
from stade_nb.numerics.moments import Moments

STUDY = "nudged norms"  # what the fields of its records say
COMMAND = "python -m workflow.nudges"
METHOD, PATTERNS = "wanda", ("0.5", "2:4", "4:8")
NONE, ROUNDING, COUNT = "none", "rounding", "count"
SIZES = {NONE: 0.0, ROUNDING: 2.0**-24, COUNT: 2.0**-15}
# The draws of each, at every pattern; a draw is the seed of its random numbers.
DRAWS = {NONE: (0,), ROUNDING: (1,), COUNT: (1, 2, 3, 4, 5)}


def nudged(nudge: str) -> Method:
    """Wanda with norms that are nudged by so much; the cell's seed draws them."""
    plain = METHODS[METHOD]
    if not SIZES[nudge]:
        return plain

    def score(weight: Tensor, moments: Moments, generator: torch.Generator) -> Tensor:
        norm = moments.norm
        u = 2 * torch.rand(norm.shape, dtype=torch.float64, generator=generator) - 1
        return metrics.wanda(weight, norm * (1 + SIZES[nudge] * u.to(norm.device)))

    treatment = replace(plain.centred, metric=replace(plain.centred.metric, score=score))
    return replace(plain, centred=treatment, uncentred=treatment)


def recorded(models: Sequence[str], folder: Path = measured.FOLDER) -> pandas.DataFrame:
    """What `spread` takes, of those of the models that have a record of the study."""
    return measured.cells(STUDY, models, "pattern nudge draw", COMMAND, folder)


def spread(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The first rule, a row for each model, pattern and nudge with two runs or more.

    cells: columns model, pattern, nudge, draw, losses; the plain run is one of every nudge's.
    Returns columns model, pattern, nudge, runs, plain (the run without a nudge), lowest and highest
    (perplexities), deviation (s) and reach (t s √2), both as relative changes of perplexity.
    """
    rows = []
    for (model, pattern, nudge), some in _with_plain(cells):
        means, runs = [fmean(losses) for losses in some["losses"]], len(some)
        deviation = stdev(means)
        t = float(stats.t.ppf(0.5 + verdicts.CONFIDENCE / 2, runs - 1))
        ends = (math.exp(min(means)), math.exp(max(means)))
        # The plain run is a draw like any other; what has one seed is compared with it alone.
        about = (model, pattern, nudge, runs, math.exp(means[0]))
        reach = math.expm1(t * deviation * math.sqrt(2))
        rows.append((*about, *ends, math.expm1(deviation), reach))
    columns = "model pattern nudge runs plain lowest highest deviation reach"
    return pandas.DataFrame(rows, columns=columns.split())


def around(cells: pandas.DataFrame, nudge: str = COUNT) -> pandas.DataFrame:
    """Each run's perplexity against the geometric mean of its model's and pattern's runs.

    cells: as `spread` takes. Returns columns model, pattern, change (relative).
    """
    parts = [pandas.DataFrame(columns=["model", "pattern", "change"])]
    for (model, pattern, name), some in _with_plain(cells):
        if name == nudge:
            means = some["losses"].map(fmean)
            change = (means - means.mean()).map(math.expm1)
            parts.append(pandas.DataFrame({"model": model, "pattern": pattern, "change": change}))
    return pandas.concat(parts[1:] or parts, ignore_index=True)


def _with_plain(cells: pandas.DataFrame) -> Iterator[tuple[tuple, pandas.DataFrame]]:
    """The runs of each (model, pattern, nudge), the plain one among them, where it is there."""
    for (model, pattern), some in cells.groupby(["model", "pattern"], sort=False):
        plain = some[some["nudge"] == NONE]
        for nudge, rows in some[some["nudge"] != NONE].groupby("nudge", sort=False):
            if len(plain):
                yield (model, pattern, nudge), pandas.concat([plain, rows])


def beyond(judged: pandas.DataFrame, found: pandas.DataFrame) -> pandas.DataFrame:
    """The second rule: the comparisons at a model and pattern that `found`, from `spread`, has.

    judged: columns model, pattern, change (relative) and seeds ("2 of 3"). Returns its rows with
    columns reach (relative, for so many seeds) and beyond (whether the change is larger).
    """
    found = found.loc[found["nudge"] == COUNT, ["model", "pattern", "reach"]]
    rows = judged.merge(found, "inner", on=["model", "pattern"])
    seeds = rows["seeds"].map(lambda agree: int(agree.rpartition(" ")[2])).astype(float)
    changes, reach = (rows[name].astype(float).map(math.log1p) for name in ("change", "reach"))
    reach = reach / seeds.map(math.sqrt)
    return rows.assign(reach=reach.map(math.expm1), beyond=changes.abs() > reach)
