"""What others printed: each row says of what and from where, and is held against the paper."""

import pandas
import pytest

from stade_book.claims import paper
from stade_book.pages import parameters
from stade_book.pages.tables import newer, perplexity, studies
from stade_nb.beyond.methods import BEYOND
from stade_nb.engine.cell import DENSE
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS
from workflow.profiles import NOTEBOOKS, defaults


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


def test_every_method_has_its_score_and_says_what_it_reads():
    found = newer.formulas().set_index("method")
    assert found.index.is_unique and found["score"].ne("").all()
    assert found["reads"]["NoWag-P"] == "mean and variance of each input"
    pairs = "products of all pairs of inputs"
    assert found["reads"]["ROSE"] == found["reads"]["SparseGPT"] == pairs
    assert found["score"]["ROSE"] == found["score"]["SparseGPT"] != found["score"]["Wanda"]
    assert found["updates"].sum() == 2
    greedy, corrected = (
        found["score"][f"Greedy with covariances{more}"] for more in ("", " + bias correction")
    )
    assert greedy.replace("G", r"\Sigma") == corrected


def test_the_records_of_newer_methods_are_compared_on_the_first_seed():
    real = studies.most(studies.real(["smollm2-135m"]))
    found = newer.against_wanda(real)
    assert {*newer.PUBLISHED, "sparsegpt", "greedy"} <= set(found["method"]) <= set(newer.NEWER)
    said = newer.each(found)
    assert said.startswith("RIA 0 of ") and "SparseGPT" not in said and "ROSE 2 of 2" in said
    assert newer.each(found.iloc[:0]) == "not run here"


def test_the_metrics_that_ignore_covariances_are_run_beside_the_greedy_masks(monkeypatch):
    given = defaults(NOTEBOOKS / "newer_methods.ipynb")
    given |= {"models": ["llama-230k"], "patterns": ["2:4"], "methods": ["greedy", "ria"]}
    asked = []
    monkeypatch.setattr(perplexity, "run", lambda p, cells: asked.extend(cells))
    newer.run(parameters.checked(given, "newer_methods"))
    assert [cell.method.name for cell in asked[1:]] == ["wanda", "std", "greedy", "ria"]
    assert asked[0] == DENSE
