"""Correlated layer inputs with known mean and covariance: Gaussian, heavy-tailed, rectified.

Each family is a function of standard normal numbers, so `synthetic.monte_carlo` can draw it, and
states its exact first two moments. Eqs. 2–9 and the loss of removing a set use nothing else.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.special import ndtr

from stade_nb.errors import StadeError

# Gauss–Legendre nodes for the bivariate normal distribution function below.
NODES = 128


class Inputs(NamedTuple):
    """X with `mean` (in,) and `covariance` (in, in); draw: z (samples, latent) -> x (samples, in).

    z is standard normal, in the moments' dtype and on their device.
    """

    name: str
    mean: Tensor
    covariance: Tensor
    latent: int
    draw: Callable[[Tensor], Tensor]

    @property
    def variance(self) -> Tensor:
        """sigma_j² (Eq. 8), (in,)."""
        return self.covariance.diagonal()

    @property
    def second_moment(self) -> Tensor:
        """E[X Xᵀ] = covariance + mean meanᵀ, (in, in); its diagonal is that of Eq. 9."""
        return torch.addr(self.covariance, self.mean, self.mean)


def equicorrelated(std: Tensor, correlation: float) -> Tensor:
    """The covariance (in, in) of features with `std` (in,), each pair equally correlated.

    StadeError unless -1/(in - 1) < correlation < 1, where no such covariance is positive definite.
    """
    return block_correlated(std, correlation, len(std))


def block_correlated(std: Tensor, correlation: float, block: int) -> Tensor:
    """The covariance (in, in) with equal correlation in blocks of `block` columns, 0 between them.

    std: (in,). The last block may be smaller. StadeError where no covariance has this correlation.
    """
    least = -1 / (block - 1) if block > 1 else -math.inf
    if not least < correlation < 1:
        raise StadeError(
            f"correlation {correlation} among {block} features: expected a number above "
            f"{least:.3g} and below 1, or the covariance is not positive definite"
        )
    group = torch.arange(len(std), device=std.device) // block
    matrix = correlation * (group[:, None] == group).to(std)
    matrix.fill_diagonal_(1)
    return matrix * torch.outer(std, std)


def _root(mean: Tensor, covariance: Tensor) -> Tensor:
    if covariance.shape != (len(mean),) * 2:
        raise StadeError(
            f"covariance {tuple(covariance.shape)} for {len(mean)} means: expected "
            f"({len(mean)}, {len(mean)})"
        )
    root, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        raise StadeError("the covariance is not positive definite: lower the correlations")
    return root


def gaussian(mean: Tensor, covariance: Tensor) -> Inputs:
    """Sec. 3.1 with correlations: X ~ N(mean, covariance)."""
    root = _root(mean, covariance)
    return Inputs("Gaussian", mean, covariance, len(mean), lambda z: mean + z @ root.T)


def student(mean: Tensor, covariance: Tensor, freedom: int = 6) -> Inputs:
    """Heavy tails: multivariate Student t with `freedom` degrees, scaled to this covariance.

    StadeError below 5 degrees: with 4 or fewer a squared output has no variance, so that a Monte
    Carlo mean of it would have no standard error.
    """
    if freedom < 5:
        raise StadeError(
            f"{freedom} degrees of freedom: expected 5 or more, so that fourth moments exist"
        )
    root, inputs = _root(mean, covariance), len(mean)

    def draw(z: Tensor) -> Tensor:
        chi_square = z[:, inputs:].square().sum(dim=1, keepdim=True)
        return mean + (z[:, :inputs] @ root.T) * ((freedom - 2) / chi_square).sqrt()

    return Inputs(f"Student t, {freedom} degrees", mean, covariance, inputs + freedom, draw)


def relu(mean: Tensor, covariance: Tensor) -> Inputs:
    """max(Z, 0) of Z ~ N(mean, covariance), what OPT's fc2 sees: skewed, often exactly 0.

    With Z_i = m_i + s_i U_i, a_i = m_i / s_i, r the correlation and q = sqrt(1 - r²):
    E[X_i] = m_i Φ(a_i) + s_i φ(a_i), and E[X_i X_j] is Rosenbaum's product moment of a doubly
    truncated bivariate normal times its probability.
    """
    root, std = _root(mean, covariance), covariance.diagonal().sqrt()
    a, r = mean / std, covariance / torch.outer(std, std)
    first = mean * ndtr(a) + std * _pdf(a)
    q = (1 - r.square()).clamp(min=0).sqrt()
    row, column = a[:, None].expand_as(r), a.expand_as(r)
    off = ~torch.eye(len(a), dtype=torch.bool, device=a.device)
    safe = torch.where(off, q, 1)
    # (m_i m_j + s_i s_j r) P + s_i m_j φ(a_i) Φ((a_j - r a_i)/q) + the same with i and j swapped
    # + s_i s_j q² times the bivariate density at (a_i, a_j); divided by s_i s_j throughout.
    edge = _pdf(row) * column * ndtr((column - r * row) / safe)
    exponent = (row.square() - 2 * r * row * column + column.square()) / (2 * safe.square())
    density = (-exponent).exp() * safe / (2 * math.pi)
    both = (row * column + r) * _both_positive(row, column, torch.where(off, r, 0))
    product = both + edge + edge.T + density
    # Far below zero the two terms cancel to noise of either sign; a variance is never negative.
    single = torch.maximum((a.square() + 1) * ndtr(a) + a * _pdf(a), (first / std).square())
    second = torch.where(off, product, single.diag()) * torch.outer(std, std)
    covariance = torch.addr(second, first, first, alpha=-1)
    return Inputs(
        "ReLU of Gaussian", first, covariance, len(mean), lambda z: (mean + z @ root.T).relu()
    )


def _pdf(x: Tensor) -> Tensor:
    return (-x.square() / 2).exp() / math.sqrt(2 * math.pi)


def _both_positive(a: Tensor, b: Tensor, r: Tensor) -> Tensor:
    """P(U > -a, V > -b) for standard normals with correlation r, by Plackett's integral over r.

    Φ(a) Φ(b) + 1/(2π) ∫ exp(-(a² - 2ab sin t + b²) / (2 cos² t)) dt from 0 to arcsin r.
    """
    nodes, weights = (torch.from_numpy(v).to(a) for v in np.polynomial.legendre.leggauss(NODES))
    half = r.asin().unsqueeze(-1) / 2
    t = half * (1 + nodes)
    a2, b2 = a.unsqueeze(-1), b.unsqueeze(-1)
    exponent = (a2.square() - 2 * a2 * b2 * t.sin() + b2.square()) / (2 * t.cos().square())
    integral = ((-exponent).exp() * weights).sum(dim=-1) * half.squeeze(-1)
    return ndtr(a) * ndtr(b) + integral / (2 * math.pi)
