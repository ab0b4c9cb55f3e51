"""Table 2 prints 2105 for STD on v_proj at 90 % and 32 for Wanda: is it STD without its bias?

An explanation that can be tested: the runs behind that row pruned by STD's score and added no
correction. It makes two predictions about any model, at the highest sparsity: without the
correction STD is worse than Wanda, and with it STD is better than Wanda. The explanation holds
where both are so, by the rules of `verdicts`.
"""

from collections.abc import Sequence

import pandas

from stade_book import claims
from stade_book.claims.paper import Claim
from stade_nb.engine.cell import Cell

LAYER = "self_attn.v_proj"
METHODS = ("wanda", "std", "std_without_correction", "wanda_with_bias")
ID = "v-proj-without-correction"
TEXT = "on v_proj STD is worse than Wanda only uncorrected"


def cells(sparsities: Sequence[str], seeds: Sequence[int] = (0,)) -> list[Cell]:
    """v_proj alone pruned by each of `METHODS` at each of `sparsities` ("0.9") and `seeds`."""
    return [
        Cell(method, sparsity, layers=LAYER, seed=seed)
        for sparsity in sparsities
        for method in METHODS
        for seed in seeds
    ]


def predictions(sparsities: Sequence[str]) -> tuple[Claim, Claim]:
    """The two predictions of the explanation, at the highest of `sparsities`."""
    highest = (max(sparsities, key=float),)
    return (
        Claim(ID, "wanda", "std_without_correction", highest, reading=TEXT),
        Claim(ID, "std", "wanda", highest, reading=TEXT),
    )


def printed() -> pandas.DataFrame:
    """Table 2's rows of v_proj in the layout of a run: model, method, pattern, relative."""
    rows = claims.printed.layers().query("layer == @LAYER", local_dict={"LAYER": LAYER})
    dense = claims.printed.dense(3)["llama-7b"]
    long = rows.melt("sparsity", ["wanda", "std"], "method", "perplexity")
    return long.assign(
        model="llama-7b",
        pattern=[f"{s:g}" for s in long["sparsity"]],
        relative=long["perplexity"] / dense,
    )
