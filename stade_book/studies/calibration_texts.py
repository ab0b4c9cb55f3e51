"""Does the bias correction carry the calibration text into the model? The rules, and the numbers.

The correction writes the mean of the calibration text into the biases. If it carries the text into
the model, it is worth more on that text than on another one.

- The effect of the correction is the logarithm of the ratio of two perplexities, with the
  correction and without, by the same metric on the same evaluation windows: negative helps. From
  the second block on the correction changes what the metric sees, and so a few entries of the mask.
  An interval is paired over the windows, as in `claims.verdicts`.
- A text is evaluated with calibration on itself (other documents of it), and on each of the others.
  The correction carries the text where its effect at home is below its mean effect from the other
  texts, over the same windows. One comparison for each mask, pattern and evaluated text; all of
  them share 95 %; each seed by itself must agree.
- Random tokens are no text: their effects are shown and are in no mean.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import pandas

from stade_book.claims import verdicts
from stade_nb.beyond.methods import LADDER

# The texts of the grid, by the names of their files; "embedded" comes with the project.
CALIBRATIONS = {
    "C4": "c4_calibration.txt",
    "WikiText": "wiki_calibration.raw",
    "documentation": "embedded",
    "stories": "stories.txt",
    "Shakespeare": "shakespeare.txt",
    "random tokens": "random_tokens.npy",
}
EVALUATIONS = {
    "C4": "c4_evaluation.txt",
    "WikiText": "wiki_evaluation.raw",
    "documentation": "embedded",
}
# In order of worth: what the correction adds to one mask, then to the other, then STADE.
METHODS = ("wanda", "wanda_with_bias", "std", "std_without_correction", "stade")
PATTERNS = ("0.5", "2:4")
WINDOWS, LENGTH = 16, 512  # of calibration, and of each evaluated text

# With the correction and without, by the same metric.
CORRECTED = {metric: (LADDER[metric][1], LADDER[metric][0]) for metric in ("wanda", "std")}
# The paper's method against what it is compared with, for the same question.
STADE = {"stade": ("stade", "wanda")}
NO_TEXT = "random tokens"

Losses = dict[int, list[float]]  # one per evaluation window, by seed


class Effect(NamedTuple):
    """What the correction does to a mask: change of perplexity (relative) and its interval."""

    mask: str
    pattern: str
    calibration: str
    evaluation: str
    home: bool
    change: float
    low: float
    high: float


def of_records(rows: Sequence[dict]) -> pandas.DataFrame:
    """The grid's records among `rows` (fields and result each), with the texts by name.

    Returns columns calibration, evaluation, method, pattern, seed, losses, perplexity, record; for
    a dense model, to which calibration is nothing, calibration "".
    """
    names = [{source: name for name, source in of.items()} for of in (CALIBRATIONS, EVALUATIONS)]
    found = []
    for row in rows:
        texts = [row["calibration_corpus"], row["evaluation_corpus"]]
        sizes = {(text["windows"], text["length"]) for text in texts}
        named = [of.get(text["source"]) for of, text in zip(names, texts, strict=True)]
        if sizes == {(WINDOWS, LENGTH)} and None not in named:
            calibration, evaluation = named
            about = {"calibration": "" if row["method"] == "dense" else calibration}
            kept = {name: row[name] for name in ("method", "pattern", "seed", "losses")}
            more = {name: row[name] for name in ("perplexity", "record")}
            found.append(about | {"evaluation": evaluation} | kept | more)
    columns = ["calibration", "evaluation", "method", "pattern", "seed", "losses"]
    return pandas.DataFrame(found, columns=[*columns, "perplexity", "record"])


def differences(
    rows: pandas.DataFrame, pairs: Mapping[str, tuple[str, str]] = CORRECTED
) -> dict[tuple[str, str, str, str], Losses]:
    """By (mask, pattern, calibration, evaluation): what the correction adds to each window's loss.

    rows: columns calibration, evaluation (texts), method, pattern, seed, losses; a row a record.
    pairs: of methods by a name that stands in the mask's place, the first less the second. Cells of
    which one half is missing are left out.
    """
    losses = {
        (row.method, row.pattern, row.calibration, row.evaluation, row.seed): row.losses
        for row in rows.itertuples()
    }
    found: dict[tuple, Losses] = {}
    for mask, (corrected, plain) in pairs.items():
        for (method, *where, seed), ours in losses.items():
            other = losses.get((plain, *where, seed))
            if method == corrected and other is not None:
                gaps = [a - b for a, b in zip(ours, other, strict=True)]
                found.setdefault((mask, *where), {})[seed] = gaps
    return found


def effects(
    rows: pandas.DataFrame, pairs: Mapping[str, tuple[str, str]] = CORRECTED
) -> pandas.DataFrame:
    """A row of `Effect` for each pair of texts; all intervals together have 95 %.

    rows, pairs: as of `differences`.
    """
    found = differences(rows, pairs)
    confidence = verdicts.shared_confidence(len(found))
    table = []
    for (mask, pattern, calibration, evaluation), by_seed in found.items():
        gaps = _mean(list(by_seed.values()))
        ends = verdicts.difference(gaps, [0.0] * len(gaps), confidence)
        home = calibration == evaluation
        table.append(Effect(mask, pattern, calibration, evaluation, home, *map(math.expm1, ends)))
    return pandas.DataFrame(table, columns=Effect._fields)


def carried(rows: pandas.DataFrame) -> pandas.DataFrame:
    """The rule at the head of this file, a row for each mask, pattern and evaluated text.

    Returns columns mask, pattern, evaluation, home and away (the effects, relative changes of
    perplexity), away_texts (how many), change, low, high (of home against away) and verdict.
    """
    found, table = differences(rows), []
    away_of = {
        key: others
        for key in sorted(found)
        if key[2] == key[3]
        and (others := [k for k in found if _elsewhere(k, key) and k[2] != NO_TEXT])
    }
    for key, others in away_of.items():
        seeds = sorted(set(found[key]).intersection(*(found[other] for other in others)))
        if not seeds:
            continue
        home = {seed: found[key][seed] for seed in seeds}
        away = {seed: _mean([found[other][seed] for other in others]) for seed in seeds}
        gap, _, word = verdicts.compared(home, away, len(away_of))
        ends = [math.expm1(fmean(map(fmean, side.values()))) for side in (home, away)]
        mask, pattern, _, text = key
        table.append((mask, pattern, text, *ends, len(others), *map(math.expm1, gap), word))
    columns = "mask pattern evaluation home away away_texts change low high verdict"
    return pandas.DataFrame(table, columns=columns.split(" "))


def _elsewhere(key: tuple, home: tuple) -> bool:
    """Whether `key` is of the same mask, pattern and evaluated text, and of another calibration."""
    return (*key[:2], key[3]) == (*home[:2], home[3]) and key[2] != home[2]


def _mean(lists: Sequence[Sequence[float]]) -> list[float]:
    """The mean of several lists, window by window."""
    return list(map(fmean, zip(*lists, strict=True)))
