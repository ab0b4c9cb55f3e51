"""What becomes of the claims on Table 4: here, and by what the paper prints, with its error."""

import math
from collections.abc import Sequence

import numpy as np
import pandas
from scipy import stats

from stade_nb.claims import accuracy_verdicts, ledger_tables, paper, printed_tables, verdicts
from stade_nb.numerics.bias import DROPPED, KEPT

# Sec. 4.4: what "outperforms alternative methods" compares.
RIVALS = [("stade", "wanda"), ("stade", "stade_without_bias")]
NM_CLAIM, FOLLOWS_CLAIM = "zero-shot-nm", "zero-shot-follows"


def nm(patterns: Sequence[str]) -> list[str]:
    """The N:M patterns among them, of which the claim speaks."""
    return [pattern for pattern in patterns if ":" in pattern]


def summary(above: pandas.DataFrame, follows: pandas.DataFrame) -> pandas.DataFrame:
    """The claims of Sec. 4.4: what the printed tables say, what our models say.

    above: `accuracy_verdicts.above` of `RIVALS` at N:M patterns; follows: of the same module.
    """
    by_table = {row.id: row for row in ledger_tables.decide()}
    rows = []
    for claim, judged in ((NM_CLAIM, above), (FOLLOWS_CLAIM, follows)):
        words, theirs = list(judged["verdict"]), by_table[claim]
        text = paper.claim_text(claim), f"{theirs.verdict}: {theirs.count}"
        rows.append((claim, *text, verdicts.overall(words), verdicts.counted(words)))
    columns = ["id", "claim", "by the paper's own numbers", "verdict here", "comparisons here"]
    return pandas.DataFrame(rows, columns=columns)


def task_differences(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """McNemar's test of two methods on every task, a row for each model and pattern.

    Entries "gained : lost", the questions that only `ours` and only the `other` answers correctly,
    with an asterisk where p is below 5 % over all tests of the table (Bonferroni).
    """
    first = ran.drop_duplicates(["model", "method", "pattern"])
    cells = {(c.model, c.pattern, c.method): c.answers for c in first.itertuples()}
    found = {
        (model, pattern): {
            task: accuracy_verdicts.mcnemar(answers[task], cells[model, pattern, other][task])
            for task in answers
        }
        for (model, pattern, method), answers in cells.items()
        if method == ours and (model, pattern, other) in cells
    }
    tests = sum(map(len, found.values()))
    rows = [
        {"model": model, "sparsity": paper.sparsity(pattern)}
        | {
            short(task): f"{t.ours} : {t.other}".replace(" ", "\N{NO-BREAK SPACE}")
            + (" *" if t.p * tests < 0.05 else "")
            for task, t in row.items()
        }
        for (model, pattern), row in found.items()
    ]
    return pandas.DataFrame(rows)


def pairing(ran: pandas.DataFrame, ours: str, other: str) -> pandas.DataFrame:
    """What pairing gains: of two methods, how alike their answers are and the errors that gives.

    Columns model, pattern, alike (share of questions that both or neither answers), paired and
    unpaired (standard errors of the difference of mean accuracies).
    """
    first = ran.drop_duplicates(["model", "method", "pattern"])
    cells = {(c.model, c.pattern, c.method): c for c in first.itertuples()}
    rows = []
    for (model, pattern, method), one in cells.items():
        if method != ours or (model, pattern, other) not in cells:
            continue
        two = cells[model, pattern, other]
        pairs = [
            pair
            for task in one.answers
            for pair in zip(one.answers[task], two.answers[task], strict=True)
        ]
        alike = sum(a == b for a, b in pairs) / len(pairs)
        found = accuracy_verdicts.difference(one.answers, two.answers, math.erf(math.sqrt(0.5)))
        rows.append(
            (model, pattern, alike, found.high - found.mean, math.hypot(one.error, two.error))
        )
    return pandas.DataFrame(rows, columns=["model", "pattern", "alike", "paired", "unpaired"])


def printed_noise(pairing: pandas.DataFrame) -> pandas.DataFrame:
    """Table 4: printed differences of STADE and Wanda against what chance alone would give.

    pairing: from `pairing`; its mean ratio of paired to unpaired errors is taken over. Columns
    error (how it is reckoned), points (beyond which one difference in twenty is chance, mean over
    the cells), above, below and within (how many of the printed differences).
    """
    both = printed_tables.wide(4)[["stade", "wanda"]].dropna()
    gaps = both["stade"] - both["wanda"]
    errors = np.hypot(*(both[m].div(100).map(printed_tables.standard_error) for m in both))
    ratio = float((pairing["paired"] / pairing["unpaired"]).mean())
    ways = {"other questions for each method": 1.0, "the same questions, as alike as here": ratio}
    rows = []
    for way, factor in ways.items():
        if math.isfinite(factor):
            reach = float(stats.norm.ppf(0.975)) * factor * errors
            above, below = int((gaps > reach).sum()), int((gaps < -reach).sum())
            rows.append((way, float(reach.mean()), above, below, len(gaps) - above - below))
    return pandas.DataFrame(rows, columns=["error", "points", "above", "below", "within"])


def dropped(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Corrected biases kept and dropped: what each does to perplexity and to mean accuracy.

    Changes are "dropped" against "kept", relative for the perplexity; all comparisons of a column
    share the 95 %. Columns model, method, pattern, perplexity, perplexity_dropped, times,
    accuracy, accuracy_dropped, change, low, high, verdict (on "keeping is more accurate").
    """
    keys = ["model", "method", "pattern", "seed"]
    both = ran[ran["biases"] == KEPT].merge(
        ran[ran["biases"] == DROPPED], on=keys, suffixes=("", "_dropped"), validate="one_to_one"
    )
    rows = []
    for cell in both.itertuples():
        confidence = 1 - (1 - verdicts.CONFIDENCE) / len(both)
        found = accuracy_verdicts.difference(cell.answers, cell.answers_dropped, confidence)
        rows.append((*found, accuracy_verdicts.verdict(found)))
    judged = pandas.DataFrame(rows, columns=["change", "low", "high", "verdict"])
    shown = both[[*keys, "perplexity", "perplexity_dropped", "accuracy", "accuracy_dropped"]]
    ratio = shown["perplexity_dropped"] / shown["perplexity"]
    return pandas.concat([shown.assign(times=ratio), judged], axis="columns")


def kept(ran: pandas.DataFrame) -> pandas.DataFrame:
    """The cells of the table itself: biases as Eq. 7 has them."""
    return ran[ran["biases"] == KEPT]


def percent(accuracy: float, error: float, digits: int = 1) -> str:
    """An accuracy with its standard error, in percent."""
    return f"{100 * accuracy:.{digits}f} ± {100 * error:.{digits}f}"


def short(task: str) -> str:
    """A task's name for the head of a column."""
    return task.removeprefix("embedded_")
