"""Several weights at once, on many random layers side by side: what `many_weights` says of each.

`layers` have a leading dimension, as from `synthetic.random_layers((layers, out, in), …)`. A
`Family` turns the means and covariance of one of them into inputs, see `correlated_inputs`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas
import torch
from torch import Tensor

from stade_book.theory import correlated_inputs, many_weights
from stade_book.theory.correlated_inputs import Inputs
from stade_book.theory.many_weights import AnyPattern
from stade_book.theory.synthetic import Layer

Family = Callable[[Tensor, Tensor], Inputs]
FAMILIES: tuple[Family, ...] = (
    correlated_inputs.gaussian,
    correlated_inputs.student,
    correlated_inputs.relu,
)


class Pair(NamedTuple):
    """What single losses say about a set, and what removing the set costs: (outputs,) each."""

    singles: Tensor
    exact: Tensor


def each(layers: Layer, family: Family, correlation: float) -> Iterator[tuple[Tensor, Inputs]]:
    """Weight (out, in) and inputs of each of the layers, any two inputs equally correlated."""
    for weight, mean, std in zip(layers.weight, layers.mean, layers.std, strict=True):
        yield weight, family(mean, correlated_inputs.equicorrelated(std, correlation))


def over_correlations(
    layers: Layer,
    correlations: Sequence[float],
    patterns: Sequence[AnyPattern],
    family: Family = correlated_inputs.gaussian,
) -> pandas.DataFrame:
    """`many_weights.compared`, all layers together, at each correlation, pattern and for each bias.

    Columns: pattern, refit, correlation, choice; loss, optimal and singles, means over all
    outputs; excess, the loss over that of the cheapest sets, minus 1.
    """
    found = [
        many_weights.compared(weight, inputs, pattern, refit).assign(
            pattern=str(pattern), refit=refit, correlation=correlation
        )
        for correlation in correlations
        for weight, inputs in each(layers, family, correlation)
        for pattern in patterns
        for refit in (True, False)
    ]
    keys = ["pattern", "refit", "correlation", "choice"]
    table = pandas.concat(found).groupby(keys, sort=False).mean().reset_index()
    least = table[table["choice"] == "cheapest set"].set_index(keys[:-1])["loss"]
    table["excess"] = table["loss"] / table.set_index(keys[:-1]).index.map(least) - 1
    return table[[*keys, "loss", "excess", "optimal", "singles"]]


def single_and_exact(
    layers: Layer,
    correlation: float,
    pattern: AnyPattern,
    family: Family = correlated_inputs.gaussian,
) -> Pair:
    """Eq. 8 added up over the sets that STD takes, and their exact loss, the bias corrected."""
    pairs = []
    for weight, inputs in each(layers, family, correlation):
        removed = weight, many_weights.greedy(weight, inputs, pattern)["std"], inputs.covariance
        losses = many_weights.sum_of_single_losses, many_weights.set_loss
        pairs.append([loss(*removed) for loss in losses])
    return Pair(*map(torch.cat, zip(*pairs, strict=True)))


def relative_error(pair: Pair) -> float:
    """Root mean square difference of the two, over the mean exact loss."""
    return float((pair.singles - pair.exact).square().mean().sqrt() / pair.exact.mean())


def bias_gains(
    layers: Layer,
    correlations: Sequence[float],
    spreads: Sequence[float],
    pattern: AnyPattern,
    family: Family = correlated_inputs.gaussian,
) -> pandas.DataFrame:
    """Which share of the loss a bias saves, at each correlation and each size of the means.

    The means of `layers` are multiplied by each of `spreads`. Columns: correlation, spread; then
    1 - (loss with the bias corrected) / (loss with the bias kept), summed over all outputs, for
    wanda, Wanda's sets both times; std, STD's sets against Wanda's with the bias kept; cheapest,
    the cheapest sets for either.
    """
    sets = many_weights.allowed_sets(layers.weight.shape[-1], pattern)
    rows = []
    for correlation in correlations:
        for spread in spreads:
            moved = layers._replace(mean=layers.mean * spread)
            losses = sum(
                _refitted_and_kept(weight, inputs, pattern, sets)
                for weight, inputs in each(moved, family, correlation)
            )
            refitted, kept = losses.split(3)
            rows.append((correlation, spread, *(1 - refitted / kept).tolist()))
    return pandas.DataFrame(rows, columns=["correlation", "spread", "wanda", "std", "cheapest"])


def _refitted_and_kept(weight: Tensor, inputs: Inputs, pattern: AnyPattern, sets: Tensor) -> Tensor:
    """Losses of all outputs, those of one share of `bias_gains` three places apart: (6,)."""
    pruned = many_weights.greedy(weight, inputs, pattern)
    found = []
    for refit, choices in ((True, ("wanda", "std")), (False, ("wanda", "wanda"))):
        matrix = many_weights.matrix_of(inputs, refit)
        taken = [pruned[choice] for choice in choices]
        taken.append(many_weights.cheapest_set(weight, matrix, sets))
        found += [many_weights.set_loss(weight, mask, matrix).sum() for mask in taken]
    return torch.stack(found)


def simulated(
    layer: Layer,
    correlations: Sequence[float],
    pattern: AnyPattern,
    samples: int,
    generator: torch.Generator,
) -> pandas.DataFrame:
    """The exact loss beside a simulation, for one layer (out, in), each family and each bias.

    The sets are STD's where the bias is corrected and Wanda's where it is kept. Columns: inputs,
    correlation, refit, exact and simulated (means over outputs), errors (the furthest output, in
    standard errors).
    """
    rows = []
    for family in FAMILIES:
        for correlation in correlations:
            covariance = correlated_inputs.equicorrelated(layer.std, correlation)
            inputs = family(layer.mean, covariance)
            pruned = many_weights.greedy(layer.weight, inputs, pattern)
            for refit, metric in ((True, "std"), (False, "wanda")):
                removed = layer.weight, pruned[metric]
                exact = many_weights.set_loss(*removed, many_weights.matrix_of(inputs, refit))
                drawn = many_weights.simulated_loss(*removed, inputs, refit, [samples], generator)
                mean, error = drawn[0].mean[:, 0], drawn[0].error[:, 0]
                values = exact.mean(), mean.mean(), ((mean - exact) / error).abs().max()
                rows.append((inputs.name, correlation, refit, *map(float, values)))
    columns = ["inputs", "correlation", "refit", "exact", "simulated", "errors"]
    return pandas.DataFrame(rows, columns=columns)
