"""Mask or compensation? The rule, fixed before the numbers that it judges.

A context is a model, a pattern and two texts. In each, every metric has stood on every rung of the
ladder of compensations (`methods.LADDER`), with the same windows. The question is what explains the
differences of log-perplexity between the cells of a context: which weights go, or what is done
about those that went.

- The variance of log-perplexity over the cells of a model's contexts is split into context, metric,
  compensation and the two together (their interaction). The design is balanced, so that no order of
  the factors favours one. "Metric against compensation" leaves the context out: it is
  compensation / (metric + compensation).
- Its interval is of the evaluation windows, drawn again 1,000 times, the same ones for all cells.
- "compensation" where the whole interval lies above a half, "mask" where it lies below,
  "undecided" otherwise. For several models: the word that all of them give, else "it depends".
- What explains the variance may do so by harm. So the sentence goes with the sign: on each rung the
  geometric mean of the perplexity's ratio to that of no compensation, over metrics and contexts.
- Judged are the paper's two metrics, Wanda's and STD, on all four rungs. The paper's own choice,
  none or bias, and the ladder with magnitude beside it, are shown by the same rule.

DSnoT swaps weights to bring Σ_j mean_j ΔW_ij to zero, which Eq. 7 does for any mask. Prediction:
its gain vanishes once the bias is corrected. Supported where DSnoT is below Wanda and, both
corrected, they are comparable (±1 %); contradicted where DSnoT is below Wanda and still is, by more
than that; open otherwise, all by the intervals of `claims.verdicts`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas

from stade_book.claims import pairing, paper, verdicts
from stade_book.studies import shares
from stade_book.studies.calibration_texts import NO_TEXT
from stade_nb.beyond.methods import LADDER, RUNGS
from stade_nb.errors import StadeError

MASK, COMPENSATION, UNDECIDED, DEPENDS = "mask", "compensation", "undecided", "it depends"
DRAWS = 1000
CONTEXT = ["model", "pattern", "text"]
OWN = "Wanda and STD, with or without bias"  # what the paper itself chooses between
# The metrics and rungs of each comparison, by what a page calls it; the first one is judged.
DESIGNS = {
    "Wanda and STD, every compensation": (("wanda", "std"), RUNGS),
    OWN: (("wanda", "std"), RUNGS[:2]),
    "magnitude, Wanda and STD, every compensation": (("magnitude", "wanda", "std"), RUNGS),
}
JUDGED = next(iter(DESIGNS))
TERMS = (("metric",), ("compensation",), ("metric", "compensation"))
TOGETHER = "context"
TEXTS = ["model", "evaluation", "calibration", "pattern"]  # a context in the grid of texts


class Answer(NamedTuple):
    """What decides in one model: the word, and compensation's part of what the two explain.

    together: the interaction's part of what the two explain alone and together. The word leaves it
    out; added when the words were known.
    """

    model: str
    design: str
    contexts: int
    word: str
    part: float
    low: float
    high: float
    together: float


PLACES = {
    method: (metric, rung)
    for metric, methods in LADDER.items()
    for rung, method in zip(RUNGS, methods, strict=True)
}


def placed(ran: pandas.DataFrame, name: str = "") -> pandas.DataFrame:
    """The cells of `ran` that are on the ladder, with their metric and compensation.

    ran: columns model, method, pattern, seed, losses; text, where there are several. name: of a
    design, for its methods alone. The rows of a cell's calibration seeds, those that all these
    methods of a context have (`pairing.common`), become one, with each window's mean loss.
    """
    metrics, rungs = DESIGNS.get(name, (LADDER, RUNGS))
    asked = [method for method, (m, rung) in PLACES.items() if m in metrics and rung in rungs]
    rows = ran[ran["method"].isin(asked)].assign(text=ran.get("text", ""))
    rows = pairing.common(rows, CONTEXT)
    means = rows.groupby([*CONTEXT, "method"], sort=False)["losses"].agg(
        lambda several: [math.fsum(window) / len(window) for window in zip(*several, strict=True)]
    )
    found = means.reset_index()
    return _named(found)


def on_texts(grid: pandas.DataFrame) -> pandas.DataFrame:
    """The cells of `OWN` in grids of texts, of those pairs of texts that have all of them.

    grid: from `calibration_texts.of_records`, and model beside; its first seed is taken, and random
    tokens, which are no text, are left out. Columns of `TEXTS`, metric, compensation, losses.
    """
    wanted = grid["method"].isin(PLACES) & (grid["calibration"] != NO_TEXT) & (grid["seed"] == 0)
    return design(_named(grid[wanted]), OWN, TEXTS)


def _named(cells: pandas.DataFrame) -> pandas.DataFrame:
    places = [PLACES[method] for method in cells["method"]]
    return cells.assign(
        metric=[metric for metric, _ in places], compensation=[rung for _, rung in places]
    )


def design(
    cells: pandas.DataFrame, name: str, context: Sequence[str] = CONTEXT
) -> pandas.DataFrame:
    """The cells of a design, from `placed`, of those contexts that have all of them."""
    metrics, rungs = DESIGNS[name]
    inside = cells[cells["metric"].isin(metrics) & cells["compensation"].isin(rungs)]
    sizes = inside.groupby(list(context))["losses"].transform("size")
    return inside[sizes == len(metrics) * len(rungs)].reset_index(drop=True)


def _drawn(cells: pandas.DataFrame, same: Sequence[str] = ("model", "text")):
    """`shares.resampled` within each text of a model, whose windows are its own.

    same: the columns that say which cells have the same windows.
    """
    parts = [
        pandas.DataFrame(shares.resampled(list(rows["losses"]), DRAWS, 0), index=rows.index)
        for _, rows in cells.groupby(list(same))
    ]
    return pandas.concat(parts).loc[cells.index].to_numpy()


def explained(
    cells: pandas.DataFrame,
    context: Sequence[str] = CONTEXT,
    same: Sequence[str] = ("model", "text"),
) -> pandas.DataFrame:
    """Shares of the variance of log-perplexity, those of the context first, see `shares.shares`.

    cells: from `design`; of the contexts those count that every model has, or the share of one
    factor would depend on which comes first. context: the columns that make one; what its factors
    do together is the term `TOGETHER`. same: see `_drawn`. StadeError where contexts do not have
    the same cells.
    """
    cells = _crossed(cells, [factor for factor in context if factor != "model"])
    if not len(cells) or not shares.balanced(cells, ["metric", "compensation"], context):
        raise StadeError(
            "the cells are no balanced design: expected every metric on every rung, once in each "
            f"{', '.join(context)}; take those of `design`"
        )
    first = [(factor,) for factor in context if cells[factor].nunique() > 1]
    if len(first) > 1:
        first.append(tuple(context))
    found = shares.shares(cells, (*first, *TERMS), _drawn(cells, same))
    return found.replace({"term": {" × ".join(context): TOGETHER}})


def _crossed(cells: pandas.DataFrame, others: Sequence[str]) -> pandas.DataFrame:
    """The cells of those contexts, but for the model, that every model has."""
    models = cells.groupby(list(others))["model"].transform("nunique")
    return cells[models == cells["model"].nunique()].reset_index(drop=True)


def answers(cells: pandas.DataFrame, name: str = JUDGED) -> list[Answer]:
    """The word for each model by the rule above; models without a full context have none."""
    found = []
    for model, rows in design(cells, name).groupby("model", sort=False):
        rows = rows.reset_index(drop=True)
        squares = shares.sums_of_squares(rows, (tuple(CONTEXT), *TERMS), _drawn(rows))
        part = squares[2] / (squares[1] + squares[2])
        low, high = (float(end) for end in pandas.Series(part[1:]).quantile([0.025, 0.975]))
        word = COMPENSATION if low > 0.5 else MASK if high < 0.5 else UNDECIDED
        contexts = len(rows.drop_duplicates(CONTEXT))
        both = float(squares[3, 0] / squares[1:4, 0].sum())
        found.append(Answer(model, name, contexts, word, float(part[0]), low, high, both))
    return found


def overall(found: Sequence[Answer]) -> str:
    """One word for several models: the one that all give; "" for none."""
    words = {answer.word for answer in found}
    return "" if not words else words.pop() if len(words) == 1 else DEPENDS


def gains(cells: pandas.DataFrame) -> pandas.DataFrame:
    """Each rung against none: the perplexity's ratio, geometric mean over metrics and contexts.

    cells: from `design`. Returns columns model, compensation, change (relative), best and worst (of
    one metric in one context).
    """
    loss = cells["losses"].map(lambda losses: math.fsum(losses) / len(losses))
    wide = cells.assign(loss=loss).pivot(
        index=[*CONTEXT, "metric"], columns="compensation", values="loss"
    )
    rungs = [rung for rung in RUNGS[1:] if rung in wide]
    rows = []
    for model, found in wide.groupby("model", sort=False):
        for rung in rungs:
            change = found[rung] - found[RUNGS[0]]
            rows.append(
                (model, rung, *map(math.expm1, (change.mean(), change.min(), change.max())))
            )
    return pandas.DataFrame(rows, columns=["model", "compensation", "change", "best", "worst"])


def sentence(found: Sequence[Answer], changes: pandas.DataFrame) -> str:
    """The verdict in a sentence: who decides, and whether compensations help or harm."""
    if not found:
        return "No model has every metric on every rung yet: nothing is decided."
    what = {
        MASK: "The mask explains more of the differences than its compensation",
        COMPENSATION: "The compensation explains more of the differences than the mask",
        UNDECIDED: "Neither the mask nor its compensation explains more of the differences",
        DEPENDS: "Whether the mask or its compensation explains more depends on the model",
    }[overall(found)]
    signs = ", ".join(
        f"{rung} {effects(changes, rung)}" for rung in dict.fromkeys(changes["compensation"])
    )
    models = "1 model" if len(found) == 1 else f"{len(found)} models"
    return f"{what} ({models}; perplexity against no compensation: {signs})."


def said(ran: pandas.DataFrame, name: str = JUDGED) -> str:
    """The verdict of a design on the cells of `ran`, see `placed`, in a sentence."""
    cells = placed(ran, name)
    return sentence(answers(cells, name), gains(design(cells, name)))


def effects(changes: pandas.DataFrame, rung: str) -> str:
    """What a compensation does, from the least model to the most: "−62.7 to −37.7 %".

    changes: of `gains`. A mean over models would hide that a bias helps one and harms the other.
    """
    values = changes.loc[changes["compensation"] == rung, "change"]
    if values.empty:
        return verdicts.NOT_RUN
    return span(values.min(), values.max())


def span(low: float, high: float) -> str:
    """Two relative changes in words, once where they are written alike: "−62.7 to −37.7 %"."""
    ends = (f"{100 * end:+.1f}" for end in (low, high))
    return f"{' to '.join(dict.fromkeys(ends))} %".replace("-", "−")


# Does a mask that knows covariances prune better? Supported where the first of a pair has a lower
# perplexity than the second, the metric that leaves the covariances out.
COVARIANCES = (("greedy", "wanda"), ("greedy_with_bias", "std"))


def against(ran: pandas.DataFrame, pairs: Sequence[tuple[str, str]], comparable: bool = False):
    """Methods in pairs, "the first is below the second" (or comparable), by `verdicts.judge`.

    All comparisons share the 95 %. Of a model and pattern those calibration seeds count that all of
    these methods have, as far as the seed means anything to them. Returns its columns, and below
    and above, the methods.
    """
    asked = {name for pair in pairs for name in pair}
    ran = pairing.common(ran[ran["method"].isin(asked)], ["model", "pattern"])
    patterns = tuple(each for each in ran["pattern"].unique() if each != paper.DENSE)
    every = [paper.Claim("study", *pair, patterns, comparable) for pair in pairs]
    judged = verdicts.judge(ran, every)
    names = {claim.words: (claim.below, claim.above) for claim in every}
    below, above = zip(*judged["claim"].map(names), strict=True) if len(judged) else ((), ())
    return judged.assign(below=below, above=above)


def vanishes(ran: pandas.DataFrame) -> pandas.DataFrame:
    """DSnoT's gain before and after the bias is corrected, and the word on the prediction.

    Columns model, pattern, before, after (changes of perplexity), verdict.
    """
    keys = ["model", "pattern"]
    before = against(ran, [("dsnot", "wanda")]).set_index(keys)
    corrected = ("dsnot_with_bias", "wanda_with_bias")
    below = against(ran, [corrected]).set_index(keys)
    same = against(ran, [corrected], comparable=True).set_index(keys)
    rows = []
    for key in before.index.intersection(below.index):
        word = verdicts.OPEN
        if before["verdict"][key] == verdicts.SUPPORTED:
            if same["verdict"][key] == verdicts.SUPPORTED:
                word = verdicts.SUPPORTED
            elif same["verdict"][key] == verdicts.CONTRADICTED and below["change"][key] < 0:
                word = verdicts.CONTRADICTED
        rows.append((*key, before["change"][key], below["change"][key], word))
    return pandas.DataFrame(rows, columns=[*keys, "before", "after", "verdict"])
