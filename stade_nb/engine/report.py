"""What pruning has left of a model: zeros by layer, added biases counted (Sec. 3.4)."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas
from torch import nn

from stade_nb.models import architectures

ALL = "all of these"


@dataclass(frozen=True)
class LayerReport:
    """One pruned layer: its zeros, its number of weights, and the bias values it did not have."""

    zeros: int
    size: int
    added_bias: int


class Report(dict[str, LayerReport]):
    """What has become of each pruned layer, by its full name; printed as a table, see `table`."""

    def __str__(self) -> str:
        return text(table(self)) if self else "nothing was pruned"

    def columns(self) -> dict[str, dict[str, int]]:
        """The same by what is counted, as records have it."""
        return {
            "zeros": {layer: report.zeros for layer, report in self.items()},
            "sizes": {layer: report.size for layer, report in self.items()},
            "added_bias": {layer: report.added_bias for layer, report in self.items()},
        }


def sparsity(reports: Iterable[LayerReport], count_biases: bool = False) -> float:
    """Share of zeros, 0 to 1, in layers together.

    count_biases: a bias that pruning added counts as one parameter that did not go (Sec. 3.4).
    """
    reports = list(reports)
    gone = sum(report.zeros - report.added_bias * count_biases for report in reports)
    return gone / sum(report.size for report in reports)


def zeros_in(model: nn.Module) -> dict[str, int]:
    """The "zeros" of a model as it is, and the "size", of the layers that could be pruned."""
    weights = [layer.weight for _, _, layer in architectures.named_layers(model)]
    return {
        "zeros": sum(int((weight == 0).sum()) for weight in weights),
        "size": sum(weight.numel() for weight in weights),
    }


def layer_type(name: str) -> str:
    """The layer type of a full name.

    >>> layer_type("model.layers.0.mlp.up_proj")
    'mlp.up_proj'
    """
    return name.partition(".layers.")[2].partition(".")[2]


def table(reports: dict[str, LayerReport], each_layer: bool = False) -> pandas.DataFrame:
    """A row for each layer type (or layer) and one for all: weights, zeros, shares, added biases.

    The last column is the sparsity with the added biases counted, see `sparsity`.
    """
    groups: dict[str, list[LayerReport]] = {}
    for name, report in reports.items():
        groups.setdefault(name if each_layer else layer_type(name), []).append(report)
    groups[ALL] = list(reports.values())
    return pandas.DataFrame(
        [
            {
                "layers": name,
                "weights": sum(report.size for report in group),
                "zeros": sum(report.zeros for report in group),
                "sparsity": sparsity(group),
                "added biases": sum(report.added_bias for report in group),
                "counting them": sparsity(group, count_biases=True),
            }
            for name, group in groups.items()
        ]
    )


def text(frame: pandas.DataFrame) -> str:
    """A table for the terminal: numbers with commas, shares in percent."""
    columns = []
    for place, name in enumerate(frame):
        form = {"i": "{:,}", "f": "{:.3%}"}.get(frame[name].dtype.kind, "{}")
        words = [str(name), *map(form.format, frame[name])]
        width = max(map(len, words))
        columns.append([word.rjust(width) if place else word.ljust(width) for word in words])
    return "\n".join(map("  ".join, zip(*columns, strict=True)))
