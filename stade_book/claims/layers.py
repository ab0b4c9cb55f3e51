"""Table 2: its metrics, the order of its rows, which metric it marks, and what it decides."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

import pandas

from stade_book.claims import pairing, paper, printed, verdicts
from stade_book.claims.printed_claims import EXEMPT, HIGHEST, WORDS
from stade_book.claims.scorecard import decides_both
from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED, Verdict, by_runs
from stade_nb.models.architectures import is_centred, is_mlp

KEYS = ["model", "layer", "sparsity", "metric"]
METRICS = ("wanda", "std")

PRINTED = "Llama-7B, printed"


def predicted(layer: str) -> str:
    """Table 2's †: the metric that Sec. 3 expects to do better on a layer type."""
    return "wanda" if is_centred(layer) else "std"


def printed_rows() -> pandas.DataFrame:
    """The paper's Table 2 in the columns of `run`: model, layer, metric, sparsity, perplexity."""
    rows = paper.table(2)[["layer", "metric", "sparsity", "perplexity"]]
    relative = rows["perplexity"] / printed.dense(3)[printed.OF_TABLE_2]
    return rows.assign(model=PRINTED, seed=0, relative=relative)


def compared(
    ran: pandas.DataFrame, only: Callable[[str], bool] = lambda layer: True
) -> pandas.DataFrame:
    """The comparisons of Table 2 on `ran`, from `tables.layers.run`.

    Those of a kind of input share the 95 %, as in the claim about it. only: the layer types to
    take. Returns columns model, layer, sparsity, wanda and std (mean perplexities over the seeds),
    predicted, outcome (of †, after rounding to two decimals as the paper prints), change (of
    perplexity from the other metric to †, relative), low, high, verdict (on "† is lower").
    """
    losses = pairing.by_seed(ran, KEYS)
    perplexities = pairing.by_seed(ran, KEYS, "perplexity")
    cells = dict.fromkeys(tuple(key) for *key, _ in losses)
    pairs = [c for c in cells if all((*c, metric) in losses for metric in METRICS) and only(c[1])]
    shared = Counter(kind_of(layer) for _, layer, _ in pairs)
    rows = []
    for cell in pairs:
        mean = {metric: fmean(perplexities[*cell, metric].values()) for metric in METRICS}
        marked = predicted(cell[1])
        (other,) = set(METRICS) - {marked}
        gap = round(mean[other], 2) - round(mean[marked], 2)
        family = shared[kind_of(cell[1])]
        found, _, word = verdicts.compared(losses[*cell, marked], losses[*cell, other], family)
        ends = map(math.expm1, found)
        rows.append((*cell, *mean.values(), marked, printed.outcome(gap), *ends, word))
    columns = "model layer sparsity wanda std predicted outcome change low high verdict"
    return pandas.DataFrame(rows, columns=columns.split())


def printed_comparisons(only: Callable[[str], bool] = lambda layer: True) -> pandas.DataFrame:
    """The paper's Table 2 in the columns of `compared`, as far as print has them: no windows."""
    both = printed.layers().drop(columns=["input", "marked"]).assign(model=PRINTED)
    return both[both["layer"].map(only)]


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
            noise = {
                f"{name}_beyond_noise": words.count(WORDS[name]) if known else "not printed"
                for name in ("better", "worse")
            }
            found.append({"model": model, "input": kind} | printed.counts(some)._asdict() | noise)
    return pandas.DataFrame(found)


def kind_of(layer: str) -> str:
    """Table 2's second column."""
    return "centred" if is_centred(layer) else "not centred"


# What the first two claims say of the layers of the MLP alone, as in Fig. 1.
ON_MLP = {
    "std-better-uncentred": "on the MLP alone: down_proj (fc2) does better with STD",
    "wanda-better-centred": "on the MLP alone: gate_proj and up_proj (fc1) do better with Wanda",
}
READINGS = {
    "analogous-on-others": "other models show Table 2's pattern (the paper: Llama-3.2-1B and 3B)"
}
UNITS = {"doubled-at-90": "times"}
IDS = (
    "std-better-uncentred", "wanda-better-centred", "std-better-at-90", "doubled-at-90",
    "mlp-hurts-most", "analogous-on-others",
)  # fmt: skip


def comparisons(ran: pandas.DataFrame) -> Iterator[tuple[str, str, pandas.DataFrame]]:
    """Sec. 4.1: each of `IDS`, its rule, and what it compares in `ran`, which shares the 95 %.

    The last are rows with columns model, change, verdict and, where not all do, counts.
    """
    every = compared(ran)
    for claim, kind, metric in zip(IDS, ("not centred", "centred"), ("STD", "Wanda"), strict=False):
        rows = every[every["layer"].map(kind_of) == kind].reset_index(drop=True)
        exempt = (kind == "centred") & (rows["sparsity"] == HIGHEST)
        rule = f"each layer type whose input counts as {kind}: {metric} below the other metric"
        yield claim, rule, rows.assign(counts=~exempt)
    last = compared(ran[ran["sparsity"] == HIGHEST], is_centred)
    # With centred inputs † is Wanda, so the claim says the opposite of the comparison.
    turned = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, OPEN: OPEN}
    last = last.assign(change=1 / (1 + last["change"]) - 1, verdict=last["verdict"].map(turned))
    rule = "at 90 %: STD below Wanda on each layer type whose input counts as centred"
    yield "std-better-at-90", rule, last
    rule = "at 90 %: each layer type and metric above twice the dense perplexity"
    yield "doubled-at-90", rule, _doubled(ran)
    rule = (
        "at each sparsity: the highest perplexity of an MLP layer type above the highest of an "
        "attention layer type, each by its † metric"
    )
    yield "mlp-hurts-most", rule, _mlp_against_attention(ran)
    rule = "centred, and uncentred, inputs of a model: † more often below the other than above it"
    yield "analogous-on-others", rule, _mostly(every)


@decides_both("table2_layer_types", *IDS)
def decide(ran: pandas.DataFrame, claims: Sequence[str] = IDS) -> list[Verdict]:
    """The verdicts on `claims`; each model, layer type and sparsity of `ran` is a comparison."""
    found = [
        by_runs(claim, f"{rule}, beyond noise", rows, EXEMPT, UNITS.get(claim, "%"),
                READINGS.get(claim, ""))
        for claim, rule, rows in comparisons(ran) if claim in claims
    ]  # fmt: skip
    return [one.noted(_without_highest(ran)) if one.id == IDS[-1] else one for one in found]


def _without_highest(ran: pandas.DataFrame) -> str:
    """At 90 % Sec. 4.1 expects STD where † is Wanda. Counted when the numbers were known."""
    mild = verdicts.counted(_mostly(compared(ran[ran["sparsity"] != HIGHEST])))
    return f"without the cells {EXEMPT}: {mild}" if mild.total else ""


def decide_on_mlp(ran: pandas.DataFrame) -> list[Verdict]:
    """The first two claims from `ran` of the MLP's layer types alone, as Fig. 1 has them."""
    return [found._replace(text=ON_MLP[found.id]) for found in decide(ran, IDS[:2])]


def each_model(ran: pandas.DataFrame, claims: Sequence[str] = IDS) -> pandas.DataFrame:
    """The counts of `decide` for each model by itself: columns id, model, count."""
    found = [
        (claim, model, str(verdicts.counted(own, EXEMPT, UNITS.get(claim, "%"))))
        for claim, _, rows in comparisons(ran)
        for model, own in rows.groupby("model", sort=False)
        if claim in claims
    ]
    return pandas.DataFrame(found, columns=["id", "model", "count"])


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
    losses, rows = pairing.by_seed(ran, KEYS), []
    last = {key: pruned for key, pruned in losses.items() if key[2] == HIGHEST}
    for (model, *_), pruned in last.items():
        dense = losses[model, paper.DENSE, 0.0, paper.DENSE]
        found, _, word = verdicts.compared(dense, pruned, len(last), factor=2)
        rows.append((model, 2 * math.exp(-found.mean), word))
    return pandas.DataFrame(rows, columns=["model", "change", "verdict"])


def _mlp_against_attention(ran: pandas.DataFrame) -> pandas.DataFrame:
    """At each sparsity: whether the attention's highest is below the MLP's highest, both by †."""
    losses, rows = pairing.by_seed(ran, KEYS), []
    own = ran[ran["layer"] != paper.DENSE]
    own = own[own["metric"] == own["layer"].map(predicted)]
    own = own.assign(mlp=own["layer"].map(is_mlp))
    levels = own.groupby([*KEYS, "mlp"], sort=False)["perplexity"].mean()
    tops: dict[tuple, dict] = {}
    highest = levels.groupby(["model", "sparsity", "mlp"], sort=False).idxmax()
    for (*at, mlp), cell in highest.items():
        tops.setdefault(tuple(at), {})[mlp] = losses[cell[: len(KEYS)]]
    pairs = {at: top for at, top in tops.items() if len(top) == 2}
    for (model, _), top in pairs.items():
        found, _, word = verdicts.compared(top[False], top[True], len(pairs))
        rows.append((model, math.expm1(-found.mean), word))
    return pandas.DataFrame(rows, columns=["model", "change", "verdict"])


def _mostly(rows: pandas.DataFrame) -> pandas.DataFrame:
    """For each model and kind of input: † lower more often than higher, beyond noise."""
    kinds, found = rows["layer"].map(kind_of), []
    for (model, _), words in rows["verdict"].groupby([rows["model"], kinds], sort=False):
        lead = (words == SUPPORTED).sum() - (words == CONTRADICTED).sum()
        found.append((model, math.nan, verdicts.side(-lead)))
    return pandas.DataFrame(found, columns=["model", "change", "verdict"])
