"""What becomes of channels with extreme activations? The rule, fixed before the numbers it judges.

That Wanda works is often put down to a few channels whose activations are far larger than the
others'. Wanda's metric spares the weights that read them, because the norm of the channel is in the
score. The standard deviation leaves the channel's mean out: a channel that is large because its
mean is, and not because it varies, is spared by Wanda and not by STD.

- A channel of a layer's input is outlying where its root mean square is more than `TIMES` the
  median over the layer's channels that are not always zero.
- Of the weights that read outlying channels each method keeps a share; of all weights it keeps what
  the pattern says. A layer without an outlying channel is not counted.
- In a layer, STD spares outlying channels "as Wanda does" where the shares that the two keep differ
  by at most `ALIKE`: supported. Where STD keeps less than that the layer contradicts it, where it
  keeps more it is open. A layer's method has no noise of its own: the count has no interval.
- What makes a channel outlying: of its mean square the part that is the square of its mean.
"""

from collections.abc import Iterator, Sequence

import pandas
from scipy.stats import spearmanr
from torch import Tensor, nn

from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.models import architectures
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

STUDY = "outlier channels"
TIMES, ALIKE = 5.0, 0.05
METHODS = ("magnitude", "wanda", "std")
DESCRIBED = ("channels", "outlying", "energy", "by_mean")
COLUMNS = ("model", "block", "layer_type", *DESCRIBED, *METHODS, "change", "verdict")


def outlying(moments: Moments) -> Tensor:
    """(in,): whether a channel's root mean square is more than `TIMES` the layer's median."""
    size = moments.second_moment.sqrt()
    return size > TIMES * size[size > 0].median() if size.any() else size > 0


def by_layer(
    model: nn.Module, ids: Tensor, cells: Sequence[Cell], batch_size: int = 8
) -> Iterator[dict]:
    """A row for each layer of the dense model: its outlying channels, and what `cells` keep there.

    ids: (windows, tokens). Columns block, layer_type, channels, outlying (how many), energy (their
    part of the inputs' mean square), by_mean (of that, the part of the squared means) and kept, for
    each cell the share of the weights reading these channels that it keeps (None without any).
    StadeError where windows or cells do not fit the model.
    """
    for cell in cells:
        pruning.check(model, ids, cell)
    read = pruning.dense_statistics(model, ids, Needs.MOMENTS, batch_size)
    for index, (name, block, statistics) in enumerate(read):
        large = {kind: outlying(moments) for kind, moments in statistics.items()}
        kept = {kind: [] for kind in architectures.chosen_in(block, "all")}
        for cell in cells:
            for _, full, result in pruning.block_results(block, name, statistics, cell):
                kind = full.removeprefix(f"{name}.")
                there = result.pruned[:, large[architectures.input_of(kind)]]
                kept[kind].append(1 - float(there.double().mean()) if there.numel() else None)
        for kind, of_cells in kept.items():
            source = architectures.input_of(kind)
            about = {"block": index, "layer_type": kind, "kept": of_cells}
            yield about | _described(statistics[source], large[source])


def _described(moments: Moments, large: Tensor) -> dict:
    square = moments.second_moment
    energy = square[large].sum()
    return {
        "channels": len(large),
        "outlying": int(large.sum()),
        "energy": float(energy / square.sum()),
        "by_mean": float(moments.mean[large].square().sum() / energy) if large.any() else None,
    }


def verdicts(rows: pandas.DataFrame) -> pandas.Series:
    """The word for each layer and pattern by the rule above, "" where no channel is outlying.

    rows: columns wanda and std, the shares that the two keep of the weights of outlying channels.
    """
    less = rows["std"] - rows["wanda"]
    words = pandas.Series(OPEN, index=rows.index)
    words[less.abs() <= ALIKE] = SUPPORTED
    words[less < -ALIKE] = CONTRADICTED
    return words.where(less.notna(), "")


def layers(record: dict, pattern: str) -> pandas.DataFrame:
    """A row for each layer of a record, with what each of `METHODS` keeps at `pattern`, one of its.

    Columns model, block, layer_type, channels, outlying, energy, by_mean, each method's share,
    change (STD's share less Wanda's) and verdict, by the rule above.
    """
    at = {method: record["cells"].index([method, pattern]) for method in METHODS}
    rows = [
        {name: value for name, value in row.items() if name != "kept"}
        | {method: row["kept"][place] for method, place in at.items()}
        for row in record["layers"]
    ]
    found = pandas.DataFrame(rows).astype(dict.fromkeys(at, float)).assign(model=record["model"])
    return found.assign(change=found["std"] - found["wanda"], verdict=verdicts(found))


def goes_with_cost(kept: pandas.DataFrame) -> dict[str, float]:
    """Spearman's correlation over layer types, by model: what STD keeps less, and what it costs.

    kept: as `by_type`, with perplexity, the change that STD's mask alone makes in each layer type.
    Of the rows that have it; a model with fewer than three is left out. This was looked at after
    the shares that STD keeps were known, and judges nothing.
    """
    known = kept.dropna(subset="perplexity")
    return {
        model: float(spearmanr(rows["wanda"] - rows["std"], rows["perplexity"]).statistic)
        for model, rows in known.groupby("model", sort=False)
        if len(rows) > 2
    }


def by_type(found: pandas.DataFrame) -> pandas.DataFrame:
    """The means of `layers` over the blocks that have outlying channels, by model and layer type.

    Columns model, layer_type, blocks (with any), channels, outlying, energy, by_mean, and a share
    for each of `METHODS`.
    """
    means = {name: (name, "mean") for name in (*DESCRIBED, *METHODS)}
    some = found[found["outlying"] > 0].groupby(["model", "layer_type"], sort=False)
    return some.agg(**means, blocks=("block", "size")).reset_index()
