"""A correction that is never worse than none? The candidates, and the rule for success.

Lead: of SmolLM2's layers with Wanda's mask at 2:4, C4 to WikiText-2, correcting gate and up alone
lowers the perplexity, correcting o alone a little, q and k do nothing, v and down do harm (with 16
windows of calibration; with 32 q and k and down lower it, by no more than a nudge may do). The
means of the inputs agree: behind a norm they hardly depend on the text, before down they do (see
`text_means`); of v it is known that the token that everybody attends to has a value near zero.

Hypothesis: Eq. 7 in gate and up alone (the first candidate), or everywhere but in v and down (the
second), lowers the perplexity on texts other than the calibrated one.

Success of a candidate, on one model: in at least `SHARE` of the cells its perplexity is lower than
Wanda's and than STADE's, both, from the same calibration windows. A cell is a pattern, a
calibration text and an evaluated text of another domain; the one that gave the lead is left out.
A candidate succeeds where it does on every real model. Statistics and time are Wanda's.
"""

from collections.abc import Sequence

import pandas

from stade_book.claims import pairing

CANDIDATES = ("wanda_bias_gate_up", "wanda_bias_qk_o_gate_up")
RIVALS = ("wanda", "stade")
SHARE = 0.8
COLUMNS = ("candidate", "lower", "cells", "median", "success")
LEAD = ("2:4", "C4", "WikiText")  # pattern, calibration, evaluation


def cells(rows: pandas.DataFrame, candidates: Sequence[str] = CANDIDATES) -> pandas.DataFrame:
    """A row for each cell that has both rivals and at least one of the candidates.

    rows: as `calibration_texts.of_records` has them, of one model. Returns columns pattern,
    calibration, evaluation, a column of perplexities (mean over common seeds) for each rival and
    candidate, and counts, false for the cell of the lead.
    """
    keys = ["pattern", "calibration", "evaluation"]
    away = rows[(rows["calibration"] != rows["evaluation"]) & (rows["calibration"] != "")]
    away = pairing.common(away[away["method"].isin([*RIVALS, *candidates])], keys)
    wide = away.pivot_table("perplexity", keys, "method", observed=True)
    wide = wide.reindex(columns=[*RIVALS, *candidates]).dropna(subset=list(RIVALS))
    wide = wide.dropna(subset=list(candidates), how="all").reset_index()
    counts = [tuple(row) != LEAD for row in wide[keys].itertuples(index=False)]
    return wide.assign(counts=counts).rename_axis(columns=None)


def success(found: pandas.DataFrame, candidates: Sequence[str] = CANDIDATES) -> pandas.DataFrame:
    """How often each candidate is below both rivals, and whether that is success on this model.

    found: from `cells`. Returns columns candidate, lower, cells, median (change against the better
    rival, relative), success.
    """
    rows = []
    for candidate in candidates:
        some = found[found["counts"] & found[candidate].notna()]
        change = some[candidate] / some[list(RIVALS)].min(axis=1) - 1
        lower = int((change < 0).sum())
        reached = bool(len(some)) and lower >= SHARE * len(some)
        rows.append((candidate, lower, len(some), change.median(), reached))
    return pandas.DataFrame(rows, columns=list(COLUMNS))
