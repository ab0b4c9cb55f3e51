"""Tables of perplexities: the cells that one takes, and what is shown of them."""

import statistics
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import pandas
from IPython.display import HTML

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.paper import sparsity
from stade_book.pages import html, models
from stade_book.pages.notebooks import Measured, Methods
from stade_nb.corpus import documents
from stade_nb.engine import cell as engine_cells
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.engine.sweep import sweep
from stade_nb.models import loading, papers_model
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS

BESIDE = "A printed value, ours, and the difference."
ZEROS = "zeros as loaded"  # what a page's last table calls them; `make one` reads it there
DIGITS = 12  # of a record's key, as a page shows it


class OverSeeds(NamedTuple):
    """Mean and standard deviation (n − 1) of a number over calibration seeds, two or more."""

    mean: float
    std: float

    def __format__(self, form: str) -> str:
        return f"{self.mean:{form}} ± {self.std:{form}}"


def over_seeds(numbers: Sequence[float]) -> OverSeeds | float:
    """What the calibration seeds give, or the number itself where there is only one."""
    if len(numbers) == 1:
        return numbers[0]
    return OverSeeds(statistics.fmean(numbers), statistics.stdev(numbers))


def cells(
    methods: list[str], patterns: list[str], magnitude_scope: str, seeds: list[int]
) -> list[Cell]:
    """Dense first, then every method at every pattern with every seed.

    magnitude_scope: whether a share of the weights is taken from the whole "layer" or from each
    "row" by magnitude; the other metrics compare within rows, N:M within groups. A method to which
    the seed means nothing has one cell.
    """

    def scope(method: str, pattern: str) -> str | None:
        share = parse_pattern(pattern).m is None
        return magnitude_scope if method == "magnitude" and share else None

    pruned = [
        cell
        for pattern in patterns
        for method in methods
        for cell in engine_cells.cells(
            [method], [pattern], seeds=seeds, scope=scope(method, pattern)
        )
    ]
    return list(dict.fromkeys([DENSE, *pruned]))


def run(
    p: Measured,
    asked: Sequence[Cell] | Callable[[str], Sequence[Cell]] | None = None,
    names: Sequence[str] | None = None,
) -> pandas.DataFrame:
    """All cells of a table on all its models, computed or read from the records in `results_dir`.

    p: the notebook's checked parameters. asked: the cells, `DENSE` among them, or a function that
    gives them by the model's name; those of `cells` for `p` if None. names: of the models,
    `p.models` if None.
    Returns a row for each cell, so one for each calibration seed: what `sweep` returns, with
    method and pattern "dense" for the unpruned model, models by their `models.labels`, family (the
    architecture, such as "opt"), paper_model (see `papers_model`), and the column of
    `paper.with_relative`.
    """
    if asked is None:
        asked = cells(p.methods, p.patterns, p.magnitude_scope, p.seeds)
    rows = []
    for name, label in models.labelled(names or p.models).items():
        of_model = asked(name) if callable(asked) else asked
        found = sweep(name, of_model, models.setting(p), progress=True)
        about = {
            "model": label,
            "family": loading.architecture(name),
            "paper_model": papers_model(name),
        }
        rows += [cell | about for cell in found]
    ran = pandas.DataFrame(rows)
    ran.loc[ran["method"] == paper.DENSE, "pattern"] = paper.DENSE
    return paper.with_relative(ran)


def run_beside(p: Methods, rivals: Sequence[str]) -> pandas.DataFrame:
    """`run` of the methods asked for and, before them, those that they are compared with."""
    methods = list(dict.fromkeys([*rivals, *p.methods]))
    return run(p, [DENSE, *engine_cells.cells(methods, p.patterns, seeds=p.seeds)])


def layout(
    frame: pandas.DataFrame, value: str = "perplexity", update: bool = False
) -> pandas.DataFrame:
    """A column as the paper lays it out: method, sparsity, and then one column for each model.

    Where there are several seeds, their mean and standard deviation (see `over_seeds`). update:
    Table 6's column weight_update, whether the method updates the weights that stay.
    """
    rows: dict[tuple[str, str], dict] = {}
    found = frame.groupby(["method", "pattern", "model"], sort=False)[value].agg(list)
    for (method, pattern, model), numbers in found.items():
        head = {"method": paper.title(method), "sparsity": sparsity(pattern)}
        if update:
            head["weight_update"] = method != paper.DENSE and METHODS[method].updates_weights
        rows.setdefault((method, pattern), head)[model] = over_seeds(numbers)
    return pandas.DataFrame(rows.values())


def parameters_left(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Sec. 3.4's balance: a row for each pruned cell in `ran`, which `run` returns.

    Columns method (its title), zeros, biases (added values), left (weights that are not zero and
    added biases, over all weights) and perplexity.
    """
    rows = []
    for cell in ran[ran["method"] != paper.DENSE].itertuples():
        zeros, size, biases = (
            sum(by_layer.values()) for by_layer in (cell.zeros, cell.sizes, cell.added_bias)
        )
        left = (size - zeros + biases) / size
        rows.append((paper.title(cell.method), zeros, biases, left, cell.perplexity))
    return pandas.DataFrame(rows, columns=["method", "zeros", "biases", "left", "perplexity"])


def printed(number: int, methods: list[str], patterns: list[str]) -> pandas.DataFrame:
    """Table `number` of the paper, the rows that `methods` and `patterns` name, in our order."""
    rows = paper.with_relative(paper.table(number))
    wanted = rows[rows["method"].isin(methods) | (rows["method"] == paper.DENSE)]
    order = {pattern: place for place, pattern in enumerate([paper.DENSE, *patterns])}
    return wanted[wanted["pattern"].isin(order)].sort_values(
        "pattern", key=lambda found: found.map(order), kind="stable"
    )


def facts(p: Measured, ran: pandas.DataFrame) -> dict:
    """What the page's provenance says of a table's run."""

    def hashes(column: str) -> str:
        found = ran.dropna(subset=column).groupby("model", sort=False)[column].unique()
        return ", ".join(f"{m} {' '.join(h[:12] for h in all_of)}" for m, all_of in found.items())

    length = p.window_length or "the model's own number of"
    return {
        "models": hashes("fingerprint"),
        **({ZEROS: zeros} if (zeros := zeros_as_loaded(ran)) else {}),
        "calibration": f"{p.calibration}, {p.windows} windows of {length} tokens, seeds "
        + ", ".join(map(str, p.seeds)),
        "calibration tokens": hashes("calibration"),
        "evaluation": f"{p.evaluation}, {p.evaluation_windows or 'all'} windows of {length} tokens",
        "evaluation tokens": hashes("evaluation"),
        **_differences(p),
        "dtype": p.dtype,
        "seconds of computing": f"{sum(sum(s.values()) for s in ran['seconds']):.0f}",
        "device": p.device,
        "records": records(ran),
        "folder": p.results_dir,
    }


def zeros_as_loaded(ran: pandas.DataFrame) -> str:
    """How many weights of which model were zero before anything was pruned; "" where none was.

    Records of earlier versions, which say nothing of it, are passed over.
    """
    if "loaded" not in ran:
        return ""
    known = ran[ran["loaded"].map(lambda loaded: isinstance(loaded, dict))]
    counted = [(row.model, *map(row.loaded.get, ("zeros", "size"))) for row in known.itertuples()]
    said = [
        f"{model} {zeros:,} of {size:,} weights of the blocks' linear layers ({zeros / size:.3%})"
        for model, zeros, size in dict.fromkeys(counted)
        if zeros
    ]
    return ", ".join(said)


def _differences(p: Measured) -> dict[str, str]:
    """What a page says of embedded texts that are not the recorded ones; nothing where they are."""
    texts = {"calibration": p.calibration, "evaluation": p.evaluation}
    found = {
        f"embedded {use} text": documents.difference(use)
        for use, source in texts.items()
        if source == "embedded"
    }
    return {use: different for use, different in found.items() if different}


def records(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Which record each row of `ran` was read from: its cell, and how the record's name begins."""
    cells = {
        "model": ran["model"],
        "method": ran["method"].map(paper.title),
        "sparsity": ran["pattern"].map(sparsity),
        "seed": ran["seed"],
        "record": ran["record"].str[:DIGITS],
    }
    layers = ran["layers"].map(lambda layers: layers if layers == "all" else ", ".join(layers))
    if set(layers) != {"all"}:
        cells["layers"] = layers
    return pandas.DataFrame(cells)


def shown(number: int, ran: pandas.DataFrame, p: Measured, value: str = "perplexity") -> HTML:
    """`beside` for a page, and a sentence where there is nothing to compare, or not all."""
    return page(number, claims.reproduction.beside(number, ran, p, value), ran, p, value)


def page(
    number: int,
    found: pandas.DataFrame,
    ran: pandas.DataFrame,
    p: Measured,
    value: str = "perplexity",
) -> HTML:
    """`shown` for rows `found` that stand beside Table `number`; ran: from `run`."""
    known = list(dict.fromkeys(ran["paper_model"].dropna()))
    lines = []
    if not known:
        lines.append(
            "None of the models above is one of the paper's: there is no printed value to set "
            "ours beside."
        )
    if unprinted := [model for model in known if found.empty or model not in set(found["model"])]:
        what = value.replace("_", " ")
        lines.append(f"Table {number} prints no {what} of {', '.join(unprinted)}.")
    if len(found) and (other := claims.reproduction.departures(p)):
        lines.append(f"Not the paper's protocol, so nothing is compared: {'; '.join(other)}.")
    text = f"<p>{escape(' '.join(lines))}</p>" if lines else ""
    return HTML(
        text
        + (
            html.table(found, claims.reproduction.FORMATS, caption=BESIDE).data
            if len(found)
            else ""
        )
    )


def table2(ran: pandas.DataFrame, p: Measured) -> HTML:
    """`beside` for a page, and a sentence where there is nothing to compare, or not all."""
    return shown(2, ran, p)
