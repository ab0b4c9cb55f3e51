"""Orders of methods: those that the paper prints, beside what comes out here."""

import math
from collections.abc import Sequence

import pandas

from stade_nb.claims import paper, verdicts
from stade_nb.claims.paper import Claim
from stade_nb.claims.printed import DISTILLED
from stade_nb.claims.verdicts import FAILS, HOLDS, NOT_RUN


def as_printed(number: int, claims: Sequence[Claim], judged: pandas.DataFrame) -> pandas.DataFrame:
    """The paper's printed orders of methods; for each of our models, the change and the verdict.

    claims: from `paper.printed_orders`. judged: `verdicts.judge` on them.
    """
    rows = []
    for claim in claims:
        (pattern,) = claim.patterns
        lower, equal, higher = paper.printed_counts(number, claim.below, claim.above, pattern)
        row = {
            "sparsity": paper.sparsity(pattern),
            "printed order": claim.words,
            "in": f"{lower} of {lower + equal + higher}",
        }
        found = judged[(judged["pattern"] == pattern) & (judged["claim"] == claim.words)]
        for model, change, word in found[["model", "change", "verdict"]].itertuples(index=False):
            row[model] = f"{100 * change:+.1f} %: {verdicts.short(word)}".replace("-", "−")
        rows.append(row)
    return pandas.DataFrame(rows)


def tally(number: int, judged: pandas.DataFrame, claims: Sequence[Claim]) -> pandas.DataFrame:
    """Wins, ties and losses of each claim's first method: here, and among the printed values.

    claims: none of them `comparable`. judged: `verdicts.judge` on them; a difference within noise
    is a tie here, an equal number is one in print.
    """
    rows = []
    for claim in claims:
        for pattern in claim.patterns:
            ours = judged[(judged["pattern"] == pattern) & (judged["claim"] == claim.words)]
            words = list(ours["verdict"])
            here = [
                words.count(word) for word in (verdicts.HOLDS, verdicts.UNDECIDED, verdicts.FAILS)
            ]
            there = paper.printed_counts(number, claim.below, claim.above, pattern)
            pair = f"{paper.title(claim.below)} against {paper.title(claim.above)}"
            counts = [
                " / ".join(map(str, found)) if sum(found) else none
                for found, none in ((here, verdicts.NOT_RUN), (there, verdicts.NOT_PRINTED))
            ]
            rows.append((pair, paper.sparsity(pattern), *counts))
    columns = [
        "comparison",
        "sparsity",
        "here: wins / ties / losses",
        "printed: wins / ties / losses",
    ]
    return pandas.DataFrame(rows, columns=columns)


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
