"""What is a centred input? The rules, fixed before the numbers that they judge.

The paper splits the layers by their place: q, k, v, gate and up read what a norm has made and are
taken as centred, o and down are not. A norm subtracts no mean (RMSNorm) or one over the channels
of a token (LayerNorm), not one over the tokens of a channel, which is what Eqs. 4 to 7 are about.

- A layer's input is centred, as measured, where the median over its channels of |mean| / sigma is
  below `CENTRED`: then the mean adds less than 1 % to the second moment of half the channels, and
  Wanda's metric and STD's nearly agree there.
- The split "holds" on a model where place and measurement agree in at least `HOLDS` of the layers,
  "does not hold" below `FAILS`, "holds in part" in between.
- Choices between two metrics, layer by layer: always the first, always the second, by place (the
  first where a norm precedes), by measurement (the first where centred). The cost of a choice is
  the mean over layers of ln(its loss / the smaller of the two losses): what is lost beside choosing
  right every time. A choice is "as good as" another where the costs differ by less than `NOISE`.
- The pairs are Wanda and STD, both as they are, and both with Eq. 7, which is what the paper's
  theory compares; and Wanda without against STD with it, which is what STADE does.
- In perplexity: with the metric chosen by measurement, and with STADE's two treatments swapped, a
  model is compared with STADE as it is (`CHOSEN`). Supported where the other choice has the lower
  perplexity, by `claims.verdicts`; all comparisons share the 95 %.
- Which statistic goes with where the first wins: Spearman's correlation over the layers of
  ln(first's loss / second's) with each of `STATISTICS`.
"""

import math
from collections.abc import Sequence
from statistics import fmean

import pandas
from scipy.stats import spearmanr

from stade_nb.beyond.choice import CENTRED
from stade_nb.models import architectures

HOLDS, FAILS, NOISE = 0.9, 0.5, 0.005
PAIRS = {
    "neither corrected": ("wanda", "std_without_correction"),
    "both corrected": ("wanda_with_bias", "std"),
    "STADE's own": ("wanda", "std"),
}
CHOSEN = (("stade_by_measurement", "stade"), ("stade_swapped", "stade"))
STATISTICS = ("ratio", "kurtosis", "tail", "spread")
CHOICES = ("always the first", "always the second", "by place", "by measurement")


def described(model: str, inputs: Sequence[dict], shares: Sequence[float]) -> pandas.DataFrame:
    """A row for each layer of a model, what enters it.

    inputs: of each block, by the layer type whose input it is, as `layer_inputs.by_block` has
    them; shares: of its quantiles. Returns columns model, block, layer_type, place ("centred" or
    not, as the paper has it), ratio (the median of |mean| / sigma), high (its 95 % quantile),
    kurtosis (median), tail, spread (largest variance over the median one); ratio_rest, tail_rest
    and kurtosis_rest, without each window's first token; and measured, centred or not.
    """
    at = {share: list(shares).index(share) for share in (0.5, 0.95, 1.0)}
    rows = []
    for block, kinds in enumerate(inputs):
        for kind in _types(kinds):
            both = kinds[architectures.input_of(kind)]
            every, rest = both["all"], both["rest"]
            row = {"model": model, "block": block, "layer_type": kind}
            row["place"] = architectures.is_centred(kind)
            row["ratio"], row["high"] = every["ratio"][at[0.5]], every["ratio"][at[0.95]]
            row["kurtosis"], row["tail"] = every["kurtosis"][at[0.5]], every["tail"]
            row["spread"] = every["variance"][at[1.0]] / every["variance"][at[0.5]]
            row["ratio_rest"], row["tail_rest"] = rest["ratio"][at[0.5]], rest["tail"]
            row["kurtosis_rest"] = rest["kurtosis"][at[0.5]]
            rows.append(row | {"measured": row["ratio"] < CENTRED})
    return pandas.DataFrame(rows)


def _types(kinds: dict) -> list[str]:
    """The layer types of a block whose inputs are in `kinds`, those that share one included."""
    known = {name for row in architectures.SUPPORTED.values() for name in row}
    there = [kind for kind in known if architectures.input_of(kind) in kinds]
    return sorted(there, key=architectures.place)


def split(table: pandas.DataFrame) -> pandas.DataFrame:
    """Whether the paper's split holds: model, layers, agree, inputs, best, every (shares), word.

    The word hangs on the limit `CENTRED`, and on layers: q, k and v read one input, gate and up
    another. inputs: agree where each input counts once. best: how far place and measurement agree
    with the limit that suits the paper most; every: how far place agrees with calling all inputs
    centred. These three were added when the word was known, and judge nothing.
    """
    rows = []
    for model, some in table.groupby("model", sort=False):
        agree = float((some["place"] == some["measured"]).mean())
        limits = [*some["ratio"], math.inf]
        best = max(float((some["place"] == (some["ratio"] < limit)).mean()) for limit in limits)
        word = "holds" if agree >= HOLDS else "does not hold" if agree < FAILS else "holds in part"
        read = some.assign(input=some["layer_type"].map(architectures.input_of))
        once = read.drop_duplicates(["block", "input"])
        inputs = float((once["place"] == once["measured"]).mean())
        rows.append((model, len(some), agree, inputs, best, float(some["place"].mean()), word))
    columns = "model layers agree inputs best every word"
    return pandas.DataFrame(rows, columns=columns.split())


def choices(table: pandas.DataFrame, lost: pandas.DataFrame) -> pandas.DataFrame:
    """What each choice costs, see the module: model, pair, a column for each of `CHOICES`, first.

    table: from `described`, of one model. lost: from `layer_losses.long`, of one pattern. first: in
    what share of the layers the pair's first has the smaller loss. A pair that lacks a cell has no
    row.
    """
    picked = {
        "always the first": [True] * len(table),
        "always the second": [False] * len(table),
        "by place": table["place"],
        "by measurement": table["measured"],
    }
    rows = []
    for name, pair in PAIRS.items():
        if not set(pair) <= set(lost["method"]):
            continue
        pairs = list(zip(*_losses(table, lost, pair), strict=True))
        cost = {
            choice: fmean(
                math.log((one if first else other) / min(one, other))
                for (one, other), first in zip(pairs, firsts, strict=True)
            )
            for choice, firsts in picked.items()
        }
        wins = fmean(one < other for one, other in pairs)
        rows.append({"model": table["model"].iloc[0], "pair": name} | cost | {"first": wins})
    return pandas.DataFrame(rows)


def explained(
    table: pandas.DataFrame, lost: pandas.DataFrame, pair: str = "both corrected"
) -> pandas.DataFrame:
    """How each statistic ranks with where the pair's first wins: model, statistic, rho."""
    first, second = _losses(table, lost, PAIRS[pair])
    logs = [math.log(one / other) for one, other in zip(first, second, strict=True)]
    rows = [
        (table["model"].iloc[0], name, float(spearmanr(table[name], logs).statistic))
        for name in STATISTICS
        if table[name].nunique() > 1  # what is the same everywhere explains nothing
    ]
    return pandas.DataFrame(rows, columns=["model", "statistic", "rho"])


def _losses(
    table: pandas.DataFrame, lost: pandas.DataFrame, pair: tuple[str, str]
) -> tuple[list[float], list[float]]:
    """The losses of the two methods in the layers of `table`, in its order."""
    keyed = lost.set_index(["method", "block", "layer_type"])["error"]
    keys = list(zip(table["block"], table["layer_type"], strict=True))
    first, second = (list(keyed.loc[method].loc[keys]) for method in pair)
    return first, second
