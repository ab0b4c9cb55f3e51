"""Table 2's comparisons: for each model, layer type and sparsity the metric marked † and the other.

Both are evaluated on the same windows and calibrated with the same seeds (see `verdicts`).
"""

import math
import statistics
from collections.abc import Callable, Sequence

import pandas

from stade_nb.claims import printed_tables, verdicts
from stade_nb.claims.table2 import METRICS, PRINTED, predicted
from stade_nb.claims.verdicts import FAILS, HOLDS, Difference
from stade_nb.models.architectures import is_centred

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


def printed(only: Callable[[str], bool] = lambda layer: True) -> pandas.DataFrame:
    """The paper's Table 2 in the columns of `compared`, as far as print has them: no windows."""
    both = printed_tables.layers()
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
                | printed_tables.counts(some)._asdict()
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
