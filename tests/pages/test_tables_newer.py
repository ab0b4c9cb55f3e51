"""What others printed: each row says of what and from where, and is held against the paper."""

import pandas
import pytest

from stade_book.claims import paper
from stade_book.pages.tables import newer
from stade_nb.beyond.methods import BEYOND
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS


def test_every_row_says_of_what_and_from_where():
    found = newer.printed()
    known = {*METHODS, *BEYOND, "owl"}  # an allocation, with any method
    assert set(found["method"]) <= known and found[["model", "source"]].notna().all().all()
    assert all(parse_pattern(pattern) for pattern in found["pattern"])
    assert (found["change"].notna() != found["below_wanda"].notna()).all()
    pruned = found[found["perplexity"].notna() & found["dense"].notna()]
    assert (pruned["perplexity"] > pruned["dense"]).all()
    assert not found.duplicated(["method", "model", "pattern"]).any()


def test_where_the_paper_prints_a_cell_too_both_are_known():
    """The unpruned models are the same with windows of 2,048; Wanda's on Llama 3 is not."""
    found = newer.printed().query("window == 2048 and model != 'Llama-3-70B'")
    table = paper.table(3)
    table = table.assign(model=table["model"].str.lower()).set_index(["model", "method", "pattern"])
    names = {"LLaMA-7B": "llama-7b", "Llama-3-8B": "llama-3-8b"}
    for row in found.itertuples():
        cells = table.loc[names[row.model]]["perplexity"]
        assert cells[paper.DENSE, paper.DENSE] == row.dense
        same = abs(cells["wanda", row.pattern] - row.wanda) < 0.011  # by rounding
        assert bool(same) == (row.model == "LLaMA-7B")


def test_a_change_is_a_share_of_wandas():
    found = newer.printed().set_index(["method", "model", "pattern"])["change"]
    assert found["ria", "Llama-3-8B", "0.5"] == pytest.approx(9.34 / 10.82 - 1)
    assert pandas.isna(found["dsnot", "LLaMA-7B", "0.7"])


def test_what_others_print_stands_beside_a_row_and_nothing_where_nothing_is_known():
    rows = [("nowag", "2:4"), ("dsnot", "0.7"), ("rose", "0.5")]
    assert newer.beside(pandas.DataFrame(rows, columns=["below", "pattern"])) == [
        "−1.0 % on Llama-2-13B, +7.0 % on Llama-3-8B", "perplexity lower by 26.79 on LLaMA-7B", "",
    ]  # fmt: skip
