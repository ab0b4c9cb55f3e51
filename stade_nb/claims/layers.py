"""Table 2: its metrics, the order of its rows, which metric it marks, and what it decides."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas

from stade_nb.claims import paper, printed, verdicts
from stade_nb.claims.printed_claims import EXEMPT, HIGHEST, WORDS
from stade_nb.claims.verdicts import (
    CONTRADICTED,
    OPEN,
    RUNS,
    SUPPORTED,
    Difference,
    Verdict,
    decides,
    shared_confidence,
)
from stade_nb.models import architectures
from stade_nb.models.architectures import is_centred, is_mlp

METRICS = ("wanda", "std")

PRINTED = "Llama-7B, printed"


def predicted(layer: str) -> str:
    """Table 2's †: the metric that Sec. 3 expects to do better on a layer type."""
    return "wanda" if architectures.is_centred(layer) else "std"


def printed_rows(types: Sequence[str] | None = None) -> pandas.DataFrame:
    """The paper's Table 2 in the columns of `run`: model, layer, metric, sparsity, perplexity.

    types: only these layer types.
    """
    rows = paper.table(2)[["layer", "metric", "sparsity", "perplexity"]]
    rows = rows if types is None else rows[rows["layer"].isin(types)]
    dense = paper.table(3).query("method == 'dense' and model == 'llama-7b'")["perplexity"].item()
    return rows.assign(model=PRINTED, seed=0, relative=rows["perplexity"] / dense)


BySeed = dict[int, Sequence[float]]


def judged(below: BySeed, above: BySeed, comparisons: int, factor: float = 1) -> tuple:
    """`factor` times the perplexity of `below` against that of `above`: (Difference, verdict).

    below, above: losses by seed, each (windows,). comparisons: how many share the 95 %. The
    verdict is on "below < above".
    """
    windows, by_seed = verdicts.paired(below, above)
    shift = math.log(factor)
    found = verdicts.difference(*zip(*windows, strict=True), shared_confidence(comparisons))
    found = Difference(*(end + shift for end in found))
    return found, verdicts.verdict(found, by_seed=[gap + shift for gap in by_seed])


def compared(
    ran: pandas.DataFrame, only: Callable[[str], bool] = lambda layer: True
) -> pandas.DataFrame:
    """The comparisons of Table 2 on `ran`, from `layer_types.run`, that share the 95 %.

    only: the layer types to take. Returns columns model, layer, sparsity, wanda and std (mean
    perplexities over the seeds), predicted, outcome (of †, after rounding to two decimals as the
    paper prints), change (of perplexity from the other metric to †, relative), low, high, verdict
    (on "† is lower").
    """
    pairs = [
        (*key, cells)
        for key, cells in by_cell(ran).items()
        if set(METRICS) <= cells.keys() and only(key[1])
    ]
    rows = []
    for model, layer, sparsity, cells in pairs:
        marked = predicted(layer)
        other = "std" if marked == "wanda" else "wanda"
        mean = {metric: statistics.fmean(p for p, _ in cells[metric].values()) for metric in cells}
        gap = round(mean[other], 2) - round(mean[marked], 2)
        found, word = judged(losses_of(cells[marked]), losses_of(cells[other]), len(pairs))
        outcome = "better" if gap > 0 else "worse" if gap < 0 else "equal"
        ends = map(math.expm1, found)
        rows.append((model, layer, sparsity, mean["wanda"], mean["std"], marked, outcome, *ends,
                     word))  # fmt: skip
    columns = "model layer sparsity wanda std predicted outcome change low high verdict"
    return pandas.DataFrame(rows, columns=columns.split())


def printed_comparisons(only: Callable[[str], bool] = lambda layer: True) -> pandas.DataFrame:
    """The paper's Table 2 in the columns of `compared`, as far as print has them: no windows."""
    both = printed.layers()
    both = both[both["layer"].map(only)]
    other = both["wanda"].where(both["predicted"] == "std", both["std"])
    marked = both["std"].where(both["predicted"] == "std", both["wanda"])
    return both.assign(model=PRINTED, change=marked / other - 1).drop(columns="input")


def counts(rows: pandas.DataFrame) -> pandas.DataFrame:
    """How often † is lower, equal and higher, for each model and kind of input.

    rows: `compared`, with `printed` for the paper's own count, whose noise nobody can tell.
    """
    kinds = rows["layer"].map(kind_of)
    found = []
    for model in rows["model"].unique():
        for kind in ("not centred", "centred", "all"):
            some = rows[(rows["model"] == model) & ((kinds == kind) | (kind == "all"))]
            words = list(some["verdict"].dropna()) if "verdict" in some else []
            known = len(words) == len(some)
            found.append(
                {"model": model, "input": kind}
                | printed.counts(some)._asdict()
                | {
                    "better_beyond_noise": words.count(SUPPORTED) if known else "not printed",
                    "worse_beyond_noise": words.count(CONTRADICTED) if known else "not printed",
                }
            )
    return pandas.DataFrame(found)


def by_cell(ran: pandas.DataFrame) -> dict[tuple, dict[str, dict[int, tuple]]]:
    """{(model, layer, sparsity): {metric: {seed: (perplexity, losses)}}}."""
    found: dict[tuple, dict] = {}
    columns = ["model", "layer", "sparsity", "metric", "seed", "perplexity", "losses"]
    for *key, metric, seed, perplexity, losses in ran[columns].itertuples(index=False):
        found.setdefault(tuple(key), {}).setdefault(metric, {})[seed] = perplexity, losses
    return found


def losses_of(cell: dict[int, tuple]) -> BySeed:
    """The windows' losses by seed, from what `by_cell` holds of a metric."""
    return {seed: losses for seed, (_, losses) in cell.items()}


def kind_of(layer: str) -> str:
    """Table 2's second column."""
    return "centred" if is_centred(layer) else "not centred"


# What the first two claims say of the layers of the MLP alone, as in Fig. 1.
ON_MLP = {
    "std-better-uncentred": "on the MLP alone: down_proj (fc2) does better with STD",
    "wanda-better-centred": "on the MLP alone: gate_proj and up_proj (fc1) do better with Wanda",
}
OTHERS = "other models show Table 2's pattern (the paper: Llama-3.2-1B and 3B)"


class Compared(NamedTuple):
    """The comparisons that one claim makes: rows with columns model, change, verdict, counts."""

    id: str
    rule: str
    rows: pandas.DataFrame
    unit: str = "%"
    text: str = ""


IDS = (
    "std-better-uncentred", "wanda-better-centred", "std-better-at-90", "doubled-at-90",
    "mlp-hurts-most", "analogous-on-others",
)  # fmt: skip


def comparisons(ran: pandas.DataFrame) -> Iterator[Compared]:
    """Sec. 4.1: what each of `IDS` compares in `ran`; the comparisons of a claim share 95 %."""
    for claim, kind, metric in zip(IDS, ("not centred", "centred"), ("STD", "Wanda"), strict=False):
        rows = compared(ran, lambda layer, kind=kind: kind_of(layer) == kind)
        exempt = (kind == "centred") & (rows["sparsity"] == HIGHEST)
        rule = f"each layer type whose input counts as {kind}: {metric} below the other metric"
        yield Compared(claim, rule, rows.assign(counts=~exempt))
    last = compared(ran[ran["sparsity"] == HIGHEST], is_centred)
    # With centred inputs † is Wanda, so the claim says the opposite of the comparison.
    turned = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, OPEN: OPEN}
    last = last.assign(change=1 / (1 + last["change"]) - 1, verdict=last["verdict"].map(turned))
    rule = "at 90 %: STD below Wanda on each layer type whose input counts as centred"
    yield Compared("std-better-at-90", rule, last)
    rule = "at 90 %: each layer type and metric above twice the dense perplexity"
    yield Compared("doubled-at-90", rule, _doubled(ran), "times")
    rule = (
        "at each sparsity: the highest perplexity of an MLP layer type above the highest of an "
        "attention layer type, each by its † metric"
    )
    yield Compared("mlp-hurts-most", rule, _mlp_against_attention(ran))
    rule = "centred, and uncentred, inputs of a model: † more often below the other than above it"
    yield Compared("analogous-on-others", rule, _mostly(compared(ran)), text=OTHERS)


@decides(RUNS, "table2_layer_types", *IDS)
def decide(ran: pandas.DataFrame, claims: Sequence[str] = IDS) -> list[Verdict]:
    """The verdicts on `claims`; each model, layer type and sparsity of `ran` is a comparison."""
    found = []
    for claim, rule, rows, unit, text in comparisons(ran):
        if claim in claims:
            count, models = verdicts.counted(rows, EXEMPT, unit), ", ".join(rows["model"].unique())
            found.append(Verdict(claim, RUNS, f"{rule}, beyond noise", count, models, text))
    return found


def decide_on_mlp(ran: pandas.DataFrame) -> list[Verdict]:
    """The first two claims from `ran` of the MLP's layer types alone, as Fig. 1 has them."""
    return [found._replace(text=ON_MLP[found.id]) for found in decide(ran, IDS[:2])]


def each_model(ran: pandas.DataFrame, claims: Sequence[str] = IDS) -> pandas.DataFrame:
    """The counts of `decide` for each model by itself: columns id, model, count."""
    return pandas.DataFrame(
        [
            (claim, model, str(verdicts.counted(own, EXEMPT, unit)))
            for claim, _, rows, unit, _ in comparisons(ran)
            for model, own in rows.groupby("model", sort=False)
            if claim in claims
        ],
        columns=["id", "model", "count"],
    )


def each_layer(rows: pandas.DataFrame) -> pandas.DataFrame:
    """For each model and layer type: how often is † the better metric?

    rows: `compared`, and `printed_comparisons`, whose ties are those of two decimals. Columns
    model, layer, input, marked (the metric †), verdict, count.
    """
    found = []
    for (model, layer), some in rows.groupby(["model", "layer"], sort=False):
        words = some["outcome"].map(WORDS)
        if "verdict" in some:
            words = some["verdict"].fillna(words)
        count = verdicts.count(words, some["change"])
        marked = paper.title(predicted(layer))
        found.append((model, layer, kind_of(layer), marked, count.word, str(count)))
    columns = ["model", "layer", "input", "marked", "verdict", "count"]
    return pandas.DataFrame(found, columns=columns)


def _doubled(ran: pandas.DataFrame) -> pandas.DataFrame:
    """At 90 %: whether twice the dense perplexity is below that of each layer type and metric."""
    cells, last = by_cell(ran), []
    for (model, _, sparsity), by_metric in cells.items():
        if sparsity == HIGHEST:
            dense = cells[model, paper.DENSE, 0.0][paper.DENSE]
            last += [(model, dense, pruned) for pruned in by_metric.values()]
    rows = []
    for model, dense, pruned in last:
        found, word = judged(losses_of(dense), losses_of(pruned), len(last), factor=2)
        rows.append((model, 2 * math.exp(-found.mean), word))
    return pandas.DataFrame(rows, columns=["model", "change", "verdict"])


def _mlp_against_attention(ran: pandas.DataFrame) -> pandas.DataFrame:
    """At each sparsity: whether the attention's highest is below the MLP's highest, both by †."""
    highest: dict[tuple, dict] = {}
    for (model, layer, sparsity), by_metric in by_cell(ran).items():
        if layer != paper.DENSE and predicted(layer) in by_metric:
            cell = by_metric[predicted(layer)]
            level = statistics.fmean(perplexity for perplexity, _ in cell.values())
            top = highest.setdefault((model, sparsity), {})
            top[is_mlp(layer)] = max(top.get(is_mlp(layer), (-math.inf, None)), (level, cell),
                                     key=lambda pair: pair[0])  # fmt: skip
    pairs = [(model, top) for (model, _), top in highest.items() if len(top) == 2]
    rows = []
    for model, top in pairs:
        attention, mlp = (losses_of(top[of_mlp][1]) for of_mlp in (False, True))
        found, word = judged(attention, mlp, len(pairs))
        rows.append((model, math.expm1(-found.mean), word))
    return pandas.DataFrame(rows, columns=["model", "change", "verdict"])


def _mostly(rows: pandas.DataFrame) -> pandas.DataFrame:
    """For each model and kind of input: † lower more often than higher, beyond noise."""
    kinds, found = rows["layer"].map(kind_of), []
    for (model, _), words in rows["verdict"].groupby([rows["model"], kinds], sort=False):
        lead = (words == SUPPORTED).sum() - (words == CONTRADICTED).sum()
        found.append((model, math.nan, verdicts.side(-lead)))
    return pandas.DataFrame(found, columns=["model", "change", "verdict"])
