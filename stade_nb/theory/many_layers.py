"""Several weights at once, on many random layers side by side: what `many_weights` says of each.

`layers` have a leading dimension, as from `synthetic.random_layers((layers, out, in), …)`. A
`Family` turns the means and covariance of one of them into inputs, see `input_families`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas
import torch
from torch import Tensor

from stade_nb.numerics.masks import Pattern
from stade_nb.theory import correlated_inputs, many_weights
from stade_nb.theory.correlated_inputs import Inputs
from stade_nb.theory.synthetic import Layer

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
    patterns: Sequence[str | float | Pattern],
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
    pattern: str | float | Pattern,
    family: Family = correlated_inputs.gaussian,
) -> Pair:
    """Eq. 8 added up over the sets that STD takes, and their exact loss, the bias refitted."""
    pairs = []
    for weight, inputs in each(layers, family, correlation):
        pruned = many_weights.greedy(weight, inputs, pattern)["std"]
        pairs.append(
            (
                many_weights.sum_of_single_losses(weight, pruned, inputs.covariance),
                many_weights.set_loss(weight, pruned, inputs.covariance),
            )
        )
    return Pair(*(torch.cat(part) for part in zip(*pairs, strict=True)))


def relative_error(pair: Pair) -> float:
    """Root mean square difference of the two, over the mean exact loss."""
    return float((pair.singles - pair.exact).square().mean().sqrt() / pair.exact.mean())


def bias_gains(
    layers: Layer,
    correlations: Sequence[float],
    spreads: Sequence[float],
    pattern: str | float | Pattern,
    family: Family = correlated_inputs.gaussian,
) -> pandas.DataFrame:
    """Which share of the loss a bias saves, at each correlation and each size of the means.

    The means of `layers` are multiplied by each of `spreads`. Columns: correlation, spread; then
    1 - (loss with the bias refitted) / (loss with the bias kept), summed over all outputs, for
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
            wanda, std, cheapest, wanda_kept, cheapest_kept = losses.tolist()
            shares = wanda / wanda_kept, std / wanda_kept, cheapest / cheapest_kept
            rows.append((correlation, spread, *(1 - share for share in shares)))
    return pandas.DataFrame(rows, columns=["correlation", "spread", "wanda", "std", "cheapest"])


def _refitted_and_kept(
    weight: Tensor, inputs: Inputs, pattern: str | float | Pattern, sets: Tensor
) -> Tensor:
    """Losses, all outputs: of Wanda's, STD's, cheapest sets refitted; Wanda's, cheapest kept."""
    pruned = many_weights.greedy(weight, inputs, pattern)
    refitted, kept = (many_weights.matrix_of(inputs, refit) for refit in (True, False))
    taken = [
        (pruned["wanda"], refitted),
        (pruned["std"], refitted),
        (many_weights.cheapest_set(weight, refitted, sets), refitted),
        (pruned["wanda"], kept),
        (many_weights.cheapest_set(weight, kept, sets), kept),
    ]
    return torch.stack([many_weights.set_loss(weight, mask, m).sum() for mask, m in taken])


def simulated(
    layer: Layer,
    correlations: Sequence[float],
    pattern: str | float | Pattern,
    samples: int,
    generator: torch.Generator,
) -> pandas.DataFrame:
    """The exact loss beside a simulation, for one layer (out, in), each family and each bias.

    The sets are STD's where the bias is refitted and Wanda's where it is kept. Columns: inputs,
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
                matrix = many_weights.matrix_of(inputs, refit)
                exact = many_weights.set_loss(layer.weight, pruned[metric], matrix)
                (found,) = many_weights.simulated_loss(
                    layer.weight, pruned[metric], inputs, refit, [samples], generator
                )
                mean, error = found.mean[:, 0], found.error[:, 0]
                apart = float(((mean - exact) / error).abs().max())
                means = float(exact.mean()), float(mean.mean())
                rows.append((inputs.name, correlation, refit, *means, apart))
    columns = ["inputs", "correlation", "refit", "exact", "simulated", "errors"]
    return pandas.DataFrame(rows, columns=columns)
