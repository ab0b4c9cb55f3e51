"""Secs. 4.2 and 4.4: do models from distillation gain most from STADE? By a rule fixed beforehand.

A model's gain is the mean over the patterns of log(Wanda's perplexity / STADE's), perplexities
averaged over the calibration seeds. The claim holds where every distilled model gains more than
every plainly trained one, and does not hold otherwise. Models that differ in more than this (size,
text, age) cannot say what distillation does: only a pair that is alike otherwise could.
"""

import math

import pandas

from stade_nb.claims import paper
from stade_nb.claims.printed_tables import DISTILLED
from stade_nb.claims.verdicts import FAILS, HOLDS, NOT_RUN

CLAIM = "distilled-gain-most"


def gains(ran: pandas.DataFrame) -> pandas.Series:
    """log(Wanda / STADE), the mean over the patterns, for each model that has both; highest first.

    ran: from `tables.run`.
    """
    means = ran.groupby(["model", "pattern", "method"])["perplexity"].mean().unstack()
    if not {"wanda", "stade"} <= set(means.columns):
        return pandas.Series(dtype=float)
    ratios = (means["wanda"] / means["stade"]).dropna().map(math.log)
    return ratios.groupby("model").mean().sort_values(ascending=False)


def verdict(ran: pandas.DataFrame) -> str:
    """The verdict by the rule above; "not run here" without models of both kinds.

    Distilled are those models of the paper that it calls so.
    """
    gain = gains(ran)
    kinds = ran.drop_duplicates("model").set_index("model")["paper_model"].isin(DISTILLED)
    distilled, plain = (gain[gain.index.map(kinds) == kind] for kind in (True, False))
    if distilled.empty or plain.empty:
        return NOT_RUN
    return HOLDS if distilled.min() > plain.max() else FAILS


def row(ran: pandas.DataFrame) -> tuple[str, str, str, str, str]:
    """The claim as a row of `verdicts.summary`: id, claim, by the paper's numbers, here, counts."""
    printed = paper.table(3)
    printed["paper_model"] = printed["model"]
    theirs = f"{verdict(printed)}: {places(printed)}"
    return CLAIM, paper.claim_text(CLAIM), theirs, verdict(ran), places(ran)


def places(ran: pandas.DataFrame) -> str:
    """Which places the distilled models take in the order of the gains."""
    ranking = list(gains(ran).index)
    known = dict(zip(ran["model"], ran["paper_model"], strict=True))
    found = [number for number, m in enumerate(ranking, 1) if known[m] in DISTILLED]
    if not found:
        return "no model that the paper calls distilled"
    return f"the distilled ones are number {', '.join(map(str, found))} of {len(ranking)}"
