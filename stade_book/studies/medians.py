"""A bias of medians that is never worse than none? The hypothesis, and the rule for success.

Lead: on SmolLM2 with Wanda's mask at 2:4, from C4 to WikiText-2, a bias in down that takes the mean
of each input raises the perplexity by 4.2 %, one that takes the median lowers it by 4.6 % (see
`means`). The inputs of down have heavy tails: few tokens make much of a mean, and not those of
another text.

Hypothesis: with Wanda's mask everywhere, and in down alone a bias of the removed weights times the
median of each input, the perplexity on texts other than the calibrated one is lower than without.

Success is as in `helpful`: on one model, in at least `helpful.SHARE` of the cells the perplexity is
lower than Wanda's and than STADE's, both, from the same calibration windows. A cell is a pattern, a
calibration text and an evaluated text of another domain; the one that gave the lead is left out.
The candidate succeeds where it does on every real model. Wanda is run beside it, with the same
mask; STADE is that of the grid of texts. A median needs the inputs of one layer of one block at
once, and one more pass through the pruned block; the time must stay below twice Wanda's.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pandas

from stade_book.studies import helpful, means, measured

STUDY = "bias of medians on other texts"  # what the fields of its records say
COMMAND = "python -m workflow.medians"
PART, WAY = "down", means.MEDIAN
CANDIDATE, PLAIN = "wanda_median_down", "wanda"
PATTERNS = ("2:4", "0.5")
TIMES = 2  # of Wanda's time, below which the candidate must stay
# In order of worth; Shakespeare and the stories are far from every evaluated text.
CALIBRATIONS = ("C4", "WikiText", "documentation", "stories", "Shakespeare")


def recorded(model: str, folder: Path = measured.FOLDER) -> pandas.DataFrame:
    """A model's cells as `helpful.cells` takes them; no rows where it has no record.

    Columns method (`PLAIN` or `CANDIDATE`), pattern, calibration, evaluation, seed, perplexity.
    """
    known = "method pattern calibration"
    rows = [
        (*cell[1:4], text, 0, math.exp(fmean(losses)))
        for cell in measured.cells(STUDY, [model], known, COMMAND, folder).itertuples(index=False)
        for text, losses in cell.losses.items()
    ]
    columns = ["method", "pattern", "calibration", "evaluation", "seed", "perplexity"]
    return pandas.DataFrame(rows, columns=columns)


def outcome(
    models: dict[str, pandas.DataFrame], folder: Path = measured.FOLDER
) -> pandas.DataFrame:
    """The rule for success: a row for each model that has a record, see `helpful.success`.

    models: by name the grid of texts, from which STADE is. Columns model, those of it, than_wanda:
    in how many of the cells the candidate is below Wanda, no part of the rule; and times, see
    `times`, which must stay below `TIMES` for a success.
    """
    rows = [pandas.DataFrame(columns=["model", *helpful.COLUMNS, "than_wanda", "times"])]
    for model, grid in models.items():
        own = recorded(model, folder)
        if len(own):
            stade = grid[grid["method"] == "stade"][own.columns]
            cells = helpful.cells(pandas.concat([own, stade]), (CANDIDATE,))
            below = int((cells["counts"] & (cells[CANDIDATE] < cells[PLAIN])).sum())
            found = helpful.success(cells, (CANDIDATE,))
            longer = times([model], folder)["times"].item()
            success = found["success"] & (longer < TIMES)
            rows.append(found.assign(model=model, than_wanda=below, times=longer, success=success))
    return pandas.concat(rows[1:] or rows, ignore_index=True)


def apart(models: dict[str, pandas.DataFrame], folder: Path = measured.FOLDER) -> float:
    """The most that Wanda's perplexity differs, relative, between the study's cells and the grid's.

    The two were pruned on different machines, with the same windows. models: as of `outcome`; NaN
    where there is no cell in common.
    """
    keys, found = ["pattern", "calibration", "evaluation"], []
    for model, grid in models.items():
        ours, other = (
            rows[rows["method"] == PLAIN].set_index(keys)["perplexity"]
            for rows in (recorded(model, folder), grid)
        )
        found.append((ours / other - 1).abs().max())
    return float(pandas.Series(found, dtype=float).max())


def times(models: Sequence[str], folder: Path = measured.FOLDER) -> pandas.DataFrame:
    """Seconds of Wanda and of the bias behind it, summed over a model's cells, and their ratio.

    Columns model, wanda, bias, times (both together, as a multiple of Wanda's).
    """
    rows = []
    for model in measured.there(STUDY, list(models), folder):
        cells = measured.of(STUDY, model, COMMAND, folder)["cells"]
        bias = [cell for cell in cells if cell["method"] == CANDIDATE]
        spent = {(c["pattern"], c["calibration"]): c["pruning"] for c in cells if c not in bias}
        wanda = sum(spent[cell["pattern"], cell["calibration"]] for cell in bias)
        more = sum(cell["pruning"] for cell in bias)
        rows.append((model, wanda, more, (wanda + more) / wanda if wanda else math.nan))
    return pandas.DataFrame(rows, columns=["model", "wanda", "bias", "times"])
