"""Methods are compared on the calibration seeds that they have in common.

Another seed is another choice of calibration windows, and changes a perplexity by percents. So a
mean over three seeds beside a number of one seed compares the windows, not the methods.
"""

from collections import Counter
from collections.abc import Sequence

import pandas

from stade_book.claims.paper import DENSE
from stade_nb.numerics.methods import method


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
    drawn = ran["method"].map(_draws).astype(bool)
    parts = [ran[~drawn]]
    for _, rows in ran[drawn].groupby(list(within), sort=False, observed=True):
        seeds = rows.groupby("method", observed=True)["seed"].agg(set)
        count = Counter(seed for own in seeds for seed in own)
        first = min(count, key=lambda seed: (-count[seed], seed))
        kept = seeds[seeds.map(lambda own, first=first: first in own)]
        inside = rows["method"].isin(kept.index) & rows["seed"].isin(set.intersection(*kept))
        parts.append(rows[inside])
    return pandas.concat(parts).sort_index(kind="stable")


def _draws(name: str) -> bool:
    """Whether the seed means anything to a method: whether it looks at calibration windows."""
    return name != DENSE and method(name).needs > 0
