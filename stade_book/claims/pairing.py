"""Two ways to prune a model are compared seed by seed: on the same calibration windows.

Another seed is another choice of calibration windows, and changes a perplexity by percents. So a
mean over three seeds beside a number of one seed compares the windows, not the methods. A method
that looks at no data has one seed, which goes with each of the other's.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas

from stade_book.claims.paper import DENSE
from stade_nb.errors import StadeError
from stade_nb.numerics.methods import BEYOND, METHODS

BySeed = dict[int, Any]  # what a way to prune a model has for each calibration seed


def by_seed(ran: pandas.DataFrame, keys: list[str], value: str = "losses") -> dict[tuple, BySeed]:
    """{what a row has in `keys`: {its seed: its `value`}}, in the order of `ran`."""
    found: dict[tuple, BySeed] = {}
    for *key, seed, held in ran[[*keys, "seed", value]].itertuples(index=False):
        found.setdefault(tuple(key), {})[seed] = held
    return found


def draws(name: str) -> bool:
    """Whether the seed means anything to a way to prune: whether it looks at calibration windows.

    One that is no method here, such as a study's own, is taken to look at them.
    """
    known = METHODS | BEYOND
    return name != DENSE and (name not in known or known[name].needs > 0)


def shared(ours: BySeed, other: BySeed, methods: tuple[str, str]) -> tuple[BySeed, BySeed]:
    """What two `methods` have for the seeds that both ran; of one that draws none, the first one.

    >>> shared({0: "a", 1: "b"}, {0: "c"}, ("stade", "wanda"))
    ({0: 'a'}, {0: 'c'})
    >>> shared({0: "a", 1: "a"}, {1: "b", 2: "c"}, ("magnitude", "wanda"))
    ({0: 'a'}, {1: 'b', 2: 'c'})
    """
    if all(map(draws, methods)):
        both = sorted(ours.keys() & other.keys())
        return {seed: ours[seed] for seed in both}, {seed: other[seed] for seed in both}
    first, second = (
        own if draws(name) else dict(sorted(own.items())[:1])
        for name, own in zip(methods, (ours, other), strict=True)
    )
    return first, second


def matched(ours: BySeed, other: BySeed) -> list[tuple[Any, Any]]:
    """What two ways have for each seed; a way with one seed only goes with each of the other's.

    StadeError for several seeds on both sides that are not the same.
    """
    if len(ours) == 1:
        ours = dict.fromkeys(other, *ours.values())
    if len(other) == 1:
        other = dict.fromkeys(ours, *other.values())
    if ours.keys() != other.keys():
        raise StadeError(
            f"calibration seeds {sorted(ours)} against {sorted(other)}: expected the same ones; "
            "run both methods with the same seeds"
        )
    return [(ours[seed], other[seed]) for seed in ours]


def common(ran: pandas.DataFrame, within: Sequence[str]) -> pandas.DataFrame:
    """The rows of `ran` whose seed all methods have, among those that are equal in `within`.

    ran: columns method, seed and those of `within`. A method that looks at no data, and a dense
    model, keep all their rows. Where the methods do not share a seed, the first of those that most
    of them have decides, and methods without it are left out.

    >>> rows = [("wanda", 0), ("wanda", 1), ("stade", 0), ("std", 1), ("magnitude", 5)]
    >>> ran = pandas.DataFrame(rows, columns=["method", "seed"]).assign(model="m")
    >>> common(ran, ["model"])[["method", "seed"]].values.tolist()
    [['wanda', 0], ['stade', 0], ['magnitude', 5]]
    """
    drawn = ran["method"].map(draws).astype(bool)
    parts = [ran[~drawn]]
    for _, rows in ran[drawn].groupby(list(within), sort=False, observed=True):
        seeds = rows.groupby("method", observed=True)["seed"].agg(set)
        count = Counter(seed for own in seeds for seed in own)
        first = min(count, key=lambda seed: (-count[seed], seed))
        kept = seeds[seeds.map(lambda own, first=first: first in own)]
        inside = rows["method"].isin(kept.index) & rows["seed"].isin(set.intersection(*kept))
        parts.append(rows[inside])
    return pandas.concat(parts).sort_index(kind="stable")
