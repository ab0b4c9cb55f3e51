"""The printed tables and the verdict rules."""

import math

import pandas
import pytest

from stade_nb import paper
from stade_nb.errors import StadeError

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
    assert len(known) == 26
    for claims in paper.TEXT_CLAIMS.values():
        assert {claim.id for claim in claims} <= known


def test_printed_counts_and_verdicts():
    # STADE against Wanda in Table 3: 10 better, 2 equal, 9 worse.
    counts = [paper.printed_counts(3, "stade", "wanda", p) for p in PATTERNS]
    assert tuple(map(sum, zip(*counts, strict=True))) == (10, 2, 9)
    against_wanda = [paper.TEXT_CLAIMS[3][0]]
    assert paper.printed_verdict(3, against_wanda) == (
        paper.FAILS,
        "lower in 10, equal in 2, higher in 9 of 21",
    )
    equal, better = paper.TEXT_CLAIMS[5]
    assert paper.printed_verdict(5, [equal])[0] == paper.HOLDS
    assert paper.printed_verdict(5, [better]) == (
        paper.HOLDS,
        "lower in 8, equal in 0, higher in 0 of 8",
    )


def test_printed_orders_follow_the_majority():
    orders = paper.printed_orders(3, ["dense", "magnitude", "wanda", "stade"], PATTERNS)
    found = {(c.patterns[0], c.below, c.above) for c in orders}
    assert ("2:4", "stade", "wanda") in found  # 4 of 7 models
    assert ("4:8", "wanda", "stade") in found  # 4 of 7 models
    assert len(found) == 9
    # At 50 % Table 5 has two models for STADE, two for Wanda: there is no order to test.
    fifth = paper.printed_orders(5, ["wanda", "stade"], PATTERNS)
    assert {c.patterns[0] for c in fifth} == {"2:4", "4:8"}


def test_difference_is_the_paired_t_interval():
    found = paper.difference([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 4.0, 4.5])
    # Gaps -0.5, 0, -1, -0.5: mean -0.5, standard error 0.2041; t(3) at 97.5 % is 3.1824.
    assert found.mean == -0.5
    assert found.low == pytest.approx(-0.5 - 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    assert found.high == pytest.approx(-0.5 + 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    with pytest.raises(StadeError, match="at least 2"):
        paper.difference([1.0], [2.0])
    with pytest.raises(ValueError, match="argument"):
        paper.difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("low", "high", "lower", "comparable"),
    [
        (-0.5, -0.1, paper.HOLDS, paper.FAILS),
        (0.1, 0.5, paper.FAILS, paper.FAILS),
        (-0.002, 0.004, paper.UNDECIDED, paper.HOLDS),
        (-0.009, -0.001, paper.HOLDS, paper.HOLDS),
        (-0.5, 0.5, paper.UNDECIDED, paper.UNDECIDED),
        (0, 0, paper.UNDECIDED, paper.HOLDS),
    ],
)
def test_verdicts_follow_from_the_interval(low, high, lower, comparable):
    found = paper.Difference((low + high) / 2, low, high)
    assert paper.verdict(found) == lower
    assert paper.verdict(found, comparable=True) == comparable


def test_overall_is_as_strong_as_its_weakest_part():
    assert paper.overall([paper.HOLDS, paper.HOLDS]) == paper.HOLDS
    assert paper.overall([paper.HOLDS, paper.UNDECIDED]) == paper.UNDECIDED
    assert paper.overall([paper.UNDECIDED, paper.FAILS, paper.HOLDS]) == paper.FAILS
    with pytest.raises(StadeError, match="no comparison"):
        paper.overall([])


def test_judge_compares_only_what_ran_and_shares_the_confidence():
    steady = [0.01 * (-1) ** i for i in range(40)]
    ran = pandas.DataFrame(
        [
            ("a", "stade", "2:4", [2.0 + s for s in steady]),
            ("a", "wanda", "2:4", [2.1 + 2 * s for s in steady]),
            ("a", "stade", "0.5", [1.0] * 40),
            ("b", "stade", "2:4", [3.0] * 40),
            ("b", "wanda", "2:4", [2.5 + s for s in steady]),
        ],
        columns=["model", "method", "pattern", "losses"],
    )
    claim = paper.Claim("best-without-update", "stade", "wanda", ("0.5", "2:4"))
    judged = paper.judge(ran, [claim]).set_index("model")
    assert list(judged.index) == ["a", "b"]
    assert list(judged["verdict"]) == [paper.HOLDS, paper.FAILS]
    assert judged.loc["a", "change"] == pytest.approx(math.expm1(-0.1))
    # Two comparisons share 95 %: each interval has 97.5 %.
    expected = paper.difference([2.0 + s for s in steady], [2.1 + 2 * s for s in steady], 0.975)
    assert judged.loc["a", "low"] == math.expm1(expected.low)
    assert paper.judge(ran, [claim._replace(patterns=("4:8",))]).empty
