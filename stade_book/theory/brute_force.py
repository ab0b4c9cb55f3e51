"""Eqs. 8 and 9 by brute force: every weight goes in turn; does a metric choose the cheapest?"""

from typing import NamedTuple

import torch
from numpy import ndarray
from pandas import DataFrame
from torch import Tensor

from stade_book.theory import synthetic
from stade_book.theory.synthetic import Layer
from stade_nb.numerics import metrics

LAYERS_AT_ONCE = 250
TITLES = {"wanda": "Wanda", "std": "STD", "without_bias": "Eq. 9"}
SHOWN_LAYERS = 20  # among whose outputs the one that is drawn is looked for


def lowest_losses(layer: Layer, refit: bool) -> Tensor:
    """Eq. 2's minimum over B* for each weight in turn, found without Eq. 7: (..., out, in).

    With `refit` a parabola through the losses at three biases gives the best; without, B* = B.
    """
    keep = layer.bias.unsqueeze(-1).expand_as(layer.weight)
    if not refit:
        return synthetic.expected_loss(layer, keep)
    low, middle, high = (synthetic.expected_loss(layer, keep + step) for step in (-1.0, 0.0, 1.0))
    lowest = keep + (low - high) / (2 * (low - 2 * middle + high))
    return synthetic.expected_loss(layer, lowest)


def scores(layers: Layer) -> dict[str, Tensor]:
    """Eqs. 10, 11 and 9 for layers side by side, (layers, out, in), with the inputs' true moments.

    Wanda's norm is that of one token, sqrt(E[X_j²]): the number of tokens changes no choice.
    """
    mean, variance = layers.mean, layers.std**2
    return {
        "wanda": torch.vmap(metrics.wanda)(layers.weight, (variance + mean**2).sqrt()),
        "std": torch.vmap(metrics.std)(layers.weight, variance),
        "without_bias": torch.vmap(metrics.without_bias)(layers.weight, mean, variance),
    }


class Agreement(NamedTuple):
    """How a metric's choices compare with brute force: over `outputs` outputs, `agree` are equal.

    excess: the summed loss of the metric's choices over the summed least loss, minus 1.
    """

    metric: str
    refit: bool
    outputs: int
    agree: int
    excess: float


def agreements(layers: Layer) -> list[Agreement]:
    """Eqs. 8 and 9: does each metric choose the weight whose removal costs least?

    Every weight of every output is removed in turn, with the best B* (Eq. 8) and with B* = B
    (Eq. 9); the least loss found this way is what the metric's choice is compared with.
    """
    found = []
    parts = [Layer(*part) for part in zip(*(t.split(LAYERS_AT_ONCE) for t in layers), strict=True)]
    for refit in (True, False):
        losses = torch.cat([lowest_losses(part, refit) for part in parts])
        best, at = losses.min(dim=-1)
        for metric, score in scores(layers).items():
            choice = score.argmin(dim=-1)
            cost = losses.gather(-1, choice.unsqueeze(-1))
            agree, excess = int((choice == at).sum()), float(cost.sum() / best.sum() - 1)
            found.append(Agreement(metric, refit, at.numel(), agree, excess))
    return found


def in_words(table: DataFrame) -> DataFrame:
    """A table of `agreements` or of sets, for a page: titles of metrics, and words for `refit`.

    They are in the column bias: "corrected" or "kept".
    """
    found = table.rename(columns={"refit": "bias"}).replace(
        {name: TITLES for name in ("metric", "choice") if name in table}
    )
    return found.assign(bias=table["refit"].map({True: "corrected", False: "kept"}))


def right(table: DataFrame, metric: str, refit: bool) -> int:
    """From the rows of `agreements`: in how many outputs the metric's choice is the cheapest."""
    rows = table[(table["metric"] == metric) & (table["refit"] == refit)]
    return int(rows["agree"].sum())


def one_output(layers: Layer, refit: bool) -> tuple[ndarray, ndarray]:
    """Wanda's score of each weight of one output, (in,), and what its removal costs.

    The output, of the first layers, in which Wanda's choice is furthest above the cheapest
    one; the first, where it always is the cheapest.
    """
    first = Layer(*(part[:SHOWN_LAYERS] for part in layers))
    score, loss = scores(first)["wanda"].flatten(0, 1), lowest_losses(first, refit).flatten(0, 1)
    taken = loss.gather(-1, score.argmin(dim=-1, keepdim=True))[:, 0]
    at = int((taken / loss.min(dim=-1).values).argmax())
    return score[at].numpy(force=True), loss[at].numpy(force=True)


def agreement_from_samples(layers: Layer, samples: int, generator: torch.Generator) -> float:
    """Eq. 8's last step: share of outputs where the variance of `samples` draws chooses alike."""
    draws = synthetic.normal((layers.mean.shape[0], samples, layers.mean.shape[-1]), generator)
    x = layers.mean.unsqueeze(-2) + layers.std.unsqueeze(-2) * draws
    estimated = torch.vmap(metrics.std)(layers.weight, x.var(dim=-2)).argmin(dim=-1)
    return float((estimated == scores(layers)["std"].argmin(dim=-1)).double().mean())
