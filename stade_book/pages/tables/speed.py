"""A page's table of what sparsity gains in time, for the layer shapes of a model."""

import pandas
import torch
from torch import nn

from stade_book.pages.notebooks import Speed
from stade_book.studies import speed
from stade_nb.models import architectures
from stade_nb.models.shapes import empty, filled

# Semi-structured products need half precision.
DTYPES = {"cpu": torch.float32, "cuda": torch.float16}


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
    dtype = DTYPES[torch.device(p.device).type]
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


def pruned_model(model: str, pattern: str, device: str) -> nn.Module:
    """A published shape with random weights, pruned by magnitude, a bias in each linear layer."""
    dtype = DTYPES[torch.device(device).type]
    made = filled(empty(model, str(dtype).removeprefix("torch.")))
    for block in architectures.blocks(made):
        for layer in architectures.linear_layers(block).values():
            weight = 0.02 * speed.pruned_weight(tuple(layer.weight.shape), pattern)
            layer.weight.data = weight.to(dtype)
            bias = 0.02 * torch.randn(len(weight), dtype=dtype)
            layer.bias = nn.Parameter(bias, requires_grad=False)
    return made.to(device)


def whole(p: Speed, found: pandas.DataFrame) -> pandas.DataFrame:
    """The whole model of a page, in the format that `found` (from `measured`) has as the fastest.

    A row for each of `whole_patterns` and each of the page's numbers of tokens, the last, largest
    one left out where there are several. Columns pattern, way, tokens, dense and sparse (tokens a
    second), ratio, setup (seconds), error.
    """
    rows = []
    for pattern in p.whole_patterns:
        by_way = found[found["pattern"] == pattern].groupby("way")["ratio"].median()
        way, model = by_way.idxmax(), pruned_model(p.model, pattern, p.device)
        for tokens in p.tokens[:-1] or p.tokens:
            draw = torch.Generator().manual_seed(tokens)
            ids = torch.randint(0, model.config.vocab_size, (1, tokens), generator=draw)
            with speed.one_thread():
                one = speed.timed_model(way, model, ids.to(p.device), min(3, p.repetitions))
            rates = tokens / one.dense, tokens / one.seconds
            rows.append((pattern, way, tokens, *rates, one.ratio, one.setup, one.error))
    names = ["pattern", "way", "tokens", "dense", "sparse", "ratio", "setup", "error"]
    return pandas.DataFrame(rows, columns=names)
