"""Which weights go: unstructured (per row, layer or block) and N:M selection from scores.

Masks are True where the weight is pruned. Equal scores are settled by position: the lower column
goes first (the lower flat index where a whole layer or block competes), always.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import Tensor

from stade_nb.errors import StadeError, unknown

SCOPES = ("row", "layer")
PAIRWISE = 16  # competitors up to which counting pairwise wins is faster than a threshold
LONGEST = 40  # characters of a pattern; a float has at most 24


@dataclass(frozen=True)
class Pattern:
    """How much goes: a share of the weights, or `n` of every `m` consecutive input columns.

    N:M follows the paper's wording: N are set to zero, M - N stay. scope: who competes for a share,
    the weights of each "row" (an output's) or of the whole "layer". StadeError for a share that is
    none, an N above its M, and an unknown scope.

    >>> str(Pattern(0.5)), str(Pattern(2 / 4, 2, 4))
    ('0.5', '2:4')
    """

    sparsity: float
    n: int | None = None
    m: int | None = None
    scope: str = "row"

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise unknown("scope", self.scope, SCOPES)
        if self.n is not None or self.m is not None:
            whole = {type(self.n), type(self.m)} == {int}
            if not whole or not 0 <= self.n <= self.m or self.m < 1:
                raise StadeError(
                    f"pattern {self.n}:{self.m}: expected N:M with whole numbers, N at most M and "
                    "M at least 1, such as '2:4'"
                )
            if self.sparsity != self.n / self.m:
                raise StadeError(
                    f"sparsity {self.sparsity} with pattern {self.n}:{self.m}: expected "
                    f"{self.n / self.m}; write parse_pattern('{self.n}:{self.m}')"
                )
        number = isinstance(self.sparsity, int | float) and not isinstance(self.sparsity, bool)
        if not number or not 0 <= self.sparsity <= 1:
            raise StadeError(
                f"sparsity {self.sparsity!r}: expected a share from 0 to 1, such as 0.5 or '50%', "
                "or N:M in quotes, '2:4' (YAML reads a bare 2:4 as the number 124)"
            )
        object.__setattr__(self, "sparsity", float(self.sparsity) + 0.0)  # one text for equal ones

    def __str__(self) -> str:
        return repr(self.sparsity) if self.m is None else f"{self.n}:{self.m}"


def parse_pattern(pattern: str | float | Pattern, scope: str = "row") -> Pattern:
    """Section 4's patterns: "0.5", 0.5 or "50%" (a share), "2:4" (2 of every 4 columns go).

    scope: see `Pattern`; one that is parsed already keeps its own. StadeError for anything else.

    >>> parse_pattern("2:4")
    Pattern(sparsity=0.5, n=2, m=4, scope='row')
    """
    if isinstance(pattern, Pattern):
        return pattern
    text = "" if isinstance(pattern, bool) else str(pattern).strip()
    if len(text) > LONGEST:
        raise StadeError(
            f"pattern of {len(text)} characters: expected at most {LONGEST}, such as '0.5' or '2:4'"
        )
    if match := re.fullmatch(r"([0-9]+):([0-9]+)", text):
        n, m = int(match[1]), int(match[2])
        return Pattern(n / m if m else 0.0, n, m, scope)
    if match := re.fullmatch(r"(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e-?[0-9]{1,3})?)(%?)", text):
        # Decimal, because 33.3 / 100 is not the float nearest to 0.333.
        share = Decimal(match[1]) / (100 if match[2] else 1)
        if float(share) or not share:  # and what is too small for a float is not nothing
            return Pattern(float(share), scope=scope)
    raise StadeError(f"pattern {pattern!r}: expected a share such as '0.5' or '50%', or N:M: '2:4'")


def select(score: Tensor, pattern: str | float | Pattern, extra: int = 0) -> Tensor:
    """The mask of `pattern` for `score`, (out, in), True = pruned; see `unstructured`, `n_of_m`.

    extra: this many more weights for each row, see `check_extra`. StadeError where scores are NaN
    or the pattern does not fit their number of columns.

    >>> select(torch.tensor([[4.0, 1, 3, 2]]), "2:4")
    tensor([[False,  True, False,  True]])
    """
    pattern = parse_pattern(pattern)
    if extra < 0:
        raise StadeError(f"extra {extra}: expected how many more weights of each row go, 0 or more")
    if extra:
        check_extra(pattern)
    return unstructured(score, pattern, extra) if pattern.m is None else n_of_m(score, pattern)


def unstructured(score: Tensor, pattern: Pattern, extra: int = 0) -> Tensor:
    """Section 4: prune exactly int(n * sparsity) lowest scores, n weights competing.

    score: (out, in). By the pattern's scope each output row is by itself (n = in_features), or the
    whole layer competes (n = out * in). extra: this many more for each row, by the same
    competition, as far as there are weights left. Returns (out, in), True = pruned.
    """
    _check(score)
    competing, rows = (score, 1) if pattern.scope == "row" else (score.reshape(1, -1), len(score))
    count = int(competing.shape[1] * pattern.sparsity) + extra * rows
    return lowest(competing, count).view(score.shape)


def n_of_m(score: Tensor, pattern: Pattern) -> Tensor:
    """Section 4: in every group of M consecutive columns, from column 0, the N lowest go.

    score: (out, in). Returns (out, in), True = pruned. StadeError where M does not divide `in`.
    """
    _check(score)
    check_groups(score.shape[1], pattern)
    groups = score.reshape(score.numel() // pattern.m, pattern.m)
    return lowest(groups, pattern.n).view(score.shape)


def check_extra(pattern: Pattern) -> None:
    """StadeError where a pattern has no place for Sec. 3.4's extra weight for each added bias."""
    if pattern.m is not None:
        raise StadeError(
            f"pattern {pattern} with one more weight pruned for each added bias: a group of an N:M "
            "format stores M - N values whatever they are, so that one more zero saves nothing; "
            "choose a share such as 0.5, or the method without _equal_parameters"
        )


def check_groups(columns: int, pattern: Pattern) -> None:
    """StadeError where an N:M pattern's groups do not fill a layer's input columns."""
    if pattern.m is not None and columns % pattern.m:
        raise StadeError(
            f"pattern {pattern} with {columns} input features: expected a multiple of "
            f"{pattern.m}; choose an M that divides {columns}, or leave this layer out"
        )


def lowest(score: Tensor, count: int) -> Tensor:
    """True at the `count` lowest entries of each row of `score`, (rows, n); ties: lower column."""
    n = score.shape[1]
    if count <= 0 or count >= n:
        return torch.full_like(score, count > 0, dtype=torch.bool)
    return _lowest_pairwise(score, count) if n <= PAIRWISE else _lowest_threshold(score, count)


def _lowest_pairwise(score: Tensor, count: int) -> Tensor:
    """A column's rank is the number of columns that go before it: counted pair by pair."""
    columns = score.T.contiguous()
    rank = torch.zeros(columns.shape, dtype=torch.uint8, device=score.device)
    for late in range(1, len(columns)):
        for early in range(late):
            first = columns[early] <= columns[late]
            rank[late] += first
            rank[early] += ~first
    return (rank < count).T.contiguous()


def _lowest_threshold(score: Tensor, count: int) -> Tensor:
    """The value of the last entry to go is the same whichever of several equal ones that is."""
    n = score.shape[1]
    if count <= n // 2:
        last = score.topk(count, dim=1, largest=False, sorted=False).values.amax(1, keepdim=True)
    else:
        last = score.topk(n - count + 1, dim=1, sorted=False).values.amin(1, keepdim=True)
    pruned = score <= last
    # Rows with more such entries than may go: of the equal ones, the first columns fill the room.
    tied = (pruned.count_nonzero(dim=1) > count).nonzero()[:, 0]
    below, equal = score[tied] < last[tied], score[tied] == last[tied]
    room = count - below.sum(dim=1, keepdim=True)
    pruned[tied] = below | (equal & (equal.cumsum(dim=1) <= room))
    return pruned


def _check(score: Tensor) -> None:
    if score.ndim != 2:
        raise StadeError(f"scores of shape {tuple(score.shape)}: expected (out, in)")
    if score.dtype == torch.bool or score.is_complex():
        raise StadeError(f"scores of {score.dtype}: expected numbers that have an order")
    if score.isnan().any():
        raise StadeError(
            f"{int(score.isnan().sum())} of {score.numel()} scores are NaN: expected numbers; "
            "check the weights and the calibration inputs"
        )
