"""Table 2 and Fig. 1: one layer type pruned at a time, by Wanda's and by the STD metric."""

from collections.abc import Callable, Sequence

import pandas

from stade_book.claims import paper
from stade_book.claims.layers import METRICS, compared, each_layer, predicted
from stade_book.claims.verdicts import NOT_RUN
from stade_book.pages.notebooks import LayerTypes
from stade_book.pages.tables import earlier, perplexity
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.errors import unknown
from stade_nb.models import architectures, loading
from stade_nb.numerics.methods import METHODS as KNOWN


def types_of(name: str) -> list[str]:
    """Table 2's rows for the model called `name`: all its layer types, without loading it.

    StadeError as `loading.architecture` has it, and for an architecture that is not supported.
    """
    kind = loading.architecture(name)
    if kind not in architectures.SUPPORTED:
        raise unknown(f"architecture of {name!r}", kind, architectures.SUPPORTED)
    return sorted(architectures.SUPPORTED[kind], key=architectures.place)


def mlp_types(name: str) -> list[str]:
    """Fig. 1's panels for the model called `name`: the layer types of its MLP, in order."""
    return [layer for layer in types_of(name) if architectures.is_mlp(layer)]


def cells(types: Sequence[str], sparsities: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """Table 2: dense, then each layer type alone, at each sparsity ("0.5"), by both metrics."""
    return [
        DENSE,
        *(
            Cell(metric, sparsity, layer, seed=seed)
            for seed in seeds
            for layer in types
            for sparsity in sparsities
            for metric in METRICS
        ),
    ]


def run(p: LayerTypes, types: Callable[[str], list[str]] = types_of) -> pandas.DataFrame:
    """The cells of all models, computed or read: a row for each model, cell and seed.

    p: the notebook's checked parameters. types: which layer types of a model, by its name.
    Returns what `perplexity.run` does, and besides metric, layer and sparsity (a number); of the
    unpruned model, metric and layer are "dense".
    """
    return columns(perplexity.run(p, lambda name: cells(types(name), p.sparsities, p.seeds)))


def columns(ran: pandas.DataFrame) -> pandas.DataFrame:
    """`ran`, whose cells prune one layer type each, with metric, layer and sparsity as `run`."""
    return ran.assign(
        metric=ran["method"],
        layer=[paper.DENSE if each == "all" else each[0] for each in ran["layers"]],
        sparsity=[0.0 if each == paper.DENSE else float(each) for each in ran["pattern"]],
    )


# As Table 2 calls them.
NAMES = {"wanda": "Wanda", "std": "STD"}


def of_real_models(types: Callable[[str], list[str]] = types_of) -> pandas.DataFrame:
    """What `run` returns, from the records of those real models that both metrics pruned."""
    ran = columns(earlier.frame(earlier.real(), by_layer=True))
    wanted = [
        row.metric == paper.DENSE or (row.metric in METRICS and row.layer in types(row.model))
        for row in ran.itertuples()
    ]
    metrics = ran[wanted].groupby("model")["metric"].nunique()
    both = metrics[metrics > len(METRICS)].index  # the dense one counts as well
    return ran[wanted][ran[wanted]["model"].isin(both)]


def uncentred_in_words(ran: pandas.DataFrame) -> str:
    """How each layer type with an input that counts as not centred comes out, in `ran` as of `run`.

    "down_proj: supported 3, open 1, contradicted 0 of 4 (−6.3 to +0.2 %)", and so on.
    """
    both = compared(ran, lambda layer: not architectures.is_centred(layer))
    rows = each_layer(both)
    words = (
        f"{layer.rpartition('.')[2]}: {count}"
        for layer, count in zip(rows["layer"], rows["count"], strict=True)
    )
    return "; ".join(words) or NOT_RUN


def heading(frame: pandas.DataFrame, model: str) -> str:
    """The model and its perplexity before pruning, which Table 2 does not print itself."""
    row = frame[frame["model"] == model].iloc[0]
    return f"{model}, dense {row['perplexity'] / row['relative']:.2f}"


def layout(frame: pandas.DataFrame, model: str) -> pandas.DataFrame:
    """Table 2 as the paper lays it out: two rows for each layer type, a column a sparsity.

    Layer types by their last name; where there are several seeds, mean and standard deviation.
    """
    rows: dict[tuple[str, str], dict] = {}
    pruned = frame[(frame["model"] == model) & (frame["layer"] != paper.DENSE)]
    found = pruned.groupby(["layer", "metric", "sparsity"], sort=False)["perplexity"].agg(list)
    for (layer, metric, sparsity), numbers in found.items():
        head = {
            "layer": layer.rpartition(".")[2],
            "input": "centred" if architectures.is_centred(layer) else "not centred",
            "metric": NAMES.get(metric, paper.title(metric))
            + ("†" if metric == predicted(layer) else ""),
        }
        row = rows.setdefault((layer, metric), head)
        row[perplexity.sparsity(str(sparsity))] = perplexity.over_seeds(numbers)
    known = list(KNOWN)  # a real model's records have STD without its correction, too
    order = sorted(rows, key=lambda key: (architectures.place(key[0]), known.index(key[1])))
    return pandas.DataFrame([rows[key] for key in order])
