"""What tables of perplexities decide: the text's claims, and the orders that the paper prints."""

import math
from collections.abc import Iterator, Sequence

import pandas

from stade_book.claims import pairing, paper, verdicts
from stade_book.claims.paper import Claim
from stade_book.claims.printed import DISTILLED
from stade_book.claims.scorecard import decides, decides_both
from stade_book.claims.verdicts import RECORDS, RUNS, Verdict, by_runs

BIASED = "on models with biases of their own"


def rule(claims: Sequence[Claim]) -> str:
    """The comparisons of one claim in words: "STADE < Wanda at 50 %, 2:4 and 4:8"."""
    patterns = " and ".join(map(paper.sparsity, claims[0].patterns))
    return f"{', '.join(dict.fromkeys(claim.words for claim in claims))} at {patterns}"


@decides(RUNS, "table3_perplexity", *paper.text_ids(3))
# Records name no family of a model, see `tables.earlier.frame`.
@decides(RECORDS, "table3_perplexity", *paper.text_ids(3, families=False))
@decides_both("table5_without_bias", *paper.text_ids(5))
@decides_both("table6_weight_update", *paper.text_ids(6))
def decide(claims: Sequence[Claim], judged: pandas.DataFrame) -> Iterator[Verdict]:
    """A verdict for each id among `claims`, from what `verdicts.judge` made of them.

    Each model and pattern that `judged` has is one comparison. Of two rivals the note has each.
    """
    for name in dict.fromkeys(claim.id for claim in claims):
        made = [claim for claim in claims if claim.id == name]
        rows = judged[judged["id"] == name]
        noise = "within 1 % beyond noise" if made[0].comparable else "beyond noise"
        words = f"{rule(made)}, on each model, {noise}"
        found = by_runs(name, words, rows, BIASED, text=made[0].reading)
        pairs = {pair: own for pair, own in rows.groupby("claim", sort=False)}
        if len(pairs) == 2 and not found.count.note:
            each = "; ".join(f"{pair}: {verdicts.counted(own)}" for pair, own in pairs.items())
            found = found.noted(each)
        yield found


@decides_both("audit_code", "equal-parameters")
def of_equal_parameters(ran: pandas.DataFrame) -> Verdict:
    """Sec. 3.4: STADE with one more weight pruned for each bias that it adds, against Wanda.

    ran: as for `verdicts.judge`, methods wanda, stade and stade_equal_parameters. The note has the
    share of STADE's gain that is left, log(Wanda / that) over log(Wanda / STADE), of the seeds that
    all three have, where there is a gain.
    """
    made = [paper.EQUAL_PARAMETERS]
    judged = verdicts.judge(ran, made)
    (found,) = decide(made, judged)
    rows = ran[ran["pattern"].isin(made[0].patterns) & ran["model"].isin(judged["model"])]
    three = ["wanda", "stade", made[0].below]
    rows = pairing.common(rows[rows["method"].isin(three)], ["model", "pattern"])
    levels = rows.groupby(["model", "method"])["perplexity"].mean().map(math.log).unstack()
    kept = levels.reindex(index=judged[judged["counts"].astype(bool)]["model"])
    if kept.empty or "stade" not in kept:
        return found
    gained = kept["wanda"] - kept["stade"]
    left = (kept["wanda"] - kept[made[0].below]) / gained
    shares = ", ".join(
        f"{100 * share:.0f} % on {model}" if gained[model] > 0 else f"no gain on {model}"
        for model, share in left.items()
    )
    note = "; ".join(filter(None, (f"left of STADE's gain: {shares}", found.count.note)))
    return found._replace(count=found.count._replace(note=note))


# Which models gain most -------------------------------------------------------------------------


def gains(ran: pandas.DataFrame) -> pandas.Series:
    """log(Wanda / STADE), the mean over the patterns, for each model that has both; highest first.

    ran: columns model, pattern, method, perplexity; where it has seed as well, of the seeds that
    both methods have.
    """
    if "seed" in ran:
        ran = pairing.common(ran[ran["method"].isin(["wanda", "stade"])], ["model", "pattern"])
    means = ran.groupby(["model", "pattern", "method"])["perplexity"].mean().unstack()
    if not {"wanda", "stade"} <= set(means.columns):
        return pandas.Series(dtype=float)
    ratios = (means["wanda"] / means["stade"]).dropna().map(math.log)
    return ratios.groupby("model").mean().sort_values(ascending=False)


@decides(RUNS, "table3_perplexity", "distilled-gain-most")
def of_gains(ran: pandas.DataFrame, by: str = RUNS) -> Verdict:
    """Sec. 4.2: does each distilled model gain more from STADE than each other one?

    ran: columns model, paper_model, pattern, method, perplexity. Distilled are those models of the
    paper that it calls so. No noise is taken into account.
    """
    gain = gains(ran)
    known = dict(zip(ran["model"], ran["paper_model"], strict=True))
    distilled = [model for model in gain.index if known[model] in DISTILLED]
    pairs = [gain[o] - gain[d] for d in distilled for o in gain.index if o not in distilled]
    places = [str(list(gain.index).index(model) + 1) for model in distilled]
    note = "no model that the paper calls distilled"
    if places:
        note = f"the distilled ones are number {', '.join(places)} of {len(gain)}"
    words = (
        "log(Wanda / STADE), the mean over the patterns, of each model that Sec. 4.2 calls "
        "distilled against each other model"
    )
    count = verdicts.count(map(verdicts.side, pairs), note=note)
    return Verdict("distilled-gain-most", by, words, count, ", ".join(gain.index))


# Printed orders ---------------------------------------------------------------------------------


def _beside(number: int, judged: pandas.DataFrame, claims: Sequence[Claim]) -> Iterator[tuple]:
    """Each claim and pattern: (claim, sparsity, its rows of `judged`, `paper.printed_counts`)."""
    for claim in claims:
        for pattern in claim.patterns:
            rows = judged[(judged["pattern"] == pattern) & (judged["claim"] == claim.words)]
            there = paper.printed_counts(number, claim.below, claim.above, pattern)
            yield claim, paper.sparsity(pattern), rows, there


def as_printed(number: int, claims: Sequence[Claim], judged: pandas.DataFrame) -> pandas.DataFrame:
    """The paper's printed orders of methods; for each of our models, the change and the word.

    claims: from `paper.printed_orders`. judged: `verdicts.judge` on them. Columns sparsity, order,
    times ("4 of 7": in how many printed models), and one for each model.
    """
    rows = []
    for claim, sparsity, found, there in _beside(number, judged, claims):
        row = {"sparsity": sparsity, "order": claim.words, "times": f"{there[0]} of {sum(there)}"}
        for one in found.itertuples():
            row[one.model] = f"{100 * one.change:+.1f} %: {one.verdict}".replace("-", "−")
        rows.append(row)
    return pandas.DataFrame(rows)


def tally(number: int, judged: pandas.DataFrame, claims: Sequence[Claim]) -> pandas.DataFrame:
    """Wins, ties and losses of each claim's first method: here, and among the printed values.

    claims: none of them `comparable`. judged: `verdicts.judge` on them; a difference within noise
    is a tie here, an equal number is one in print. Columns comparison, sparsity, here, printed.
    """
    rows = []
    for claim, sparsity, ours, there in _beside(number, judged, claims):
        here = verdicts.count(ours["verdict"])[:3]
        counts = (
            " / ".join(map(str, found)) if sum(found) else none
            for found, none in ((here, verdicts.NOT_RUN), (there, verdicts.NOT_PRINTED))
        )
        pair = f"{paper.title(claim.below)} against {paper.title(claim.above)}"
        rows.append((pair, sparsity, *counts))
    return pandas.DataFrame(rows, columns=["comparison", "sparsity", "here", "printed"])
