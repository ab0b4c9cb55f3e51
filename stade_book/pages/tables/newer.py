"""What others have printed of methods newer than the paper, to hold this book's numbers against.

data/newer_methods.csv has a row for each: on which model, with windows of how many tokens (where
the source says so), beside the unpruned model and Wanda in the same source. Nothing of it was
computed here, and nothing of it takes part in a verdict.
"""

import math

import pandas

from stade_book.claims import paper
from stade_book.pages.tables.ladder import percent
from stade_nb import paths

FILE = paths.DATA / "newer_methods.csv"


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
