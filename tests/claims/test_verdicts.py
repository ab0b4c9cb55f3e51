"""The rules of the verdicts."""

import math

import pandas
import pytest

from stade_nb import claims
from stade_nb.claims import paper
from stade_nb.errors import StadeError


def test_verdicts_on_the_printed_numbers():
    against_wanda = [paper.TEXT_CLAIMS[3][0]]
    assert claims.verdicts.printed(3, against_wanda) == (
        claims.verdicts.FAILS,
        "lower in 10, equal in 2, higher in 9 of 21",
    )
    equal, better = paper.TEXT_CLAIMS[5]
    assert claims.verdicts.printed(5, [equal])[0] == claims.verdicts.HOLDS
    assert claims.verdicts.printed(5, [better]) == (
        claims.verdicts.HOLDS,
        "lower in 8, equal in 0, higher in 0 of 8",
    )


def test_difference_is_the_paired_t_interval():
    found = claims.verdicts.difference([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 4.0, 4.5])
    # Gaps -0.5, 0, -1, -0.5: mean -0.5, standard error 0.2041; t(3) at 97.5 % is 3.1824.
    assert found.mean == -0.5
    assert found.low == pytest.approx(-0.5 - 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    assert found.high == pytest.approx(-0.5 + 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    with pytest.raises(StadeError, match="at least 2"):
        claims.verdicts.difference([1.0], [2.0])
    with pytest.raises(ValueError, match="argument"):
        claims.verdicts.difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("low", "high", "lower", "comparable"),
    [
        (-0.5, -0.1, claims.verdicts.HOLDS, claims.verdicts.FAILS),
        (0.1, 0.5, claims.verdicts.FAILS, claims.verdicts.FAILS),
        (-0.002, 0.004, claims.verdicts.UNDECIDED, claims.verdicts.HOLDS),
        (-0.009, -0.001, claims.verdicts.HOLDS, claims.verdicts.HOLDS),
        (-0.5, 0.5, claims.verdicts.UNDECIDED, claims.verdicts.UNDECIDED),
        (0, 0, claims.verdicts.UNDECIDED, claims.verdicts.HOLDS),
    ],
)
def test_verdicts_follow_from_the_interval(low, high, lower, comparable):
    found = claims.verdicts.Difference((low + high) / 2, low, high)
    assert claims.verdicts.verdict(found) == lower
    assert claims.verdicts.verdict(found, comparable=True) == comparable


def test_overall_is_as_strong_as_its_weakest_part():
    assert (
        claims.verdicts.overall([claims.verdicts.HOLDS, claims.verdicts.HOLDS])
        == claims.verdicts.HOLDS
    )
    assert (
        claims.verdicts.overall([claims.verdicts.HOLDS, claims.verdicts.UNDECIDED])
        == claims.verdicts.UNDECIDED
    )
    assert (
        claims.verdicts.overall(
            [claims.verdicts.UNDECIDED, claims.verdicts.FAILS, claims.verdicts.HOLDS]
        )
        == claims.verdicts.FAILS
    )
    assert claims.verdicts.overall([]) == claims.verdicts.NOT_RUN


def test_a_claim_on_the_whole_needs_a_majority_and_none_against():
    holds, fails, open_ = claims.verdicts.HOLDS, claims.verdicts.FAILS, claims.verdicts.UNDECIDED
    for words, expected in (
        ([holds, holds, open_], holds),
        ([holds, open_], open_),  # half is no majority
        ([holds, holds, fails], open_),
        ([holds, fails], fails),
        ([fails, open_, open_], fails),
        ([open_], open_),
        ([], claims.verdicts.NOT_RUN),
    ):
        assert claims.verdicts.overall(words, majority=True) == expected
    # Table 3, STADE against Wanda: lower in 10, equal in 2, higher in 9.
    general = [claim for claim in paper.TEXT_CLAIMS[3] if claim.majority]
    assert claims.verdicts.printed(3, general)[0] == "undecided"


def test_printed_verdicts_of_what_is_not_printed_and_of_table_6():
    opt = [claim for claim in paper.TEXT_CLAIMS[3] if claim.family == "opt"]
    assert claims.verdicts.printed(3, opt) == (claims.verdicts.NOT_PRINTED, "no such cells")
    two = [claim for claim in paper.TEXT_CLAIMS[3] if claim.id == "two-metrics-help"]
    assert claims.verdicts.printed(3, two) == (
        claims.verdicts.NOT_PRINTED,
        "no STD metric on all layers; against Wanda lower in 10, equal in 2, higher in 9 of 21",
    )
    best = [claim for claim in paper.TEXT_CLAIMS[6] if claim.id == "sparsegpt-best"]
    assert claims.verdicts.printed(6, best) == (
        claims.verdicts.HOLDS,
        "lower in 30, equal in 0, higher in 0 of 30",
    )


def test_a_claim_about_a_family_is_judged_on_its_models(ran):
    ran.loc[ran["model"] == "two", "family"] = "opt"
    opt = [claim for claim in paper.TEXT_CLAIMS[3] if claim.id == "opt-alike"]
    judged = claims.verdicts.judge(ran, opt)
    assert set(judged["model"]) == {"two"}
    assert len(judged) == 4  # two rivals, two patterns
    assert claims.verdicts.judge(ran.assign(family="llama"), opt).empty


def test_judge_compares_only_what_ran_and_shares_the_confidence():
    steady = [0.01 * (-1) ** i for i in range(40)]
    ran = pandas.DataFrame(
        [
            ("a", "stade", "2:4", 0, [2.0 + s for s in steady]),
            ("a", "wanda", "2:4", 0, [2.1 + 2 * s for s in steady]),
            ("a", "stade", "0.5", 0, [1.0] * 40),
            ("b", "stade", "2:4", 0, [3.0] * 40),
            ("b", "wanda", "2:4", 0, [2.5 + s for s in steady]),
        ],
        columns=["model", "method", "pattern", "seed", "losses"],
    )
    claim = paper.Claim("best-without-update", "stade", "wanda", ("0.5", "2:4"))
    judged = claims.verdicts.judge(ran, [claim]).set_index("model")
    assert list(judged.index) == ["a", "b"]
    assert list(judged["verdict"]) == [claims.verdicts.HOLDS, claims.verdicts.FAILS]
    assert judged.loc["a", "change"] == pytest.approx(math.expm1(-0.1))
    # Two comparisons share 95 %: each interval has 97.5 %.
    expected = claims.verdicts.difference(
        [2.0 + s for s in steady], [2.1 + 2 * s for s in steady], 0.975
    )
    assert judged.loc["a", "low"] == math.expm1(expected.low)
    assert claims.verdicts.judge(ran, [claim._replace(patterns=("4:8",))]).empty


def rows(method: str, *by_seed: list[float]) -> list[tuple]:
    return [("a", method, "2:4", seed, losses) for seed, losses in enumerate(by_seed)]


def judged_once(*found: list[tuple], comparable: bool = False):
    columns = ["model", "method", "pattern", "seed", "losses"]
    ran = pandas.DataFrame([row for each in found for row in each], columns=columns)
    claim = paper.Claim("best-without-update", "stade", "wanda", ("2:4",), comparable)
    (row,) = claims.verdicts.judge(ran, [claim]).itertuples()
    return row


def test_losses_are_averaged_over_the_seeds_window_by_window():
    row = judged_once(
        rows("stade", [1.0, 2.0, 3.0], [1.2, 2.2, 3.2], [0.8, 1.8, 3.1]),
        rows("wanda", [1.5, 2.6, 3.5], [1.6, 2.7, 3.6], [1.4, 2.5, 3.7]),
    )
    ours = [(1.0 + 1.2 + 0.8) / 3, 2.0, (3.0 + 3.2 + 3.1) / 3]
    found = claims.verdicts.difference(ours, [1.5, 2.6, 3.6])
    assert (row.change, row.low) == pytest.approx((math.expm1(found.mean), math.expm1(found.low)))
    assert (row.verdict, row.seeds) == (claims.verdicts.HOLDS, "3 of 3")


def test_one_seed_against_the_others_leaves_it_undecided():
    steady = [0.001 * (-1) ** i for i in range(20)]
    wanda = rows("wanda", *[[2.0] * 20] * 3)
    against = judged_once(rows("stade", *[[g + s for s in steady] for g in (1, 1.5, 2.1)]), wanda)
    assert against.high < 0 and against.seeds == "2 of 3"
    assert against.verdict == claims.verdicts.UNDECIDED
    agree = judged_once(rows("stade", *[[g + s for s in steady] for g in (1, 1.5, 1.9)]), wanda)
    assert agree.verdict == claims.verdicts.HOLDS
    # Comparable on the average, but not with each seed.
    shifts = (1.995, 2.0, 2.02)
    near = rows("stade", *[[shift + s for s in steady] for shift in shifts])
    row = judged_once(near, wanda, comparable=True)
    assert (row.verdict, row.seeds) == (claims.verdicts.UNDECIDED, "2 of 3")
    row = judged_once(rows("stade", *[[2.0] * 20] * 3), wanda, comparable=True)
    assert (row.verdict, row.seeds) == (claims.verdicts.HOLDS, "3 of 3")
    assert judged_once(near[:2], wanda[:2], comparable=True).verdict == claims.verdicts.HOLDS


def test_a_method_without_calibration_meets_each_seed_of_the_other():
    stade = rows("stade", [1.0, 2.0, 3.1], [1.1, 2.1, 3.0], [2.6, 3.6, 4.6])
    row = judged_once(stade, rows("wanda", [1.5, 2.5, 3.5]))
    assert row.seeds == "1 of 3"  # lower with two seeds, higher on the average
    both = judged_once(stade, rows("wanda", *[[1.5, 2.5, 3.5]] * 3))
    assert both == row
    with pytest.raises(StadeError, match=r"seeds \[0, 1, 2\] against \[0, 1\]: expected the same"):
        judged_once(stade, rows("wanda", [1.5, 2.5, 3.5], [1.5, 2.5, 3.5]))


def test_summary_puts_the_printed_and_our_verdict_side_by_side():
    judged = pandas.DataFrame(
        {
            "id": ["nm-bias-better"] * 2,
            "verdict": [claims.verdicts.HOLDS, claims.verdicts.UNDECIDED],
        }
    )
    equal, better = claims.verdicts.summary(5, paper.TEXT_CLAIMS[5], judged).to_dict("records")
    assert equal["verdict here"] == equal["comparisons here"] == "not run here"
    assert better["verdict here"] == claims.verdicts.UNDECIDED
    assert better["comparisons here"] == "holds in 1, undecided in 1 of 2"
    assert better["by the paper's own numbers"].startswith("holds: lower in 8")
    assert better["claim"] == "N:M: with bias consistently better"


def test_a_verdict_is_stated_with_its_claim():
    line = claims.verdicts.stated("bias-optimum", claims.verdicts.HOLDS)
    assert line == "holds: the best bias after removing W_j is B + μ_j W_j (bias-optimum)"
    assert (
        claims.verdicts.stated("opt-alike", claims.verdicts.FAILS, "ours")
        == "does not hold: ours (opt-alike)"
    )


def test_a_claim_that_is_read_in_another_way_says_so():
    judged = pandas.DataFrame({"id": [], "verdict": []})
    said = claims.verdicts.summary(3, paper.TEXT_CLAIMS[3], judged).set_index("id")["claim"]
    assert said["opt-alike"].endswith("(the paper: the OPT family)")
    assert "this book's extension" in said["more-general"]
    assert said["two-metrics-help"] == paper.claim_text("two-metrics-help")
