"""One-pass statistics of a layer's inputs: what Eqs. 5 and 8 estimate from data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stade_nb.errors import StadeError

# Rows are taken in chunks of about this many numbers, so that the float64 copy stays small: in a
# CPU's cache; elsewhere, and where it is multiplied by itself, large enough to be quick.
CHUNK, LARGE_CHUNK = 1 << 19, 1 << 22


@dataclass
class Moments:
    """Eqs. 5 and 8: count, mean and squared deviations of every input feature, in float64.

    count: tokens seen (N). mean: (in,). m2: (in,), the sum over tokens of (x - mean)².
    cross: (in, in), the sum of (x - mean)(x - mean)ᵀ, or None where it was not asked for.

    Batches are reduced about their own mean and merged by the rule of Chan, Golub and LeVeque,
    so the result depends neither on how the tokens were batched nor on the size of their mean.

    >>> moments = Moments.of(torch.tensor([[1.0, 2], [3, 2]]))
    >>> moments.count, moments.mean.tolist(), moments.variance.tolist()
    (2, [2.0, 2.0], [2.0, 0.0])
    """

    count: int
    mean: Tensor
    m2: Tensor
    cross: Tensor | None = None

    @classmethod
    def zeros(
        cls, features: int, device: torch.device | str = "cpu", gram: bool = False
    ) -> Moments:
        """Statistics of no tokens at all; `gram` also gathers the (in, in) cross products."""
        zeros = torch.zeros(features, dtype=torch.float64, device=device)
        return cls(0, zeros, zeros.clone(), zeros.new_zeros(features, features) if gram else None)

    @classmethod
    def of(cls, x: Tensor, gram: bool = False) -> Moments:
        """Statistics of the tokens `x`, (..., in), where they lie; see `zeros` and `update`."""
        moments = cls.zeros(x.shape[-1] if x.ndim else 0, x.device, gram)
        moments.update(x)
        return moments

    def update(self, x: Tensor, finite: bool = True) -> None:
        """Add the tokens `x`, (..., in) in any float dtype, in place.

        finite: ask now; a GPU's host waits for it, so of many batches ask `check_finite` at the
        end. StadeError, and nothing changed, for a wrong width or a number that is not finite.
        """
        features = self.mean.numel()
        if not x.is_floating_point():
            raise StadeError(f"inputs of dtype {x.dtype}: expected a float dtype; convert them")
        if x.ndim == 0 or x.shape[-1] != features:
            raise StadeError(
                f"inputs of shape {tuple(x.shape)}: expected (..., {features}); "
                "gather the inputs of the layer these statistics belong to"
            )
        batch = Moments.zeros(features, self.mean.device, gram=self.cross is not None)
        cached = x.device.type == "cpu" and self.cross is None
        numbers = CHUNK if cached else LARGE_CHUNK
        tokens = x.detach().reshape(x.shape[:-1].numel(), features)
        for rows in tokens.split(max(1, numbers // max(1, features))):
            batch.merge(_of_rows(rows.to(torch.float64, copy=True), self.cross is not None))
        if finite:
            batch.check_finite()
        self.merge(batch)

    def check_finite(self) -> None:
        """StadeError where a token that was added had a number that is not finite."""
        bad = ~torch.isfinite(self.mean + self.m2)
        if bad.any():
            raise StadeError(
                f"inputs are not finite in {int(bad.sum())} of {bad.numel()} features "
                f"(first: feature {int(bad.nonzero()[0])}): expected numbers; "
                "run the model in float32 or bfloat16, and check its weights"
            )

    def merge(self, other: Moments) -> None:
        """Add the tokens that `other` has seen, in place; the order of merges is irrelevant.

        StadeError where the two are of other features, or one only has cross products.
        """
        if self.mean.shape != other.mean.shape:
            raise StadeError(
                f"statistics of {other.mean.numel()} features cannot join those of "
                f"{self.mean.numel()}: expected the same layer's inputs"
            )
        if (self.cross is None) != (other.cross is None):
            raise StadeError(
                "statistics with and without cross products cannot be merged: "
                "gather both with gram=True or both without"
            )
        if other.count == 0:
            return
        count = self.count + other.count
        step = other.mean - self.mean
        weight = self.count * (other.count / count)
        self.mean = self.mean + step * (other.count / count)
        self.m2 = self.m2 + other.m2 + step.square() * weight
        if self.cross is not None and other.cross is not None:
            self.cross += other.cross
            self.cross.addr_(step, step, alpha=weight)
        self.count = count

    def _need(self, tokens: int, what: str) -> None:
        if self.count < tokens:
            raise StadeError(
                f"{what} of {self.count} tokens: expected at least {tokens}; "
                "run calibration windows through the layer first"
            )

    @property
    def variance(self) -> Tensor:
        """Eq. 8: the unbiased variance sigma_j² = m2_j / (N - 1), (in,)."""
        self._need(2, "variance")
        return self.m2 / (self.count - 1)

    @property
    def second_moment(self) -> Tensor:
        """Eq. 9: E[X_j²] = m2_j / N + mean_j², (in,)."""
        self._need(1, "second moment")
        return self.m2 / self.count + self.mean.square()

    @property
    def squared_norm(self) -> Tensor:
        """Eq. 5: ‖X_j‖² = the sum over tokens of x_j², (in,)."""
        self._need(1, "norm")
        return self.m2 + self.count * self.mean.square()

    @property
    def norm(self) -> Tensor:
        """Eq. 10: ‖X_j‖₂, (in,)."""
        return self.squared_norm.sqrt()

    @property
    def gram(self) -> Tensor:
        """Table 1: XᵀX = the sum over tokens of x xᵀ, not centred, (in, in).

        StadeError where cross products were not gathered, or no tokens.
        """
        if self.cross is None:
            raise StadeError("cross products were not gathered: use Moments.zeros(..., gram=True)")
        self._need(1, "Gram matrix")
        return torch.addr(self.cross, self.mean, self.mean, alpha=self.count)


def _of_rows(x: Tensor, gram: bool) -> Moments:
    """Moments of one float64 chunk (rows, in), about its own mean; the chunk is overwritten."""
    if x.shape[0] == 0:
        return Moments.zeros(x.shape[1], x.device, gram)
    mean = x.mean(dim=0)
    centred = x.sub_(mean)
    cross = centred.T @ centred if gram else None
    m2 = cross.diagonal().clone() if cross is not None else centred.square_().sum(dim=0)
    return Moments(x.shape[0], mean, m2, cross)
