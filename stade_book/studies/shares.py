"""Shares of a variance: how much of it each factor of a balanced design explains."""

from collections.abc import Sequence

import numpy as np
import pandas

from stade_nb.errors import StadeError

RESIDUAL = "the rest"


def sums_of_squares(
    cells: pandas.DataFrame, terms: Sequence[tuple[str, ...]], values: np.ndarray
) -> np.ndarray:
    """Sequential (type I) sums of squares of `terms`, the residual's last: (terms + 1, draws).

    cells: a row for each cell, its factors as columns. terms: factors in their order; several
    together are their interaction, tested after all that stands before it. values: (cells, draws),
    as many responses as there are columns. In a balanced design the order does not matter.
    """
    design = np.ones((len(cells), 1))
    left = values - values.mean(axis=0)
    found = []
    for term in terms:
        # Only what is new in the term's levels.
        design = np.hstack([design, _indicators(cells, term)])
        basis, sizes, _ = np.linalg.svd(design, full_matrices=False)
        design = basis[:, sizes > 1e-9 * sizes[0]]
        after = values - design @ (design.T @ values)
        found.append((left**2).sum(axis=0) - (after**2).sum(axis=0))
        left = after
    return np.array([*found, (left**2).sum(axis=0)])


def balanced(cells: pandas.DataFrame, factors: Sequence[str], context: Sequence[str]) -> bool:
    """Whether each context has every combination of the factors' levels that occur, and once."""
    expected = int(np.prod([cells[factor].nunique() for factor in factors]))
    together = cells.groupby(list(context))[list(factors)]
    once = not cells.duplicated([*factors, *context]).any()
    return once and bool((together.size() == expected).all())


def resampled(losses: Sequence[Sequence[float]], draws: int, seed: int) -> np.ndarray:
    """Means over windows drawn again, (cells, draws + 1): the first column is the windows as are.

    losses: of each cell, those of the same windows in the same order. The same windows are drawn
    for all cells, so that what they have in common stays so. StadeError where the numbers of
    windows differ, and for fewer than two.
    """
    if len({len(cell) for cell in losses}) != 1 or len(losses[0]) < 2:
        raise StadeError(
            f"cells of {sorted({len(cell) for cell in losses})} evaluation windows: expected the "
            "same ones in all, and at least 2"
        )
    table, count = np.asarray(losses), len(losses[0])
    drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=draws)
    return table @ np.vstack([np.ones(count), drawn]).T / count


def shares(
    cells: pandas.DataFrame, terms: Sequence[tuple[str, ...]], values: np.ndarray
) -> pandas.DataFrame:
    """What each term explains of the variance: columns term, degrees, share, low, high.

    values: from `resampled`; low and high are the 2.5 and 97.5 percentiles over its draws.
    """
    squares = sums_of_squares(cells, terms, values)
    parts = squares / squares.sum(axis=0)
    ranks = [_rank(cells, terms[: number + 1]) for number in range(len(terms))]
    degrees = np.diff([1, *ranks, len(cells)])
    names = [*(" × ".join(term) for term in terms), RESIDUAL]
    low, high = np.percentile(parts[:, 1:], [2.5, 97.5], axis=1)
    return pandas.DataFrame(
        {"term": names, "degrees": degrees, "share": parts[:, 0], "low": low, "high": high}
    )


def _indicators(cells: pandas.DataFrame, term: tuple[str, ...]) -> np.ndarray:
    """(cells, levels): which level of the term each cell is on."""
    levels = pandas.factorize(pandas.MultiIndex.from_frame(cells[list(term)]))[0]
    return np.eye(levels.max() + 1)[levels]


def _rank(cells: pandas.DataFrame, terms: Sequence[tuple[str, ...]]) -> int:
    columns = [np.ones((len(cells), 1)), *(_indicators(cells, term) for term in terms)]
    return int(np.linalg.matrix_rank(np.hstack(columns)))
