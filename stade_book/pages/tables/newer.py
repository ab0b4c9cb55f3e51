"""Methods newer than Wanda: what the page on them runs and shows, and what others have printed.

data/newer_methods.csv has a row for each printed number: on which model, with windows of how many
tokens (where the source says so), beside the unpruned model and Wanda in the same source. Nothing
of it was computed here, and nothing of it takes part in a verdict.
"""

import math
from collections.abc import Sequence

import pandas

from stade_book.claims import paper
from stade_book.claims.verdicts import NOT_RUN, SUPPORTED
from stade_book.pages.notebooks import Methods
from stade_book.pages.tables import earlier, perplexity
from stade_book.pages.tables.ladder import percent
from stade_book.studies import mask_or_compensation as study
from stade_nb import paths
from stade_nb.beyond.methods import BEYOND
from stade_nb.numerics.methods import method
from stade_nb.numerics.metrics import METRICS, Needs

FILE = paths.DATA / "newer_methods.csv"

PUBLISHED = ("ria", "symwanda", "nowag", "dsnot", "rose")  # after Wanda, by others
UPDATES = ("sparsegpt", "sparsegpt_without_update")  # older than Wanda, beside it
GREEDY = ("greedy", "greedy_with_bias")  # this book's
NEWER = [*PUBLISHED[:4], *UPDATES, PUBLISHED[4], *GREEDY]
# Eq. 7 behind a mask that somebody else chose, against that mask alone.
CORRECTED = [(f"{name}_with_bias", name) for name in PUBLISHED if f"{name}_with_bias" in BEYOND]
# What one weight more adds to a row's loss when those in P have gone.
_ADDED = r"W_{i,j}^2\,%s_{j,j}+2\,W_{i,j}\sum_{r\in P}%s_{j,r}W_{i,r}"
SCORES = {
    "rose": METRICS["sparsegpt"].formula,
    "greedy": _ADDED.replace("%s", "G"),
    "greedy_with_bias": _ADDED.replace("%s", r"\Sigma"),
}
FOLLOWS = {
    "dsnot": "weights are swapped until what is removed has a mean near zero (as described)",
    "sparsegpt": "column by column; the weights to the right are updated",
    "rose": "as SparseGPT, beginning with the columns that would lose most",
    "greedy": "one weight of a row after the other",
    "greedy_with_bias": "one weight of a row after the other; then Eq. 7",
}
READS = {
    Needs.NOTHING: "nothing",
    Needs.MOMENTS: "mean and variance of each input",
    Needs.GRAM: "products of all pairs of inputs",
}


def run(p: Methods) -> pandas.DataFrame:
    """The methods asked for, and Wanda's and STD's cells, on `p.models`, by `perplexity.run`."""
    return perplexity.run_beside(p, [above for _, above in study.COVARIANCES])


def against_wanda(ran: pandas.DataFrame, names: Sequence[str] = NEWER) -> pandas.DataFrame:
    """`study.against` of every one of `names` and Wanda on the first seed; column method as well.

    ran: from `run`, or the records of `studies.most`.
    """
    pairs = [(name, earlier.RIVAL) for name in names]
    judged = study.against(ran[ran["seed"] == 0], pairs)
    return judged.assign(method=judged["below"])


def each(judged: pandas.DataFrame) -> str:
    """`against_wanda` in words, of what was published: "RIA 0 of 5, NoWag-P 1 of 2"."""
    lower = (judged["verdict"] == SUPPORTED).groupby(judged["method"], sort=False)
    parts = [
        f"{paper.title(name)} {rows.sum()} of {len(rows)}"
        for name, rows in lower
        if name in PUBLISHED
    ]
    return ", ".join(parts) or NOT_RUN


def formulas(names: Sequence[str] = NEWER) -> pandas.DataFrame:
    """What each method does: columns method, score (LaTeX), follows, reads, updates, in words."""
    rows = []
    for one in (method(name) for name in ["wanda", *names]):
        score = SCORES.get(one.name, one.uncentred.metric.formula)
        about = one.title, score, FOLLOWS.get(one.name, ""), READS[one.needs]
        rows.append((*about, one.updates_weights))
    return pandas.DataFrame(rows, columns=["method", "score", "follows", "reads", "updates"])


def printed() -> pandas.DataFrame:
    """The rows of the file, and `change`: of the perplexity from Wanda's, as a share of Wanda's.

    Columns method, model, window (tokens), pattern, dense, wanda, perplexity, below_wanda, source.
    A source that prints a difference only has it in below_wanda, and no change.
    """
    found = pandas.read_csv(FILE, dtype={"window": "Int64"})
    return found.assign(change=found["perplexity"] / found["wanda"] - 1)


def beside(newer_than_wanda: pandas.DataFrame) -> list[str]:
    """What others print of each row's method at its pattern: "−13.7 % on Llama-3-8B", or "".

    newer_than_wanda: columns below (the method) and pattern.
    """
    known = dict(list(printed().groupby(["method", "pattern"])))
    keys = newer_than_wanda[["below", "pattern"]].itertuples(index=False, name=None)
    return [
        ", ".join(map(_printed, known[key].itertuples())) if key in known else "" for key in keys
    ]


def as_printed() -> pandas.DataFrame:
    """`printed` as a page shows it: in words, a perplexity that is not printed left empty."""
    found = printed()
    titles = {"owl": "Wanda with OWL"}
    windows = [f"{tokens:,}" if pandas.notna(tokens) else "not said" for tokens in found["window"]]
    shown = {
        "method": [titles.get(name) or paper.title(name) for name in found["method"]],
        "sparsity": found["pattern"].map(paper.sparsity),
        "model": found["model"],
        "tokens in a window": windows,
    }
    for name in ("dense", "wanda", "perplexity"):
        shown[paper.title(name)] = ["" if math.isnan(x) else f"{x:,.2f}" for x in found[name]]
    shown["against Wanda"] = [_against_wanda(row) for row in found.itertuples()]
    return pandas.DataFrame(shown | {"printed in": found["source"]})


def _printed(row) -> str:
    return f"{_against_wanda(row)} on {row.model}"


def _against_wanda(row) -> str:
    lower = f"perplexity lower by {row.below_wanda}"
    return lower if math.isnan(row.change) else f"{percent(row.change)} %"
