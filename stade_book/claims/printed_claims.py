"""The claims that the paper's own tables decide, by counting printed numbers: no noise is known."""

import math
from collections.abc import Iterator, Sequence

from scipy import stats

from stade_book.claims import paper, perplexity, printed, verdicts
from stade_book.claims.paper import Claim
from stade_book.claims.scorecard import RULES, decides
from stade_book.claims.verdicts import CONTRADICTED, OPEN, PRINTED, SUPPORTED, Count, Verdict, count

WORDS = {"better": SUPPORTED, "equal": OPEN, "worse": CONTRADICTED}  # of an outcome
# Of 90 % Sec. 4.1 says that STD wins even on Wanda's layers, which is a claim of its own.
HIGHEST, EXEMPT = 0.9, "at 90 %, which Sec. 4.1 exempts"


def decide(claims: Sequence[str] = ()) -> list[Verdict]:
    """The verdicts of the printed tables on `claims`; on all of which they decide any if empty."""
    asked = dict.fromkeys(
        rule.decide
        for (claim, by), rule in RULES.items()
        if by == PRINTED and (not claims or claim in claims)
    )
    found = (verdict for function in asked for verdict in function())
    return [verdict for verdict in found if not claims or verdict.id in claims]


@decides(PRINTED, "", *paper.text_ids(3, 5, 6))
def of_methods() -> Iterator[Verdict]:
    """Secs. 4.2, 4.3 and 4.5 against Tables 3, 5 and 6: `paper.TEXT_CLAIMS`, every cell."""
    for number, claims in paper.TEXT_CLAIMS.items():
        for name in dict.fromkeys(claim.id for claim in claims):
            yield of_cells(number, [claim for claim in claims if claim.id == name])


def of_cells(number: int, claims: Sequence[Claim]) -> Verdict:
    """One claim, made of `claims`, against the cells of Table `number`.

    Where a method of the claim is not printed at all the claim is not decided, and what its other
    half says is a note.
    """
    gaps = [
        (gap, claim.comparable)
        for claim in claims
        for pattern in claim.patterns
        for gap in paper.printed_gaps(number, claim.below, claim.above, pattern, claim.family)
    ]
    found = count((verdicts.side(*gap) for gap in gaps), (math.expm1(gap) for gap, _ in gaps))
    absent = {c.above for c in claims} - set(paper.table(number)["method"])
    if not gaps:
        found = Count(0, 0, 0, note="no such cells")
    elif absent:
        compared = dict.fromkeys(paper.title(c.above) for c in claims if c.above not in absent)
        rows = ", ".join(sorted(map(paper.title, absent)))
        note = f"no {rows} on all layers; against {', '.join(compared)} {found}"
        found = Count(0, 0, 0, note=note)
    rule, where = perplexity.rule(claims), f"Table {number}"
    reading = claims[0].reading
    return Verdict(claims[0].id, PRINTED, f"{where}: {rule}, in every cell", found, where, reading)


# Table 2 ---------------------------------------------------------------------------------------


@decides(PRINTED, "", "std-better-uncentred", "wanda-better-centred")
def of_marked_metrics() -> Iterator[Verdict]:
    """Sec. 4.1: each layer type and sparsity, the metric that is expected to win lower."""
    both = printed.layers()
    both["verdict"] = both["outcome"].map(WORDS)
    both["counts"] = (both["input"] != "centered") | (both["sparsity"] != HIGHEST)
    for claim, kind, metric in (
        ("std-better-uncentred", "not centered", "STD"),
        ("wanda-better-centred", "centered", "Wanda"),
    ):
        found = verdicts.counted(both[both["input"] == kind], EXEMPT)
        rule = f"Table 2, layers marked {kind}: {metric} is lower than the other metric"
        yield Verdict(claim, PRINTED, rule, found, "Table 2")


@decides(PRINTED, "", "std-better-at-90", "doubled-at-90", "mlp-hurts-most")
def of_sparsities() -> Iterator[Verdict]:
    """Sec. 4.1 on the highest sparsity, and on which layers hurt most."""
    both = printed.layers()
    last = both[(both["sparsity"] == HIGHEST) & (both["input"] == "centered")]
    change = last["std"] / last["wanda"] - 1
    rule = "Table 2 at 90 %, centred inputs: STD is lower than Wanda for each layer type"
    found = count(change.map(verdicts.side), change)
    yield Verdict("std-better-at-90", PRINTED, rule, found, "Table 2")
    times = printed.growth_at(HIGHEST)["times"]
    rule = "Table 2 at 90 %: each perplexity is more than twice the dense one"
    found = count((2 - times).map(verdicts.side), times, "times")
    yield Verdict("doubled-at-90", PRINTED, rule, found, "Table 2")
    worst = printed.hurts_most().str.split(", ")
    mlp = worst.map(lambda names: {name.startswith("mlp.") for name in names})
    words = {(True,): SUPPORTED, (False,): CONTRADICTED}
    note = f"from {100 * worst[mlp == {True}].index.min():.0f} % on"
    found = count((words.get(tuple(kinds), OPEN) for kinds in mlp), note=note)
    rule = (
        "Table 2, each layer type by its † metric: an MLP layer has the highest perplexity at each "
        "sparsity"
    )
    yield Verdict("mlp-hurts-most", PRINTED, rule, found, "Table 2")


# Tables 3 and 4 --------------------------------------------------------------------------------


@decides(PRINTED, "", "threefold")
def of_growth() -> Iterator[Verdict]:
    """Sec. 4.2: by how much Table 3's perplexities grow for the two models that it names."""
    times = printed.growth()
    newer = times.loc["llama-3.1-8b"].stack()
    older = times.loc["llama-3-8b"].drop(columns="magnitude").stack()
    tripled, near = newer > 3, older.round(1).isin([1.4, 1.5, 1.6])
    rule = (
        "Table 3, every pattern: Llama-3.1-8B above 3 times dense with every method, and "
        "Llama-3-8B, magnitude apart, 1.4 to 1.6 times (rounded)"
    )
    note = f"{tripled.sum()} of {len(newer)} and {near.sum()} of {len(older)}"
    found = verdicts.checked([*tripled, *near], note)
    yield Verdict("threefold", PRINTED, rule, found, "Table 3")


@decides(PRINTED, "", "distilled-gain-most")
def of_distilled() -> Iterator[Verdict]:
    """Sec. 4.2: which models gain most from STADE in Table 3."""
    table = paper.table(3)
    found = perplexity.of_gains(table.assign(paper_model=table["model"]), PRINTED)
    third = sum(name.startswith("llama-3") for name in perplexity.gains(table).index[:4])
    note = f"{found.count.note}; as Secs. 4.4 and 6 read, all of Llama-3: {third} of the first 4"
    yield found._replace(count=found.count._replace(note=note), where="Table 3")


@decides(PRINTED, "", "zero-shot-follows", "zero-shot-nm")
def of_accuracies() -> Iterator[Verdict]:
    """Sec. 4.4 against Table 4."""
    both, other = (printed.cells(number, "stade", "wanda") for number in (4, 3))
    shared = both.merge(other, on=["model", "pattern"], suffixes=("", "_perplexity"))
    shared = shared[shared["outcome_perplexity"] != "equal"]
    same = int((shared["outcome"] == shared["outcome_perplexity"]).sum())
    chance = stats.binomtest(same, len(shared)).pvalue
    agree = SUPPORTED if 2 * same > len(shared) else CONTRADICTED
    note = f"so in {same} of {len(shared)} cells, p = {chance:.2f}"
    rule = (
        "Tables 3 and 4, STADE and Wanda: the lower perplexity goes with the higher accuracy more "
        "often than a coin would have it (one sign test, 5 %)"
    )
    found = count([agree if chance < 0.05 else OPEN], note=note)
    yield Verdict("zero-shot-follows", PRINTED, rule, found, "Tables 3 and 4")
    cells = printed.wide(4).query("pattern in @NM", local_dict={"NM": printed.NM})
    ahead = cells.drop(columns="stade").rsub(cells["stade"], axis=0) / 100
    best, flat = (ahead > 0).all(axis=1).sum(), ahead.stack()
    note = f"above both in {best} of {len(cells)}, above Wanda in {(ahead['wanda'] > 0).sum()}"
    rule = "Table 4, N:M: STADE is above Wanda, and above STADE (w/o bias), in each cell"
    found = count((-flat).map(verdicts.side), flat, "points", note)
    yield Verdict("zero-shot-nm", PRINTED, rule, found, "Table 4")
