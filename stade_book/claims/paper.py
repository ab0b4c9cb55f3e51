"""The paper's printed tables (arXiv 2503.22451, version 1) and what it claims about them."""

import math
import re
from collections.abc import Iterable
from functools import cache
from itertools import combinations
from typing import NamedTuple

import pandas

from stade_nb import paths
from stade_nb.errors import unknown
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import BEYOND, METHODS

VERSION = "arXiv 2503.22451, version 1"
DENSE = "dense"
FOLDER = paths.DATA / "paper"
_NAMES = {"Dense": DENSE, **{method.title: name for name, method in METHODS.items()}}


class Claim(NamedTuple):
    """`below` has a lower perplexity than `above`, or the two are comparable, at `patterns`.

    family: of the models that it speaks of ("opt", "llama"), "" for any. adds_bias: of models to
    whose layers a bias is added. reading: what is judged, where that is not what the paper says
    word for word.
    """

    id: str
    below: str
    above: str
    patterns: tuple[str, ...]
    comparable: bool = False
    family: str = ""
    adds_bias: bool = False
    reading: str = ""

    @property
    def words(self) -> str:
        return f"{title(self.below)} {'≈' if self.comparable else '<'} {title(self.above)}"


_ALL = ("0.5", "2:4", "4:8")
_OPT = "models of OPT's architecture show the same trend (the paper: the OPT family)"
_GENERAL = (
    "over models and patterns STADE is better than Wanda (this book's extension of what the paper "
    "claims of theory)"
)
_EQ9 = "without a bias, Wanda and STADE (w/o bias) are comparable, as Eq. 9 says"
_EVERYWHERE = "so are Wanda and the metric without a bias on every layer"
# What the abstract and Secs. 4.2, 4.3, 4.5 and 6 say of what Tables 3, 5 and 6 show or would show
# of other models, and two consequences of Eq. 9: without a bias its metric is Wanda's, on the
# layers that STADE treats so, and on all.
TEXT_CLAIMS = {
    3: (
        Claim("best-without-update", "stade", "wanda", _ALL),
        Claim("best-without-update", "stade", "magnitude", _ALL),
        Claim("opt-alike", "stade", "wanda", _ALL, family="opt", reading=_OPT),
        Claim("opt-alike", "stade", "magnitude", _ALL, family="opt", reading=_OPT),
        Claim("two-metrics-help", "stade", "wanda", _ALL),
        Claim("two-metrics-help", "stade", "std", _ALL),
        Claim("more-general", "stade", "wanda", _ALL, reading=_GENERAL),
    ),
    5: (
        Claim("unstructured-equal", "stade", "stade_without_bias", ("0.5",), True, adds_bias=True),
        Claim("nm-bias-better", "stade", "stade_without_bias", ("2:4", "4:8"), adds_bias=True),
    ),
    6: (
        *(
            Claim("sparsegpt-best", "sparsegpt", other, _ALL)
            for other in (
                "stade", "stade_without_bias", "wanda", "magnitude", "sparsegpt_without_update",
            )
        ),
        Claim("update-essential", "stade", "sparsegpt_without_update", _ALL),
    ),
}  # fmt: skip
WANDA_IS_EQ9 = Claim("wanda-is-eq9", "stade_without_bias", "wanda", _ALL, True, reading=_EQ9)
EQ9_EVERYWHERE = Claim(
    "eq9-everywhere", "std_without_bias", "wanda", _ALL, True, reading=_EVERYWHERE
)
# Sec. 3.4, of shares of the weights: an N:M pattern fixes their number.
EQUAL_PARAMETERS = Claim(
    "equal-parameters", "stade_equal_parameters", "wanda", ("0.5",), adds_bias=True,
    reading="with one more weight pruned per added bias STADE is still better than Wanda",
)  # fmt: skip


def title(method: str) -> str:
    """The paper's name of a method; of one that is not known here, its own."""
    if method == DENSE:
        return "Dense"
    known = METHODS | BEYOND
    return known[method].title if method in known else method


@cache
def _read(name: str) -> pandas.DataFrame:
    return pandas.read_csv(FOLDER / f"{name}.csv")


def claims() -> pandas.DataFrame:
    """Every claim of the paper: id, where, claim, decidable_by (T theory, P printed, E run)."""
    return _read("claims").copy()


def text_ids(*tables: int, families: bool = True) -> list[str]:
    """The ids among `TEXT_CLAIMS` of some tables; not `families`: of those on models of any."""
    made = [claim for number in tables for claim in TEXT_CLAIMS[number]]
    return list(dict.fromkeys(claim.id for claim in made if families or not claim.family))


def claim_text(claim: str) -> str:
    """What the claim called `claim` says, from the list of claims; StadeError if it lists none."""
    known = _read("claims").set_index("id")["claim"]
    if claim not in known:
        raise unknown("claim", claim, known.index)
    return known[claim]


def table(number: int) -> pandas.DataFrame:
    """Table `number` (2 to 6) as printed, one value a row; methods and patterns in our names.

    StadeError for another number.
    """
    if not (FOLDER / f"table{number}.csv").is_file():
        raise unknown("table", number, range(2, 7))
    printed = _read(f"table{number}").copy()
    if "method" in printed:
        printed["method"] = printed["method"].map(_NAMES)
        printed["pattern"] = [
            DENSE if s == "0%" else str(parse_pattern(s)) for s in printed.pop("sparsity")
        ]
    return printed


_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmb])(?![a-z])", re.I)


def by_size(models: Iterable[str]) -> list[str]:
    """Models in the order of the sizes that their names say; those that say none stay behind.

    >>> by_size(["llama-3.1-8b", "mine", "opt-390k", "facebook/opt-125m"])
    ['opt-390k', 'facebook/opt-125m', 'llama-3.1-8b', 'mine']
    """

    def size(model: str) -> float:
        if not (said := _SIZE.findall(model)):
            return math.inf
        number, unit = said[-1]
        return float(number) * {"k": 1e3, "m": 1e6, "b": 1e9}[unit.lower()]

    return sorted(models, key=size)


def with_relative(frame: pandas.DataFrame) -> pandas.DataFrame:
    """`frame` with the column `relative`: perplexity over that of the same model unpruned."""
    dense = frame[frame["method"] == DENSE].set_index("model")["perplexity"]
    return frame.assign(relative=frame["perplexity"] / frame["model"].map(dense))


def printed_gaps(
    number: int, below: str, above: str, pattern: str, family: str = ""
) -> list[float]:
    """log(perplexity of `below` / perplexity of `above`) of each model that a table prints.

    family: "opt" or "llama" takes those models only. Empty where one of the methods is missing.
    """
    rows = table(number).query("pattern == @pattern")
    rows = rows[rows["model"].str.startswith(family)]
    wide = rows.pivot(index="model", columns="method", values="perplexity")
    if not {below, above} <= set(wide.columns):
        return []
    return [math.log(ratio) for ratio in wide[below] / wide[above]]


def printed_counts(number: int, below: str, above: str, pattern: str) -> tuple[int, int, int]:
    """In how many of a table's models `below` is printed lower than, equal to, above `above`."""
    gaps = printed_gaps(number, below, above, pattern)
    return sum(g < 0 for g in gaps), sum(g == 0 for g in gaps), sum(g > 0 for g in gaps)


def against_others(
    number: int, method: str, methods: list[str], patterns: list[str]
) -> list[Claim]:
    """`method` below each of the other `methods` that a table prints, in their order."""
    known = set(table(number)["method"])
    others = [other for other in methods if other != method and other in known]
    return [Claim(_family(method, other), method, other, tuple(patterns)) for other in others]


def _family(*pair: str) -> str:
    """What the comparisons of two methods share the 95 % under, whichever is named first."""
    return " and ".join(sorted(pair))


def printed_orders(number: int, methods: list[str], patterns: list[str]) -> list[Claim]:
    """For each pair and pattern the order that most of a table's models are printed in, if any."""
    printed, orders = table(number), []
    methods = [m for m in methods if m != DENSE and m in set(printed["method"])]
    for pattern in (p for p in patterns if p in set(printed["pattern"])):
        for pair in combinations(methods, 2):
            lower, _, higher = printed_counts(number, *pair, pattern)
            if lower != higher:
                ordered = pair if lower > higher else pair[::-1]
                orders.append(Claim(_family(*pair), *ordered, (pattern,)))
    return orders


def sparsity(pattern: str) -> str:
    """A pattern as the paper prints it: 0 %, 50 % or 2:4."""
    parsed = parse_pattern("0" if pattern == DENSE else pattern)
    return f"{100 * parsed.sparsity:.3g} %" if parsed.m is None else pattern
