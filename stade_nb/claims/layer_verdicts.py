"""Verdicts on Sec. 4.1's claims about layer types, by rules fixed before any model was pruned.

A comparison is one model, layer type and sparsity: the metric marked † against the other one, on
the same evaluation windows and calibration seeds (see `verdicts`). A difference within noise is
like a tie of the printed table: neither for nor against.

- std-better-uncentred, wanda-better-centred: † is never beyond noise above the other metric, and
  somewhere beyond noise below it.
- std-better-at-90: at 90 %, STD is below Wanda for every layer type whose input is centred.
- doubled-at-90: at 90 %, every layer type and metric has more than twice the dense perplexity.
- mlp-hurts-most: at every sparsity, each layer type pruned by its † metric, the highest of the MLP
  is above the highest of the attention.
- analogous-on-others: for centred and for uncentred inputs, † is beyond noise below the other
  metric more often than above it, as it is in the paper's table of Llama-7B.

The comparisons that one claim makes on all models together share the 95 %.
"""

import math
import statistics
from collections.abc import Sequence

import pandas

from stade_nb.claims import ledger_tables, paper, verdicts
from stade_nb.claims.layer_comparisons import by_cell, compared, judged, kind_of, losses_of
from stade_nb.claims.table2 import is_mlp, predicted
from stade_nb.claims.verdicts import FAILS, HOLDS, UNDECIDED
from stade_nb.models.architectures import is_centred

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
    by_print = {row.id: f"{row.verdict}: {row.count}" for row in ledger_tables.of_table2()}
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
