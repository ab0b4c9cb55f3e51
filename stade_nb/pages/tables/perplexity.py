"""Tables of perplexities: the cells that one takes, and what is shown of them."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from types import SimpleNamespace
from typing import NamedTuple

import pandas
from IPython.display import HTML

from stade_nb import claims
from stade_nb.claims import paper
from stade_nb.claims.paper import sparsity
from stade_nb.engine.cell import DENSE, Cell, Corpus
from stade_nb.engine.sweep import run_sweep
from stade_nb.models import loading
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS
from stade_nb.pages import html
from stade_nb.paths import ROOT
from stade_nb.training import cards


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

    def scope(method: str, pattern: str) -> str:
        share = parse_pattern(pattern).m is None
        return magnitude_scope if method == "magnitude" and share else "row"

    pruned = [
        Cell(method, pattern, scope=scope(method, pattern), seed=seed)
        for pattern in patterns
        for method in methods
        for seed in seeds
    ]
    once = {cell: cell if cell.depends_on_seed else replace(cell, seed=0) for cell in pruned}
    return [DENSE, *dict.fromkeys(once.values())]


def run(p: SimpleNamespace, asked: Sequence[Cell] | None = None) -> pandas.DataFrame:
    """All cells of a table on all its models, computed or read from the records in `results_dir`.

    p: the notebook's checked parameters. A relative `results_dir` begins at the project's root.
    asked: the cells, `DENSE` among them; those of `cells` for `p` if None.
    Returns a row for each cell, so one for each calibration seed: what `run_sweep` returns, with
    method and pattern "dense" for the unpruned model, models by their `labels`, family (the
    architecture, such as "opt"), paper_model (see `paper.model_of`), and the column of
    `paper.with_relative`.
    """
    if asked is None:
        asked = cells(p.methods, p.patterns, p.magnitude_scope, p.seeds)
    calibration = Corpus(p.calibration, p.windows, p.window_length)
    evaluation = Corpus(p.evaluation, p.evaluation_windows, p.window_length)
    rows = []
    for name, label in labels(cards.names(p.models)).items():
        found = run_sweep(
            name,
            asked,
            calibration,
            evaluation,
            device=p.device,
            dtype=p.dtype,
            results_dir=ROOT / p.results_dir,
            batch_size=p.batch_size,
            progress=True,
        )
        about = {
            "model": label,
            "family": loading.architecture(name),
            "paper_model": paper.model_of(name),
        }
        rows += [cell | about for cell in found]
    ran = pandas.DataFrame(rows)
    ran.loc[ran["method"] == paper.DENSE, "pattern"] = paper.DENSE
    return paper.with_relative(ran)


def labels(names: list[str]) -> dict[str, str]:
    """Names for a page: the last part of a path or hub id, or all of it where that is taken."""
    short = [name.rstrip("/").rpartition("/")[2] for name in names]
    return {name: s if short.count(s) == 1 else name for name, s in zip(names, short, strict=True)}


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


def printed(number: int, methods: list[str], patterns: list[str]) -> pandas.DataFrame:
    """Table `number` of the paper, the rows that `methods` and `patterns` name, in our order."""
    rows = paper.with_relative(paper.table(number))
    wanted = rows[rows["method"].isin(methods) | (rows["method"] == paper.DENSE)]
    order = {pattern: place for place, pattern in enumerate([paper.DENSE, *patterns])}
    return wanted[wanted["pattern"].isin(order)].sort_values(
        "pattern", key=lambda found: found.map(order), kind="stable"
    )


def facts(p: SimpleNamespace, ran: pandas.DataFrame) -> dict:
    """What the page's provenance says of a table's run."""

    def hashes(column: str) -> str:
        found = ran.dropna(subset=column).groupby("model", sort=False)[column].unique()
        return ", ".join(f"{m} {' '.join(h[:12] for h in all_of)}" for m, all_of in found.items())

    length = p.window_length or "the model's own number of"
    return {
        "models": hashes("fingerprint"),
        "calibration": f"{p.calibration}, {p.windows} windows of {length} tokens, seeds "
        + ", ".join(map(str, p.seeds)),
        "calibration tokens": hashes("calibration"),
        "evaluation": f"{p.evaluation}, {p.evaluation_windows or 'all'} windows of {length} tokens",
        "evaluation tokens": hashes("evaluation"),
        "dtype": p.dtype,
        "seconds of computing": f"{sum(sum(s.values()) for s in ran['seconds']):.0f}",
        "device": p.device,
    }


def shown(
    number: int, ran: pandas.DataFrame, p: SimpleNamespace, value: str = "perplexity"
) -> HTML:
    """`beside` for a page, and a sentence where there is nothing to compare, or not all."""
    return page(number, claims.reproduction.beside(number, ran, p, value), ran, p, value)


def page(
    number: int,
    found: pandas.DataFrame,
    ran: pandas.DataFrame,
    p: SimpleNamespace,
    value: str = "perplexity",
) -> HTML:
    """`shown` for rows `found` that stand beside Table `number`; ran: from `tables.run`."""
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
    return HTML(text + (html.table(found, claims.reproduction.FORMATS).data if len(found) else ""))


def table2(ran: pandas.DataFrame, p: SimpleNamespace) -> HTML:
    """`beside` for a page, and a sentence where there is nothing to compare, or not all."""
    return page(2, claims.reproduction.beside_layers(ran, p), ran, p)
