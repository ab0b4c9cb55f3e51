"""What others have printed of methods newer than the paper, to hold this book's numbers against.

data/newer_methods.csv has a row for each: on which model, with windows of how many tokens (where
the source says so), beside the unpruned model and Wanda in the same source. Nothing of it was
computed here, and nothing of it takes part in a verdict.
"""

import pandas

from stade_nb import paths

FILE = paths.DATA / "newer_methods.csv"


def printed() -> pandas.DataFrame:
    """The rows of the file, and `change`: of the perplexity from Wanda's, as a share of Wanda's.

    Columns method, model, window (tokens), pattern, dense, wanda, perplexity, below_wanda, source.
    A source that prints a difference only has it in below_wanda, and no change.
    """
    found = pandas.read_csv(FILE, dtype={"window": "Int64"})
    return found.assign(change=found["perplexity"] / found["wanda"] - 1)
