"""Table 2 as the paper prints it: its metrics, the order of its rows, and which metric it marks."""

import math
import statistics
from collections.abc import Callable, Sequence

import pandas

from stade_nb.claims import paper, printed, verdicts
from stade_nb.claims.verdicts import FAILS, HOLDS, UNDECIDED, Difference
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
    confidence = 1 - (1 - verdicts.CONFIDENCE) / comparisons
    found = verdicts.difference(*zip(*windows, strict=True), confidence)
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
                    "better beyond noise": words.count(HOLDS) if known else "not printed",
                    "worse beyond noise": words.count(FAILS) if known else "not printed",
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


HIGHEST = 0.9  # the sparsity that Sec. 4.1 speaks of
IDS = (
    "std-better-uncentred",
    "wanda-better-centred",
    "std-better-at-90",
    "doubled-at-90",
    "mlp-hurts-most",
    "analogous-on-others",
)
OTHERS = "other models show Table 2's pattern (the paper: Llama-3.2-1B and 3B)"
# What the first two claims say of the layers of the MLP alone, as in Fig. 1.
ON_MLP = {
    "std-better-uncentred": "on the MLP alone: down_proj (fc2) does better with STD",
    "wanda-better-centred": "on the MLP alone: gate_proj and up_proj (fc1) do better with Wanda",
}


def decided(ran: pandas.DataFrame) -> pandas.DataFrame:
    """The claims `IDS` on each model of `ran`: columns id, model, verdict, count."""
    rows = []
    for claim, centred in (("std-better-uncentred", False), ("wanda-better-centred", True)):
        found = compared(ran, lambda layer, centred=centred: is_centred(layer) == centred)
        rows += [(claim, m, *_never_worse(some["verdict"])) for m, some in _each_model(found)]
    last = ran[ran["sparsity"] == HIGHEST]
    found = compared(last, is_centred)
    # With centred inputs † is Wanda, so the claim says the opposite of the comparison.
    turned = found["verdict"].map({HOLDS: FAILS, FAILS: HOLDS, UNDECIDED: UNDECIDED})
    for claim, words in (
        ("std-better-at-90", found.assign(verdict=turned)),
        ("doubled-at-90", _doubled(ran)),
        ("mlp-hurts-most", _mlp_against_attention(ran)),
    ):
        rows += [
            (claim, m, verdicts.overall(some["verdict"]), verdicts.counted(some["verdict"]))
            for m, some in _each_model(words)
        ]
    rows += [("analogous-on-others", m, *_mostly(some)) for m, some in _each_model(compared(ran))]
    return pandas.DataFrame(rows, columns=["id", "model", "verdict", "count"])


def each_layer(rows: pandas.DataFrame) -> pandas.DataFrame:
    """For each model and layer type, by the rule of the first two claims: is † the better metric?

    rows: `layer_comparisons.compared`, and `printed`, whose ties are those of two decimals.
    """
    found = []
    for (model, layer), some in rows.groupby(["model", "layer"], sort=False):
        words = some["outcome"].map({"better": HOLDS, "equal": UNDECIDED, "worse": FAILS})
        if "verdict" in some:
            words = some["verdict"].fillna(words)
        verdict, count = _never_worse(list(words))
        found.append((model, layer, kind_of(layer), paper.title(predicted(layer)), verdict, count))
    columns = ["model", "layer", "input", "†", "verdict", "count"]
    return pandas.DataFrame(found, columns=columns)


def summary(found: pandas.DataFrame) -> pandas.DataFrame:
    """The claims side by side: what they say, what Table 2 as printed says, and what ours say.

    found: from `decided`. A claim holds where it does on every model.
    """
    by_print = {row.id: f"{row.verdict}: {row.count}" for row in printed.of_table2()}
    rows = []
    for claim in IDS:
        some = found[found["id"] == claim]
        row = {
            "id": claim,
            "claim": OTHERS if claim == "analogous-on-others" else paper.claim_text(claim),
            "Table 2 as printed": by_print.get(claim, "not printed for other models"),
            "verdict here": verdicts.overall(some["verdict"]),
        }
        for model in dict.fromkeys(found["model"]):
            own = some[some["model"] == model]
            row[model] = verdicts.NOT_RUN
            if len(own):
                word = verdicts.short(own["verdict"].item())
                row[model] = f"{word}: {own['count'].item()}"
        rows.append(row)
    return pandas.DataFrame(rows)


def _doubled(ran: pandas.DataFrame) -> pandas.DataFrame:
    """At 90 %: whether twice the dense perplexity is below that of each layer type and metric."""
    cells, last = by_cell(ran), []
    for (model, _, sparsity), by_metric in cells.items():
        if sparsity == HIGHEST:
            dense = cells[model, paper.DENSE, 0.0][paper.DENSE]
            last += [(model, dense, pruned) for pruned in by_metric.values()]
    rows = [(m, judged(losses_of(d), losses_of(p), len(last), factor=2)[1]) for m, d, p in last]
    return pandas.DataFrame(rows, columns=["model", "verdict"])


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
    rows = [
        (model, judged(losses_of(top[False][1]), losses_of(top[True][1]), len(pairs))[1])
        for model, top in pairs
    ]
    return pandas.DataFrame(rows, columns=["model", "verdict"])


def _each_model(rows: pandas.DataFrame):
    return rows.groupby("model", sort=False)


def _never_worse(words: Sequence[str]) -> tuple[str, str]:
    """As `ledger_tables` has it of printed numbers, with noise in place of ties."""
    better, worse = list(words).count(HOLDS), list(words).count(FAILS)
    verdict = FAILS if worse else HOLDS if better else UNDECIDED
    within = len(words) - better - worse
    count = f"lower in {better}, a tie in {within}, higher in {worse}"
    return verdict, f"{count} of {len(words)}"


def _mostly(rows: pandas.DataFrame) -> tuple[str, str]:
    """For each kind of input: † lower more often than higher, beyond noise."""
    words, said = [], []
    for kind in ("not centred", "centred"):
        some = list(rows[rows["layer"].map(kind_of) == kind]["verdict"])
        if some:
            better, worse = some.count(HOLDS), some.count(FAILS)
            words.append(HOLDS if better > worse else FAILS if worse > better else UNDECIDED)
            said.append(f"{kind} {better} lower, {worse} higher")
    return verdicts.overall(words), "; ".join(said)
