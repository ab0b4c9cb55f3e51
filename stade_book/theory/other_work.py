"""What other code does: FLAP beside Eqs. 7 and 8, the two versions of the paper's own, torch.topk.

FLAP (An et al., arXiv 2312.11983), a year earlier, removes whole input channels by the same
statistics. Re-stated from its paper: the score of channel j is var_j ‖W_:,j‖², and the mean of what
the removed channels contributed to an output goes into the bias.
"""

import pandas
import torch
from torch import Tensor

from stade_book.theory import synthetic
from stade_book.theory.many_weights import set_loss
from stade_nb.numerics import bias, masks, metrics
from stade_nb.numerics.moments import Moments

SHARE = 0.5


def compared(weight: Tensor, moments: Moments) -> pandas.Series:
    """One layer without the `SHARE` of its channels that FLAP scores lowest: FLAP beside the paper.

    weight: (out, in) in float64; `moments` with cross products. score: the largest difference of
    FLAP's score and the summed Eq. 8, relative. bias: that of FLAP's compensation and Eq. 7's.
    compensated, plain: mean squared change of an output with and without it, over its variance.
    """
    score = moments.variance * weight.square().sum(dim=0)
    summed = metrics.std(weight, moments.variance).sum(dim=0)
    removed = masks.lowest(score[None], int(SHARE * len(score)))[0]
    pruned = removed.expand_as(weight)
    ours = bias.correction(weight, pruned, moments.mean)
    theirs = weight @ (moments.mean * removed)
    covariance, second = moments.cross / moments.count, moments.gram / moments.count
    whole = set_loss(weight, torch.ones_like(pruned), covariance).mean()
    return pandas.Series(
        {
            "score": float((score / summed - 1).abs().nan_to_num().max()),
            "bias": float((ours - theirs).abs().max() / ours.abs().max()),
            "compensated": float(set_loss(weight, pruned, covariance).mean() / whole),
            "plain": float(set_loss(weight, pruned, second).mean() / whole),
        }
    )


# What a running variance is tried on.
BATCHES, TOKENS = 16, 256
# A decoder block of Llama-7B: width of the hidden state and of the MLP.
HIDDEN, MLP = 4096, 11008


def corrections(weight: Tensor, pruned: Tensor, mean: Tensor) -> dict[str, Tensor]:
    """Eq. 7's correction, (out,), summed before the weights are set to zero, and after, as v2 does.

    weight, pruned (True = gone): (out, in). mean: (in,). After zeroing nothing is left to sum.
    """
    zeroed = weight.masked_fill(pruned, 0)
    return {
        "before zeroing": bias.correction(weight, pruned, mean),
        "after zeroing": bias.correction(zeroed, pruned, mean),
    }


def variance_by_squared_sums(batches: list[Tensor], dtype: torch.dtype) -> Tensor:
    """A running variance from differences of squared sums, all in `dtype`, (in,).

    After each batch (tokens, in) the squared deviations are what was there, plus the squares of
    the old mean and of the batch, less the square of the new mean: large numbers that cancel. The
    true variance is added to N·mean², so of d digits about 2·log10(mean/std) are lost.
    """
    count, mean, deviations = 0, torch.zeros((), dtype=dtype), torch.zeros((), dtype=dtype)
    for batch in batches:
        x = batch.to(dtype)
        total = count + len(x)
        new = (mean * count + x.sum(dim=0)) / total
        deviations = deviations + count * mean**2 + (x**2).sum(dim=0) - total * new**2
        count, mean = total, new
    return deviations / (count - 1)


def variance_by_merging(batches: list[Tensor], dtype: torch.dtype) -> Tensor:
    """The same by the rule of Chan, Golub and LeVeque (as `moments`), all in `dtype`, (in,).

    Means are taken of differences from a batch's first token, and only differences are squared;
    sums are kept divided by their count, so that a long run does not overflow a short float.
    """
    count, mean, spread = 0, torch.zeros((), dtype=dtype), torch.zeros((), dtype=dtype)
    for batch in batches:
        x = batch.to(dtype)
        old, new = count / (count + len(x)), len(x) / (count + len(x))
        own = x[0] + (x - x[0]).mean(dim=0)
        step = own - mean if count else torch.zeros_like(own)
        spread = spread * old + (x - own).square().mean(dim=0) * new + step.square() * (old * new)
        count, mean = count + len(x), mean + step * new if count else own
    return spread * (count / (count - 1))


def variance_errors(
    ratios: list[float],
    dtypes: list[torch.dtype],
    generator: torch.Generator,
    features: int = 64,
) -> pandas.DataFrame:
    """How wrong a running variance gets as mean/std grows, for each rule and dtype.

    Features are normal with std 1 and mean `ratio`, rounded to the dtype first: the truth is the
    float64 variance of the rounded numbers, so the rounding of the data itself is not held against
    a rule. Columns: ratio, dtype, rule, error (median over features of |estimate/truth - 1|),
    negative (share of estimates below zero), not_finite (share of NaN or infinity). Where rounding
    makes every number of a feature equal there is no truth; error is NaN if all features are such.
    """
    rows = []
    noise = synthetic.normal((BATCHES, TOKENS, features), generator).cpu()
    rules = {"squared sums": variance_by_squared_sums, "merging": variance_by_merging}
    for ratio in ratios:
        for dtype in dtypes:
            x = (noise + ratio).to(dtype)
            truth = x.double().flatten(0, 1).var(dim=0)
            for rule, function in rules.items():
                found = function(list(x), dtype).double()
                error = (found / truth - 1).abs()[(truth > 0) & found.isfinite()]
                median = error.median().item() if len(error) else torch.nan
                shares = (float(bad.double().mean()) for bad in (found < 0, ~found.isfinite()))
                rows.append((ratio, str(dtype).removeprefix("torch."), rule, median, *shares))
    columns = ["ratio", "dtype", "rule", "error", "negative", "not_finite"]
    return pandas.DataFrame(rows, columns=columns)


def squares_in(weight: Tensor, dtype: torch.dtype = torch.float16) -> dict[str, float]:
    """What squaring the weights in `dtype` does to them: the v1 and v2 code squares in float16.

    lost: share of the weights that are not zero but whose square is. distinct: how many different
    squares there are per different magnitude (1 where squaring merges none).
    """
    stored = weight.to(dtype)
    squares = stored.square()
    lost = ((stored != 0) & (squares == 0)).double().mean()
    distinct = len(squares.unique()) / len(stored.abs().unique())
    return {"lost": float(lost), "distinct": distinct}


def topk_takes(size: int, count: int) -> list[int]:
    """Which of `size` equal scores torch.topk takes as the `count` lowest: not defined by torch."""
    return sorted(torch.zeros(size).topk(count, largest=False).indices.tolist())


def ours_takes(size: int, count: int) -> list[int]:
    """Which of `size` equal scores this book takes as the `count` lowest: the first ones."""
    return masks.lowest(torch.zeros(1, size), count)[0].nonzero()[:, 0].tolist()


def pruned_by_slices(score: Tensor, n: int, m: int) -> Tensor:
    """N:M as a loop over slices has it: the last slice may hold fewer than M columns.

    score: (out, in). Returns (out, in), True = pruned. N of the columns that are left go, which
    for 4:8 on the last four columns of twelve is all of them.
    """
    pruned = torch.zeros_like(score, dtype=torch.bool)
    for start in range(0, score.shape[1], m):
        lowest = score[:, start : start + m].topk(n, dim=1, largest=False).indices
        pruned.scatter_(1, lowest + start, True)
    return pruned


def added_biases() -> dict[str, float]:
    """Sec. 3.4's "additional parameter": the biases that STADE adds to a block of Llama-7B.

    A block has four HIDDEN × HIDDEN and three HIDDEN × MLP matrices; o_proj and down_proj each get
    HIDDEN biases. Neither version of the code prunes a weight for a bias or counts biases.
    """
    weights = 4 * HIDDEN**2 + 3 * HIDDEN * MLP
    return {"weights": weights, "biases": 2 * HIDDEN, "share": 2 * HIDDEN / weights}


def parameters_added(ran: pandas.DataFrame, pattern: str) -> pandas.DataFrame:
    """What STADE's cells in `ran` say of Sec. 3.4's balance: a row for each model.

    ran: records with zeros, sizes and added_bias by layer. Columns: model, weights (in the blocks'
    linear layers), zeros, biases (added), share (of biases in weights). Nothing else was pruned.
    """
    chosen = ran[(ran["method"] == "stade") & (ran["pattern"] == pattern)]
    counts = ["sizes", "zeros", "added_bias"]
    found = chosen.drop_duplicates("model")[["model", *counts]].copy()
    found[counts] = found[counts].map(lambda by_layer: sum(by_layer.values()))
    found["share"] = found["added_bias"] / found["sizes"]
    names = {"sizes": "weights", "added_bias": "biases"}
    return found.rename(columns=names).reset_index(drop=True)
