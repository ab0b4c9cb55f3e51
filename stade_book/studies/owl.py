"""OWL (arXiv 2310.05175): more of a block stays where more of its scores are outliers.

A block's outliers are the scores above `FACTOR` times the mean of all scores in the block, on the
model as it is, nothing pruned. The shares of outliers, from the least to the greatest of all
blocks, become densities `WIDTH` below to `WIDTH` above each other, and are moved until their mean
is 1 - s. Scores are those of Wanda, |W_ij| ‖X_j‖, of STD, |W_ij| ‖X_j - mean_j‖, or, for STADE,
of the one that the layer is pruned by.

The rule for what allocation does, in the code before any number of it: it helps a method at a
sparsity where its perplexity is lower than with the same share in every block, by
`verdicts.compared`; all comparisons of a model share the 95 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas
import torch
from torch import Tensor, nn
from tqdm import tqdm

from stade_book.studies import measured
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics import methods
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

STUDY = "allocation between blocks"  # what the fields of its records say
COMMAND = "python -m workflow.owl"
FACTOR, WIDTH = 5.0, 0.08
METHODS = ("wanda", "stade", "std")
UNIFORM, ALLOCATED = "uniform", "owl"


@dataclass(frozen=True)
class Allocated(Cell):
    """A cell whose share differs between blocks. densities: what stays of each, by its name."""

    densities: tuple[tuple[str, float], ...] = ()

    def pattern_in(self, block: str) -> Pattern:
        """The share of this block that goes."""
        # 1 - (1 - 0.2) is a little below 0.2, and would keep one weight more of each row.
        share = round(1 - dict(self.densities)[block], 12)
        return Pattern(share, scope=self.pattern.scope)


def scores(weight: Tensor, moments: Moments, centres: bool) -> Tensor:
    """|W_ij| times the root of Σ x_j², or of Σ (x_j - mean_j)² if `centres`; (out, in), float64."""
    squares = moments.m2 if centres else moments.squared_norm
    return weight.to(torch.float64).abs() * squares.sqrt()


def outliers(found: Sequence[Tensor]) -> float:
    """The share of all scores of a block, a tensor a layer, above `FACTOR` times their mean."""
    every = torch.cat([layer.flatten() for layer in found])
    return float((every > FACTOR * every.mean()).double().mean())


def shares(model: nn.Module, ids: Tensor, batch_size: int = 8, progress: bool = False) -> dict:
    """By method the share of outliers of each block, in their order, on the unpruned model.

    ids: calibration windows, (windows, tokens). StadeError where they do not fit the model.
    """
    every: dict[str, list[float]] = {method: [] for method in METHODS}
    read = pruning.dense_statistics(model, ids, Needs.MOMENTS, batch_size)
    count = len(architectures.blocks(model))
    for _, block, statistics in tqdm(read, total=count, desc="outliers", disable=not progress):
        layers = architectures.linear_layers(block)
        for method, of_method in every.items():
            found = []
            for kind, layer in layers.items():
                # As Table 1 has it; the numerics' score of STD is squared, and has other outliers.
                treatment = methods.METHODS[method].treatment(architectures.is_centred(kind))
                centres = treatment.metric.name == "std"
                moments = statistics[architectures.input_of(kind)]
                found.append(scores(layer.weight, moments, centres))
            of_method.append(outliers(found))
    return every


def densities(share: Sequence[float], sparsity: float) -> list[float]:
    """What stays of each block, 1 - sparsity on average; equal shares give equal densities.

    StadeError where a density would be below 0 or above 1.
    """
    spread = max(share) - min(share)
    scaled = [2 * WIDTH * (each - min(share)) / spread if spread else 0.0 for each in share]
    middle = math.fsum(scaled) / len(scaled)
    found = [each - middle + 1 - sparsity for each in scaled]
    if not all(0 <= each <= 1 for each in found):
        raise StadeError(
            f"sparsity {sparsity} with densities from {min(found):.2f} to {max(found):.2f}: "
            f"expected all from 0 to 1; choose a sparsity from {2 * WIDTH:g} to {1 - 2 * WIDTH:g}"
        )
    return found


def allocated(model: nn.Module, method: str, sparsity: float, share: Sequence[float]) -> Allocated:
    """The cell of a method with OWL's densities at a sparsity. share: of `shares`."""
    names = architectures.block_names(model)
    kept = densities(share, sparsity)
    return Allocated(method, sparsity, densities=tuple(zip(names, kept, strict=True)))


def gains(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The rule at the head of this file, a row for each model, method and sparsity.

    cells: columns model, method, pattern, allocation, losses. Returns columns model, method,
    pattern, uniform and owl (perplexities), change, low, high, verdict.
    """
    found = measured.gains(cells, ["pattern", "method"], "allocation", (UNIFORM, ALLOCATED))
    return found[["model", "method", "pattern", *found.columns[3:]]]
