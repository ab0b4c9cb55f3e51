"""The paper's printed tables and the claims about them."""

import pytest

from stade_book.claims import paper
from stade_nb.errors import StadeError
from stade_nb.models import PAPERS_MODELS, papers_model
from workflow import profiles

PATTERNS = ["0.5", "2:4", "4:8"]


def test_tables_hold_what_the_paper_prints():
    third = paper.table(3).set_index(["model", "method", "pattern"])["perplexity"]
    assert third["llama-7b", "dense", "dense"] == 5.68
    assert third["llama-7b", "magnitude", "0.5"] == 17.29
    assert third["llama-3.2-1b", "stade", "2:4"] == 78.49
    assert len(third) == 7 * (1 + 3 * 3)
    fifth = paper.table(5).set_index(["model", "method", "pattern"])["perplexity"]
    assert fifth["llama-3.2-1b", "stade_without_bias", "2:4"] == 82.87
    assert {len(paper.table(n)) for n in (2, 4, 6)} == {126, 90, 38}
    assert not any(paper.table(n).isna().any(axis=None) for n in range(2, 7))


def test_tables_share_the_cells_that_they_share():
    keys = ["model", "method", "pattern"]
    third = paper.table(3).set_index(keys)["perplexity"]
    for number in (5, 6):
        other = paper.table(number).set_index(keys)["perplexity"]
        shared = third.index.intersection(other.index)
        assert len(shared) >= 14 and (third[shared] == other[shared]).all()


def test_unknown_table_and_claim_are_named():
    with pytest.raises(StadeError, match="unknown table 7"):
        paper.table(7)
    with pytest.raises(StadeError, match="did you mean 'nm-bias-better'"):
        paper.claim_text("nm-bias-beter")
    assert paper.claim_text("nm-bias-better") == "N:M: with bias consistently better"


def test_every_text_claim_is_in_the_list_of_claims():
    known = set(paper.claims()["id"])
    for claims in paper.TEXT_CLAIMS.values():
        assert {claim.id for claim in claims} <= known


def test_printed_counts():
    # STADE against Wanda in Table 3: 10 better, 2 equal, 9 worse.
    counts = [paper.printed_counts(3, "stade", "wanda", p) for p in PATTERNS]
    assert tuple(map(sum, zip(*counts, strict=True))) == (10, 2, 9)


def test_printed_orders_follow_the_majority():
    orders = paper.printed_orders(3, ["dense", "magnitude", "wanda", "stade"], PATTERNS)
    found = {(c.patterns[0], c.below, c.above) for c in orders}
    assert ("2:4", "stade", "wanda") in found  # 4 of 7 models
    assert ("4:8", "wanda", "stade") in found  # 4 of 7 models
    assert len(found) == 9
    # A pair of methods is one family, in either order, and the same one where wins are counted.
    assert len({claim.id for claim in orders}) == 3
    tallied = paper.against_others(3, "stade", ["wanda", "magnitude"], PATTERNS)
    assert {claim.id for claim in tallied} < {claim.id for claim in orders}
    # At 50 % Table 5 has two models for STADE, two for Wanda: there is no order to test.
    fifth = paper.printed_orders(5, ["wanda", "stade"], PATTERNS)
    assert {c.patterns[0] for c in fifth} == {"2:4", "4:8"}


def test_every_printed_model_is_known_and_every_model_of_the_profile_is_the_papers():
    printed = {model for number in range(3, 7) for model in paper.table(number)["model"]}
    assert printed == set(PAPERS_MODELS)
    for notebook, number in (("table5_without_bias", 5), ("table6_weight_update", 6)):
        asked = profiles.load("paper")[notebook]["parameters"]["models"]
        assert [papers_model(each) for each in asked] == list(paper.table(number)["model"].unique())
    third = profiles.load("paper")["table3_perplexity"]["parameters"]["models"]
    assert set(map(papers_model, third)) == set(PAPERS_MODELS)


def test_gaps_of_a_family_and_of_what_is_not_printed():
    assert len(paper.printed_gaps(3, "stade", "wanda", "2:4", "llama-3.2")) == 2
    assert paper.printed_gaps(3, "stade", "wanda", "2:4", "opt") == []
    assert paper.printed_gaps(3, "stade", "std", "2:4") == []
    assert paper.printed_gaps(3, "stade", "wanda", "0.7") == []
