"""The claims that the paper's own printed tables decide: Secs. 4.1–4.5 against Tables 2–6."""

from collections.abc import Iterator

from scipy import stats

from stade_nb.claims import paper, printed_tables, verdicts
from stade_nb.claims.decided import PRINTED, Decided, held
from stade_nb.claims.printed_tables import NM, Counts
from stade_nb.claims.verdicts import FAILS, HOLDS, UNDECIDED


def decide() -> Iterator[Decided]:
    """Secs. 4.1–4.5 against Tables 2–6 as printed."""
    yield from of_table2()
    for claim in ("best-without-update", "unstructured-equal", "nm-bias-better"):
        number = 3 if claim == "best-without-update" else 5
        made = [c for c in paper.TEXT_CLAIMS[number] if c.id == claim]
        verdict, count = verdicts.printed(number, made)
        span = "within 1 % of" if made[0].comparable else "lower than"
        others = " and ".join(paper.title(c.above) for c in made)
        where = f"Table {number}, {', '.join(made[0].patterns)}"
        rule = f"{where}: STADE is {span} {others} in every cell"
        yield Decided(claim, PRINTED, rule, count, verdict)
    yield from _of_growth()
    yield from _of_table4()
    for claim, method, other in (
        ("sparsegpt-best", "sparsegpt", None),
        ("update-essential", "stade", "sparsegpt_without_update"),
    ):
        table = printed_tables.wide(6)
        rival = table.drop(columns=method).min(axis=1) if other is None else table[other]
        lower = int((table[method] < rival).sum())
        than = "any other method" if other is None else paper.title(other)
        yield Decided(
            claim,
            PRINTED,
            f"Table 6: {paper.title(method)} is lower than {than} in every cell",
            f"{lower} of {len(table)}",
            held(lower == len(table)),
        )


def of_table2() -> Iterator[Decided]:
    """Sec. 4.1 against Table 2 as printed."""
    both = printed_tables.layers()
    for claim, where, metric in (
        ("std-better-uncentred", "not centered", "STD"),
        ("wanda-better-centred", "centered", "Wanda"),
    ):
        count, verdict = _never_worse(printed_tables.counts(both[both["input"] == where]))
        rule = f"Table 2, layers marked {where}: {metric} is never higher than the other metric"
        yield Decided(claim, PRINTED, rule, count, verdict)
    last = both[(both["sparsity"] == 0.9) & (both["input"] == "centered")]
    lower = int((last["std"] < last["wanda"]).sum())
    rule = "Table 2 at 90 %, centred inputs: STD is lower than Wanda for every layer type"
    yield Decided(
        "std-better-at-90", PRINTED, rule, f"{lower} of {len(last)}", held(lower == len(last))
    )
    times = printed_tables.growth_at(0.9)["times"]
    count = f"{(times > 2).sum()} of {len(times)}, least {times.min():.2f} times"
    rule = "Table 2 at 90 %: every perplexity is more than twice the dense one"
    yield Decided("doubled-at-90", PRINTED, rule, count, held(bool((times > 2).all())))
    worst = printed_tables.hurts_most()
    mlp = worst.str.startswith("mlp.")
    rule = "Table 2, each layer type by its † metric: an MLP layer has the highest perplexity at "
    yield Decided(
        "mlp-hurts-most",
        PRINTED,
        rule + "every sparsity",
        f"{mlp.sum()} of {len(mlp)}: from {100 * worst[mlp].index.min():.0f} % on",
        held(bool(mlp.all())),
    )


def _of_growth() -> Iterator[Decided]:
    times = printed_tables.growth()
    newer, older = times.loc["llama-3.1-8b"], times.loc["llama-3-8b"].drop(columns="magnitude")
    tripled, near = (
        int((newer > 3).sum().sum()),
        int(older.round(1).isin([1.4, 1.5, 1.6]).sum().sum()),
    )
    yield Decided(
        "threefold",
        PRINTED,
        "Table 3, every pattern: Llama-3.1-8B above 3 times dense with every method, and "
        "Llama-3-8B, magnitude apart, 1.4 to 1.6 times (rounded)",
        f"{tripled} of {newer.size} and {near} of {older.size}",
        held(tripled == newer.size and near == older.size),
    )
    ranking = list(printed_tables.relative_gain().index)
    top = len(set(ranking[:3]) & set(printed_tables.DISTILLED))
    third = sum(name.startswith("llama-3") for name in ranking[:4])
    yield Decided(
        "distilled-gain-most",
        PRINTED,
        "Table 3: the three models that Sec. 4.2 calls distilled gain most, by the mean over the "
        "patterns of log(Wanda / STADE)",
        f"{top} of the first 3; Llama-3-8B is number {ranking.index('llama-3-8b') + 1}. Read as "
        f"Secs. 4.4 and 6 have it, all of Llama-3: {third} of the first 4",
        held(top == 3),
    )


def _of_table4() -> Iterator[Decided]:
    both = printed_tables.cells(4, "stade", "wanda")
    other = printed_tables.cells(3, "stade", "wanda")
    shared = both.merge(other, on=["model", "pattern"], suffixes=("", "_perplexity"))
    shared = shared[shared["outcome_perplexity"] != "equal"]
    same = int((shared["outcome"] == shared["outcome_perplexity"]).sum())
    chance = stats.binomtest(same, len(shared)).pvalue
    agree = HOLDS if 2 * same > len(shared) else FAILS
    yield Decided(
        "zero-shot-follows",
        PRINTED,
        "Tables 3 and 4, STADE and Wanda: the lower perplexity goes with the higher accuracy more "
        "often than a coin would have it (sign test, 5 %)",
        f"{same} of {len(shared)} (p = {chance:.2f})",
        agree if chance < 0.05 else UNDECIDED,
    )
    cells = printed_tables.wide(4).query("pattern in @NM", local_dict={"NM": NM})
    rivals = cells.drop(columns="stade")
    best = int(cells["stade"].gt(rivals.max(axis=1)).sum())
    wanda = int(cells["stade"].gt(cells["wanda"]).sum())
    yield Decided(
        "zero-shot-nm",
        PRINTED,
        "Table 4, N:M: STADE is above Wanda and STADE (w/o bias) in every cell",
        f"above both in {best} of {len(cells)}, above Wanda in {wanda}",
        held(best == len(cells)),
    )


def _never_worse(found: Counts) -> tuple[str, str]:
    count = f"lower in {found.better}, equal in {found.equal}, higher in {found.worse}"
    return f"{count} of {found.total}", held(found.better > 0 and found.worse == 0)
