"""Eq. 5: how good an estimate of sigma_j² the data give, with the mean known and estimated.

Eq. 5 divides by N - 1 what is summed about a *known* mean (zero). That makes it too large by the
factor N/(N - 1), the same for every feature, so that no ranking changes. The closed forms are exact
for every symmetric distribution with a fourth moment, normal or not.
"""

from collections.abc import Sequence

import pandas
import torch

from stade_book.theory import synthetic

KNOWN, ESTIMATED, ASSUMED = (
    "known mean, divided by N − 1 (Eq. 5)",
    "estimated mean, divided by N − 1 (Eq. 8)",
    "mean taken for 0, divided by N − 1 (Eq. 6)",
)


def expected(count: int, mean, variance, fourth) -> dict[str, tuple]:
    """(Expectation, variance) of each estimate of `variance` from `count` >= 2 draws, exactly.

    mean, variance and fourth (the fourth central moment; 3·variance² if normal) of the input,
    symmetric about its mean. Any number type: fractions stay exact.
    """
    spread = fourth - variance**2
    # The square of X = mean + D has variance E[D⁴] - Var² + 4 mean² Var; its third moment is 0.
    squares = spread + 4 * mean**2 * variance
    rest = count - 1
    return {
        KNOWN: (count * variance / rest, count * spread / rest**2),
        ESTIMATED: (variance, (fourth - variance**2 * (count - 3) / rest) / count),
        ASSUMED: (count * (variance + mean**2) / rest, count * squares / rest**2),
    }


def estimates(x: torch.Tensor, mean: float) -> dict[str, torch.Tensor]:
    """The three estimates from draws x (..., N), each (...,); `mean` is the true one."""
    rest = x.shape[-1] - 1
    return {
        KNOWN: (x - mean).square().sum(dim=-1) / rest,
        ESTIMATED: x.var(dim=-1),
        ASSUMED: x.square().sum(dim=-1) / rest,
    }


def simulated(
    counts: Sequence[int], mean: float, std: float, repetitions: int, generator: torch.Generator
) -> pandas.DataFrame:
    """Normal draws, `repetitions` samples for each N of `counts`, beside the closed forms.

    Columns: N, estimate, expectation (closed form), mean (of the repetitions), errors (its distance
    in standard errors), spread and simulated_spread (standard deviations), relative_bias.
    """
    rows = []
    for count in counts:
        x = mean + std * synthetic.normal((repetitions, count), generator)
        truth = expected(count, mean, std**2, 3 * std**4)
        for name, values in estimates(x, mean).items():
            (expectation, variance), found = truth[name], float(values.mean())
            error = (float(values.var()) / repetitions) ** 0.5
            row = {"N": count, "estimate": name, "expectation": expectation, "mean": found}
            row["errors"] = abs(found - expectation) / error
            row["spread"], row["simulated_spread"] = variance**0.5, float(values.std())
            rows.append(row | {"relative_bias": expectation / std**2 - 1})
    return pandas.DataFrame(rows)
