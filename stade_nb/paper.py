"""The paper's printed tables (arXiv 2503.22451, version 1) and what it claims about them."""

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas

from stade_nb.errors import unknown
from stade_nb.masks import parse_pattern
from stade_nb.methods import METHODS

VERSION = "arXiv 2503.22451, version 1"
DENSE = "dense"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "paper"
_NAMES = {"Dense": DENSE, **{method.title: name for name, method in METHODS.items()}}


class Claim(NamedTuple):
    """`below` has a lower perplexity than `above`, or the two are comparable, at `patterns`."""

    id: str
    below: str
    above: str
    patterns: tuple[str, ...]
    comparable: bool = False

    @property
    def words(self) -> str:
        return f"{title(self.below)} {'≈' if self.comparable else '<'} {title(self.above)}"


# What the text of Secs. 4.2 and 4.3 says, and one consequence of Eq. 9 that it does not draw.
TEXT_CLAIMS = {
    3: (
        Claim("best-without-update", "stade", "wanda", ("0.5", "2:4", "4:8")),
        Claim("best-without-update", "stade", "magnitude", ("0.5", "2:4", "4:8")),
    ),
    5: (
        Claim("unstructured-equal", "stade", "stade_without_bias", ("0.5",), comparable=True),
        Claim("nm-bias-better", "stade", "stade_without_bias", ("2:4", "4:8")),
    ),
}
WANDA_IS_EQ9 = Claim("wanda-is-eq9", "stade_without_bias", "wanda", ("0.5", "2:4", "4:8"), True)


def title(method: str) -> str:
    """The paper's name of a method."""
    return "Dense" if method == DENSE else METHODS[method].title


@cache
def _read(name: str) -> pandas.DataFrame:
    return pandas.read_csv(FOLDER / f"{name}.csv")


def claims() -> pandas.DataFrame:
    """Every claim of the paper: id, where, claim, decidable_by (T theory, P printed, E run)."""
    return _read("claims").copy()


def claim_text(claim: str) -> str:
    """What the claim called `claim` says, from the list of claims."""
    known = _read("claims").set_index("id")["claim"]
    if claim not in known:
        raise unknown("claim", claim, known.index)
    return known[claim]


def table(number: int) -> pandas.DataFrame:
    """Table `number` (2 to 6) as printed, one value a row; methods and patterns in our names."""
    if not (FOLDER / f"table{number}.csv").is_file():
        raise unknown("table", number, range(2, 7))
    printed = _read(f"table{number}").copy()
    if "method" in printed:
        printed["method"] = printed["method"].map(_NAMES)
        printed["pattern"] = [
            DENSE if s == "0%" else str(parse_pattern(s)) for s in printed.pop("sparsity")
        ]
    return printed


def with_relative(frame: pandas.DataFrame) -> pandas.DataFrame:
    """`frame` with the column `relative`: perplexity over that of the same model unpruned."""
    dense = frame[frame["method"] == DENSE].set_index("model")["perplexity"]
    return frame.assign(relative=frame["perplexity"] / frame["model"].map(dense))


def printed_gaps(number: int, below: str, above: str, pattern: str) -> list[float]:
    """log(perplexity of `below` / perplexity of `above`) of each model that a table prints."""
    rows = table(number).query("pattern == @pattern")
    wide = rows.pivot(index="model", columns="method", values="perplexity")
    return [math.log(ratio) for ratio in wide[below] / wide[above]]


def printed_counts(number: int, below: str, above: str, pattern: str) -> tuple[int, int, int]:
    """In how many of a table's models `below` is printed lower than, equal to, above `above`."""
    gaps = printed_gaps(number, below, above, pattern)
    return sum(g < 0 for g in gaps), sum(g == 0 for g in gaps), sum(g > 0 for g in gaps)


def printed_orders(number: int, methods: list[str], patterns: list[str]) -> list[Claim]:
    """For each pair and pattern the order that most of a table's models are printed in, if any."""
    printed, orders = table(number), []
    methods = [m for m in methods if m != DENSE and m in set(printed["method"])]
    for pattern in (p for p in patterns if p in set(printed["pattern"])):
        for index, first in enumerate(methods):
            for second in methods[index + 1 :]:
                lower, _, higher = printed_counts(number, first, second, pattern)
                if lower != higher:
                    pair = (first, second) if lower > higher else (second, first)
                    orders.append(Claim(f"table{number}-order", *pair, (pattern,)))
    return orders
