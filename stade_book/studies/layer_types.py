"""Does the loss of one layer type predict what pruning that type alone does? Rules before numbers.

The cells are those of Table 2: one layer type is pruned in every block, by one method. The loss of
such a cell is the mean over blocks of ln(E‖Wx - W*x - (b* - b)‖² / E‖Wx‖²) of that layer type, see
`layer_losses`.

- Between types: at one method and share, the layer types are ranked by loss and by perplexity.
  Spearman's rank correlation of the two is that method's and share's, where at least
  `layer_losses.METHODS` types stand there. A model's word goes by the median over methods and
  shares, with the limits of `layer_losses`.
- Within a type: of two methods at one share, that of the lower loss should have the lower
  perplexity. It is counted in how many pairs it has. Half of them would be so by chance. A word is
  not given: the pairs of one type are few, and not independent.

The losses and the perplexities themselves were known before, for Table 2 and for the other rule of
this loss; how they rank beside each other was not. Counted by the two methods of a pair, and not
by layer type, since the first count was seen: it hid that the pairs differ.
"""

from itertools import combinations
from statistics import median

import pandas

from stade_book.claims import pairing
from stade_book.studies import layer_losses

CELL = ["model", "layer_type", "method", "pattern", "scope"]


def beside(table: pandas.DataFrame, ran: pandas.DataFrame) -> pandas.DataFrame:
    """The cells of single layer types that have both a loss and a perplexity, with both.

    table: from `layer_losses.long`. ran: columns model, method, pattern, scope, seed, layers (a
    list of one layer type), perplexity. A cell's perplexity is the mean over the seeds that the
    methods of its model, layer type and pattern share.
    """
    loss = layer_losses.losses(table, ["layer_type"])
    single = ran[ran["layers"].map(lambda types: isinstance(types, list) and len(types) == 1)]
    named = single.assign(layer_type=[types[0] for types in single["layers"]])
    shared = pairing.common(named, ["model", "layer_type", "pattern"])
    mean = shared.groupby(CELL, sort=False)["perplexity"].mean().reset_index()
    return loss[[*CELL, "loss"]].merge(mean, on=CELL)


def between(cells: pandas.DataFrame) -> pandas.DataFrame:
    """Rank correlation of loss and perplexity over layer types: model, method, pattern, types, rho.

    cells: from `beside`.
    """
    return layer_losses.ranked(cells, ["model", "method", "pattern"], "types")


def answers(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The first rule: columns model, cells, median (of rho), word."""
    rows = []
    for model, some in between(cells).groupby("model", sort=False):
        middle = median(some["rho"])
        rows.append((model, int(some["types"].sum()), middle, layer_losses.word_for(middle)))
    return pandas.DataFrame(rows, columns=["model", "cells", "median", "word"])


def within(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The second rule, a row for each model and pair of methods: pairs, and in how many it holds.

    Columns model, one, other, pairs, agree.
    """
    count: dict[tuple, list[bool]] = {}
    for (model, _, _), some in cells.groupby(["model", "layer_type", "pattern"], sort=False):
        for one, other in combinations(some.sort_values("method").itertuples(), 2):
            same = (one.loss - other.loss) * (one.perplexity - other.perplexity) > 0
            count.setdefault((model, one.method, other.method), []).append(same)
    rows = [(*pair, len(held), sum(held)) for pair, held in count.items()]
    return pandas.DataFrame(rows, columns=["model", "one", "other", "pairs", "agree"])
