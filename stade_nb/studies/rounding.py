"""How far rounding alone moves the perplexity of a pruned model.

Blocks are pruned one after the other. Where two scores are nearly equal, the last digit of a sum
decides which of two weights goes, and what enters every later block differs from there on. So a
method whose statistics are computed in another order is, after enough blocks, another model.

To measure that, a model is pruned by Wanda several times with the same windows on the same machine.
Only the norms ‖X_j‖ that the scores come from are multiplied by 1 + 2⁻²⁴ u, u drawn anew for every
input, uniform within ±1: less than float32 resolves. The first draw is the plain run.

The rules, in the code before any number of the study (differences of up to 2 % between a CPU and a
GPU, and of 3 % between Wanda and the variant of STADE that ranks as Wanda does, were known):

- s is the standard deviation of the log-perplexity over the draws of a model and pattern. Two runs
  that differ in nothing but rounding differ, in 95 % of cases, by at most t s √2, with t of one
  degree of freedom less than draws; where each side is a mean over k seeds, by that over √k.
- A comparison of two methods, at a model and pattern that was measured, stands out from rounding
  where its change of log-perplexity is larger than that. Its verdict, which knows windows and seeds
  only, stays what it is.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pandas
import torch
from scipy import stats
from torch import Tensor

from stade_nb.claims import verdicts
from stade_nb.numerics import metrics
from stade_nb.numerics.methods import METHODS, Method
from stade_nb.numerics.moments import Moments
from stade_nb.studies import measured

STUDY = "rounding"  # what the fields of its records say
COMMAND = "python -m workflow.rounding"
METHOD, PATTERNS, DRAWS = "wanda", ("0.5", "2:4", "4:8"), 6
RESOLUTION = 2.0**-24  # of float32


def drawn(draw: int) -> Method:
    """Wanda with norms that are rounded otherwise: those of draw 0 are as they are.

    The cell's seed is of the draw too, which the metric's generator follows.
    """
    plain = METHODS[METHOD]
    if draw == 0:
        return plain
    score = replace(plain.centred.metric, score=_score)
    treatment = replace(plain.centred, metric=score)
    return replace(plain, centred=treatment, uncentred=treatment)


def _score(weight: Tensor, moments: Moments, generator: torch.Generator) -> Tensor:
    norm = moments.norm
    u = 2 * torch.rand(norm.shape, dtype=torch.float64, generator=generator) - 1
    return metrics.wanda(weight, norm * (1 + RESOLUTION * u.to(norm.device)))


def recorded(models: Sequence[str], folder: Path = measured.FOLDER) -> pandas.DataFrame:
    """What `spread` takes, of those of the models that have a record of the study."""
    return measured.cells(STUDY, models, "pattern draw", COMMAND, folder)


def spread(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The first rule, a row for each model and pattern with two draws or more.

    cells: columns model, pattern, draw, losses. Returns columns model, pattern, draws, lowest and
    highest (perplexities), deviation (s) and reach (t s √2, of the log-perplexity).
    """
    rows = []
    for (model, pattern), some in cells.groupby(["model", "pattern"], sort=False):
        means, draws = [fmean(losses) for losses in some["losses"]], len(some)
        if draws > 1:
            deviation = stdev(means)
            t = float(stats.t.ppf(0.5 + verdicts.CONFIDENCE / 2, draws - 1))
            ends = (math.exp(min(means)), math.exp(max(means)))
            rows.append((model, pattern, draws, *ends, deviation, t * deviation * math.sqrt(2)))
    columns = "model pattern draws lowest highest deviation reach"
    return pandas.DataFrame(rows, columns=columns.split())


def around(cells: pandas.DataFrame) -> pandas.DataFrame:
    """Each draw's perplexity against the geometric mean of its model's and pattern's draws.

    cells: as `spread` takes. Returns columns model, pattern, draw, change (relative); a pattern
    with a single draw has no rows.
    """
    means = cells["losses"].map(fmean).astype(float)
    by = means.groupby([cells["model"], cells["pattern"]])
    change = (means - by.transform("mean")).map(math.expm1)
    found = cells[["model", "pattern", "draw"]].assign(change=change)
    return found[by.transform("size") > 1]


def beyond(judged: pandas.DataFrame, found: pandas.DataFrame) -> pandas.DataFrame:
    """The second rule: the comparisons at a model and pattern that `found`, from `spread`, has.

    judged: columns model, pattern, change (relative) and seeds ("2 of 3"). Returns its rows with
    columns reach (relative, for so many seeds) and beyond (whether the change is larger).
    """
    rows = judged.merge(found[["model", "pattern", "reach"]], "inner", on=["model", "pattern"])
    seeds = rows["seeds"].str.rpartition(" ")[2].astype(int)
    reach = rows["reach"] / seeds.map(math.sqrt)
    larger = rows["change"].map(math.log1p).abs() > reach
    return rows.assign(reach=reach.map(math.expm1), beyond=larger)
