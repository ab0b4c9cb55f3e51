"""Does the layer's loss predict perplexity? The rule, fixed before the numbers that it judges.

Every metric here is derived from the squared error of one layer's output. The paper, as all of its
kind, judges a pruned model by its perplexity.

- A cell's loss is the mean over its layers of ln(E‖Wx - W*x - (b* - b)‖² / E‖Wx‖²), with the inputs
  that the dense model has there on the calibration windows (see `layer_inputs.by_block`).
- At one pattern, the methods are ranked by loss and by perplexity. Spearman's rank correlation of
  the two is that pattern's, where at least `METHODS` methods stand there.
- The word for a model goes by the median over its patterns: "predicts" from `GOOD` on, "does not
  predict" below `POOR`, "partly" in between. For several models: the word that all have, else "it
  depends".
- Over all patterns together the correlation is high for any loss at all: more zeros are worse. It
  is shown, and judges nothing.
- Eq. 7 lowers the loss of every layer by construction. Of the pairs of one mask with the
  correction and without, it is counted in how many the loss and in how many the perplexity falls.
"""

import math
from collections.abc import Sequence
from statistics import median

import numpy
import pandas
from scipy.stats import spearmanr

from stade_book.claims import pairing
from stade_nb.beyond.methods import LADDER

METHODS = 5
GOOD, POOR = 0.8, 0.5
DRAWS = 1000
PREDICTS, PARTLY, FAILS, DEPENDS = "predicts", "partly", "does not predict", "it depends"
# A mask without the correction, and with it.
CORRECTED = {plain: with_bias for plain, with_bias, *_ in LADDER.values()}
CELL = ["model", "pattern", "method", "scope"]
# Whose losses are measured: all that solve no equations.
RANKED = (
    *("magnitude", "wanda", "stade", "std", "stade_without_bias", "wanda_with_bias"),
    *("std_without_correction", "magnitude_with_bias", "ria", "symwanda", "nowag"),
    *("wanda_bias_qk", "wanda_bias_v", "wanda_bias_o", "wanda_bias_gate_up", "wanda_bias_down"),
)


def long(model: str, cells: Sequence, errors: Sequence[dict]) -> pandas.DataFrame:
    """A row for each cell, block and layer type, with its `error`, relative.

    cells: (method, pattern, scope) of each; errors: of each block, by layer type, a number for
    each cell, as `layer_inputs.by_block` has them.
    """
    return pandas.DataFrame(
        [
            (model, pattern, method, scope, block, kind, value)
            for block, kinds in enumerate(errors)
            for kind, values in kinds.items()
            for (method, pattern, scope), value in zip(cells, values, strict=True)
        ],
        columns=[*CELL, "block", "layer_type", "error"],
    )


def losses(table: pandas.DataFrame, by: Sequence[str] = ()) -> pandas.DataFrame:
    """Each cell's `loss`, the mean of ln(error) over its layers; by: also "layer_type", say."""
    logs = table.assign(loss=table["error"].clip(lower=1e-300).map(math.log))
    return logs.groupby([*CELL, *by], sort=False)["loss"].mean().reset_index()


def beside(loss: pandas.DataFrame, ran: pandas.DataFrame) -> pandas.DataFrame:
    """The cells that have both a loss and a perplexity, with both.

    A perplexity is the mean over the seeds that all methods at its model and pattern have.
    """
    ran = pairing.common(ran[ran["method"].isin(loss["method"])], ["model", "pattern"])
    mean = ran.groupby(CELL, sort=False)["perplexity"].mean().reset_index()
    return loss.merge(mean, on=CELL)


def by_pattern(found: pandas.DataFrame) -> pandas.DataFrame:
    """Spearman's correlation of loss and perplexity at each pattern: model, pattern, methods, rho.

    found: from `beside`. A pattern with fewer than `METHODS` cells has no row.
    """
    return ranked(found, ["model", "pattern"], "methods")


def ranked(found: pandas.DataFrame, by: list[str], count: str) -> pandas.DataFrame:
    """Spearman's correlation of loss and perplexity, a row for each group of `by`: count, rho.

    found: columns `by`, loss, perplexity. count: what a group's number of cells is called. A group
    of fewer than `METHODS` cells has no row.
    """
    rows = [
        (*group, len(some), float(spearmanr(some["loss"], some["perplexity"]).statistic))
        for group, some in found.groupby(by, sort=False)
        if len(some) >= METHODS
    ]
    return pandas.DataFrame(rows, columns=[*by, count, "rho"])


def word_for(rho: float) -> str:
    """The word for a median correlation."""
    return PREDICTS if rho >= GOOD else FAILS if rho < POOR else PARTLY


def answers(found: pandas.DataFrame) -> pandas.DataFrame:
    """The word for each model: cells, patterns, median rho, rho over all cells, word."""
    rows = []
    for model, some in by_pattern(found).groupby("model", sort=False):
        cells = found[found["model"] == model]
        middle = median(some["rho"])
        together = float(spearmanr(cells["loss"], cells["perplexity"]).statistic)
        rows.append(
            (model, int(some["methods"].sum()), len(some), middle, together, word_for(middle))
        )
    columns = ["model", "cells", "patterns", "median", "together", "word"]
    return pandas.DataFrame(rows, columns=columns)


def firmness(found: pandas.DataFrame) -> pandas.DataFrame:
    """How much each pattern's correlation hangs on the methods that happen to be there.

    Not part of the rule, and added when the word was known. low, high: 95 % of the correlation with
    the methods drawn again, `DRAWS` times. whole: without the methods that correct some layer types
    only, which are near Wanda and near each other. Returns columns model, pattern, methods, rho,
    low, high, whole_methods, whole.
    """
    rows, draw = [], numpy.random.default_rng(0)
    for (model, pattern), some in found.groupby(["model", "pattern"], sort=False):
        if len(some) < METHODS:
            continue
        cells = some[["loss", "perplexity"]].to_numpy(float)
        drawn = [cells[draw.integers(len(cells), size=len(cells))] for _ in range(DRAWS)]
        rhos = [spearmanr(*one.T).statistic for one in drawn if (one != one[0]).any(axis=0).all()]
        low, high = numpy.quantile(rhos, [0.025, 0.975])
        whole = some[~some["method"].str.contains("_bias_")]
        rho = spearmanr(whole["loss"], whole["perplexity"]).statistic
        about = model, pattern, len(some), spearmanr(*cells.T).statistic
        rows.append((*about, low, high, len(whole), rho))
    columns = "model pattern methods rho low high whole_methods whole"
    return pandas.DataFrame(rows, columns=columns.split())


def spans(found: pandas.DataFrame) -> pandas.DataFrame:
    """95 % of each model's median correlation, with the methods drawn again: model, low, high.

    The patterns have the same methods, so one draw of methods is taken at all of them, and then the
    median. Not part of the rule, as `firmness`.
    """
    rows, draw = [], numpy.random.default_rng(0)
    ranked = found.groupby(["model", "pattern"])["loss"].transform("size") >= METHODS
    for model, some in found[ranked].groupby("model", sort=False):
        by = {pattern: rows.set_index("method") for pattern, rows in some.groupby("pattern")}
        names, medians = list(dict.fromkeys(some["method"])), []
        for _ in range(DRAWS):
            drawn = [names[at] for at in draw.integers(len(names), size=len(names))]
            rhos = []
            for cells in by.values():
                one = cells.loc[[name for name in drawn if name in cells.index]]
                if min(one["loss"].nunique(), one["perplexity"].nunique()) > 1:
                    rhos.append(float(spearmanr(one["loss"], one["perplexity"]).statistic))
            medians += [median(rhos)] if rhos else []
        rows.append((model, *numpy.quantile(medians, [0.025, 0.975])))
    return pandas.DataFrame(rows, columns=["model", "low", "high"])


def word(answered: pandas.DataFrame) -> str:
    """One word for all models of `answers`."""
    words = set(answered["word"])
    return words.pop() if len(words) == 1 else DEPENDS


def corrected(found: pandas.DataFrame) -> pandas.DataFrame:
    """In how many pairs of one metric, with Eq. 7 and without, loss and perplexity fall.

    Columns model, method (without the correction), pairs (patterns), loss, perplexity.
    """
    rows = []
    keyed = found.set_index(["model", "pattern", "scope", "method"])
    for (model, method), some in found.groupby(["model", "method"], sort=False):
        both = [
            (row, keyed.loc[other])
            for row in some.itertuples()
            if (other := (model, row.pattern, row.scope, CORRECTED.get(method))) in keyed.index
        ]
        falls = (
            sum(bool(after[name] < getattr(row, name)) for row, after in both)
            for name in ("loss", "perplexity")
        )
        rows += [(model, method, len(both), *falls)] if both else []
    return pandas.DataFrame(rows, columns=["model", "method", "pairs", "loss", "perplexity"])
