"""The claims that theory or the paper's own tables decide, each by a rule fixed here in words.

The words of the verdicts are those of `verdicts`. A claim that is said of every case does not hold
where one case is against it; a printed tie is neither for nor against. What only an experiment on
models can decide is judged on the pages of the experiments.
"""

import pandas
import torch

from stade_nb.claims import paper, printed, theory


def table(generator: torch.Generator) -> pandas.DataFrame:
    """Every claim that theory or the printed tables decide, in the order of the list of claims.

    generator: for the random layers of the theory. Columns: id, where, claim, by, rule, count,
    verdict.
    """
    rows = pandas.DataFrame([*theory.decide(generator), *printed.decide()])
    listed = paper.claims()[["id", "where", "claim"]]
    return listed.merge(rows, on="id", how="inner", validate="one_to_one")
