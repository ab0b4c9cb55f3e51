"""Beyond Eq. 2: several weights of an output go at once, and the covariances of inputs enter.

An output B + Σ_j W_j X_j loses the weights of a set P and may get a new bias B*. Its expected
squared change is (B - B* + w_Pᵀ mean_P)² + w_Pᵀ Cov(X_P) w_P, so that

    with the best bias, B* = B + w_Pᵀ mean_P:    w_Pᵀ Cov(X_P) w_P             (beyond Eq. 8)
    with the bias kept, B* = B:                  w_Pᵀ E[X Xᵀ]_P w_P            (beyond Eq. 9)

Below `matrix` (in, in) is one or the other: Inputs.covariance or Inputs.second_moment. Rows of a
weight (out, in) are independent problems. Float64.
"""

import itertools
import math
from collections.abc import Sequence

import pandas
import torch
from torch import Tensor

from stade_book.theory import synthetic
from stade_book.theory.correlated_inputs import Inputs
from stade_nb.errors import StadeError
from stade_nb.numerics import bias, masks, metrics
from stade_nb.numerics.masks import Pattern

AnyPattern = str | float | Pattern  # as `masks.parse_pattern` takes it
MOST_SETS = 200_000


def matrix_of(inputs: Inputs, refit: bool) -> Tensor:
    """The matrix of the exact loss: with the bias corrected Cov(X), with the bias kept E[X Xᵀ]."""
    return inputs.covariance if refit else inputs.second_moment


def set_loss(weight: Tensor, pruned: Tensor, matrix: Tensor) -> Tensor:
    """w_Pᵀ matrix w_P, what removing a set of weights costs each output exactly, (out,).

    weight, pruned (True = gone): (out, in). matrix: (in, in), see above.
    """
    gone = torch.where(pruned, weight, 0)
    return ((gone @ matrix) * gone).sum(dim=-1)


def sum_of_single_losses(weight: Tensor, pruned: Tensor, matrix: Tensor) -> Tensor:
    """Σ_{j in P} matrix_jj W_j²: Eq. 8 or 9 for each weight of the set, added up, (out,)."""
    return torch.where(pruned, weight, 0).square() @ matrix.diagonal()


def _group(inputs: int, pattern: AnyPattern) -> tuple[int, int]:
    """How many columns compete together, and how many of them go."""
    pattern = masks.parse_pattern(pattern)
    masks.check_groups(inputs, pattern)
    if pattern.n is not None and pattern.m is not None:
        return pattern.m, pattern.n
    return inputs, int(inputs * pattern.sparsity)


def allowed_sets(inputs: int, pattern: AnyPattern) -> Tensor:
    """Every set of columns that `pattern` may prune in a row of `inputs` columns, (sets, in) bool.

    A share takes int(inputs * share) columns anywhere, N:M takes N of each M consecutive ones.
    StadeError where there are too many to try.
    """
    width, size = _group(inputs, pattern)
    groups = inputs // width
    if (count := math.comb(width, size) ** groups) > MOST_SETS:
        raise StadeError(
            f"pattern {pattern} on {inputs} inputs has {count:,} possible sets: expected at most "
            f"{MOST_SETS:,}; take fewer inputs"
        )
    chosen = list(itertools.combinations(range(width), size))
    index = torch.tensor(chosen, dtype=torch.int64).view(len(chosen), size)
    group = torch.zeros(len(chosen), width, dtype=torch.bool).scatter_(1, index, True)
    every = torch.cartesian_prod(*[torch.arange(len(chosen))] * groups).view(count, groups)
    return group[every].reshape(count, inputs)


def cheapest_set(weight: Tensor, matrix: Tensor, sets: Tensor) -> Tensor:
    """The set of least exact loss for each output, by trying every one: (out, in), True = gone.

    sets: (sets, in), from `allowed_sets`; the first of equally cheap ones is taken.
    """
    sets = sets.to(weight.device)
    indicator = sets.to(weight.dtype)
    best = [
        ((indicator @ (matrix * torch.outer(row, row))) * indicator).sum(dim=1).argmin()
        for row in weight
    ]
    return sets[torch.stack(best)]


def greedy(weight: Tensor, inputs: Inputs, pattern: AnyPattern) -> dict[str, Tensor]:
    """The masks (out, in) of Table 1's scores with the inputs' true moments.

    Each score looks at one weight at a time: magnitude, Wanda (Eq. 10), STD (Eq. 11).
    """
    scores = {
        "magnitude": metrics.magnitude(weight),
        "wanda": metrics.wanda(weight, inputs.second_moment.diagonal().sqrt()),
        "std": metrics.std(weight, inputs.variance),
    }
    return {name: masks.select(score, pattern) for name, score in scores.items()}


def stepwise(weight: Tensor, matrix: Tensor, pattern: AnyPattern) -> Tensor:
    """Greedy with covariances: each time the weight that adds least to the exact loss, (out, in).

    For N:M a column leaves the competition when its group has lost its N.
    """
    inputs = weight.shape[1]
    width, size = _group(inputs, pattern)
    pruned = torch.zeros_like(weight, dtype=torch.bool)
    for _ in range(size * (inputs // width)):
        gone = torch.where(pruned, weight, 0)
        added = matrix.diagonal() * weight.square() + 2 * weight * (gone @ matrix)
        full = pruned.view(len(weight), -1, width).sum(dim=2) >= size
        closed = pruned | full.repeat_interleave(width, dim=1)
        column = added.masked_fill(closed, torch.inf).argmin(dim=1, keepdim=True)
        pruned.scatter_(1, column, True)
    return pruned


def compared(weight: Tensor, inputs: Inputs, pattern: AnyPattern, refit: bool) -> pandas.DataFrame:
    """The scores and stepwise choice against the cheapest set, all outputs together.

    Columns: choice; loss, the mean exact loss of its sets; excess, that over the least possible,
    minus 1; optimal, the share of outputs where the set costs no more than the cheapest; singles,
    the mean of what Eq. 8 (refit) or Eq. 9 adds up to for the same sets.
    """
    matrix = matrix_of(inputs, refit)
    best = cheapest_set(weight, matrix, allowed_sets(weight.shape[1], pattern))
    least = set_loss(weight, best, matrix)
    chosen = {
        "cheapest set": best,
        **greedy(weight, inputs, pattern),
        "stepwise": stepwise(weight, matrix, pattern),
    }
    rows = []
    for name, pruned in chosen.items():
        loss = set_loss(weight, pruned, matrix)
        # The same set's loss is the same sum in the same order: no tolerance is needed for it.
        optimal = (loss <= least).double().mean()
        singles = sum_of_single_losses(weight, pruned, matrix)
        excess = loss.sum() / least.sum() - 1
        rows.append((name, *map(float, (loss.mean(), excess, optimal, singles.mean()))))
    return pandas.DataFrame(rows, columns=["choice", "loss", "excess", "optimal", "singles"])


def simulated_loss(
    weight: Tensor,
    pruned: Tensor,
    inputs: Inputs,
    refit: bool,
    counts: Sequence[int],
    generator: torch.Generator,
) -> list[synthetic.Estimate]:
    """`set_loss` by Monte Carlo: outputs computed in full with and without the sets, (out, 1)."""
    shift = bias.correction(weight, pruned, inputs.mean) if refit else 0
    remaining = weight.masked_fill(pruned, 0)

    def values(z: Tensor) -> Tensor:
        x = inputs.draw(z)
        return (x @ weight.T - (x @ remaining.T + shift)).square().unsqueeze(-1)

    out = weight[:, :1]
    latent = inputs.mean.new_zeros(inputs.latent)
    standard = synthetic.Layer(out, out[:, 0], latent, latent + 1)
    return synthetic.monte_carlo(standard, values, counts, generator)
