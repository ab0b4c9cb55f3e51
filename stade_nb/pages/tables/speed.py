"""A page's table of what sparsity gains in time, for the layer shapes of a model."""

import pandas
import torch

from stade_nb.engine import speed
from stade_nb.models import architectures
from stade_nb.models.shapes import empty
from stade_nb.pages.notebooks import Speed


def layer_shapes(model: str) -> dict[tuple[int, int], str]:
    """The distinct (out, in) of a published model's block, with the layer types that have them."""
    found: dict[tuple[int, int], list[str]] = {}
    for name, layer in architectures.linear_layers(architectures.blocks(empty(model))[0]).items():
        found.setdefault(tuple(layer.weight.shape), []).append(name.rpartition(".")[2])
    return {shape: ", ".join(names) for shape, names in found.items()}


def measured(p: Speed) -> pandas.DataFrame:
    """A row for each shape, pattern, way that torch has on this device, and number of tokens.

    Columns layers, out, in, pattern, way, tokens, and those of `speed.Timing`. On a GPU weights are
    in half precision, which semi-structured products need.
    """
    dtype = torch.float16 if p.device.startswith("cuda") else torch.float32
    rows = []
    for shape, names in layer_shapes(p.model).items():
        bias = torch.randn(shape[0], generator=torch.Generator().manual_seed(1))
        for pattern in p.patterns:
            weight = speed.pruned_weight(shape, pattern).to(p.device, dtype)
            ways = [way for way in speed.WAYS if speed.possible(way, pattern, p.device)]
            for way in ways:
                for tokens in p.tokens:
                    with speed.one_thread():
                        found = speed.timed(way, weight, bias.to(weight), tokens, p.repetitions)
                    about = {"layers": names, "out": shape[0], "in": shape[1]}
                    about |= {"pattern": pattern, "way": way, "tokens": tokens}
                    rows.append(about | found._asdict())
    return pandas.DataFrame(rows)


def summary(found: pandas.DataFrame) -> pandas.DataFrame:
    """For each way, pattern and number of tokens the ratios to dense over all shapes.

    Columns lowest, median, highest (more than 1: faster than dense), and error, the largest.
    """
    groups = found.groupby(["way", "pattern", "tokens"], as_index=False)
    return groups.agg(
        lowest=("ratio", "min"),
        median=("ratio", "median"),
        highest=("ratio", "max"),
        error=("error", "max"),
    )
