"""Orders of methods: those that the paper prints, beside what comes out here."""

from collections.abc import Sequence

import pandas

from stade_nb.claims import paper, verdicts
from stade_nb.claims.paper import Claim


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
