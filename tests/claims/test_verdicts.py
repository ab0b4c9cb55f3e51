"""The rules of the verdicts."""

import math

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.verdicts import Count, Verdict
from stade_nb.errors import StadeError


def test_as_many_open_as_supported_comparisons_leave_a_claim_open():
    assert Count(2, 2, 0).word == "open"
    assert Count(3, 2, 0).word == "supported"


def test_difference_is_the_paired_t_interval():
    found = claims.verdicts.difference([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 4.0, 4.5])
    # Gaps -0.5, 0, -1, -0.5: mean -0.5, standard error 0.2041; t(3) at 97.5 % is 3.1824.
    assert found.mean == -0.5
    assert found.low == pytest.approx(-0.5 - 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    assert found.high == pytest.approx(-0.5 + 3.182446 * math.sqrt(1 / 24), abs=1e-6)
    with pytest.raises(StadeError, match="at least 2"):
        claims.verdicts.difference([1.0], [2.0])
    with pytest.raises(StadeError, match="2 evaluation windows against 1"):
        claims.verdicts.difference([1.0, 2.0], [1.0])


COLUMNS = ["model", "method", "pattern", "seed", "losses"]


@pytest.mark.parametrize(
    ("low", "high", "lower", "comparable"),
    [
        (-0.5, -0.1, claims.verdicts.SUPPORTED, claims.verdicts.CONTRADICTED),
        (0.1, 0.5, claims.verdicts.CONTRADICTED, claims.verdicts.CONTRADICTED),
        (-0.002, 0.004, claims.verdicts.OPEN, claims.verdicts.SUPPORTED),
        (-0.009, -0.001, claims.verdicts.SUPPORTED, claims.verdicts.SUPPORTED),
        (-0.5, 0.5, claims.verdicts.OPEN, claims.verdicts.OPEN),
        (0, 0, claims.verdicts.OPEN, claims.verdicts.SUPPORTED),
    ],
)
def test_verdicts_follow_from_the_interval(low, high, lower, comparable):
    found = claims.verdicts.Difference((low + high) / 2, low, high)
    assert claims.verdicts.verdict(found) == lower
    assert claims.verdicts.verdict(found, comparable=True) == comparable


def test_a_count_is_written_with_its_effects():
    assert str(Count(22, 2, 0, -0.069, -0.003)) == (
        "supported 22, open 2, contradicted 0 of 24 (−6.9 to −0.3 %)"
    )
    assert str(Count(0, 1, 0, 0.1, 0.1, "points")).endswith("of 1 (+10.0 points)")
    assert str(Count(14, 0, 0, 2.43, 370.7, "times")).endswith("(2.43 to 371 times)")
    assert str(Count(16_000, 0, 0, note="2 of 2 steps")) == (
        "supported 16,000, open 0, contradicted 0 of 16,000; 2 of 2 steps"
    )
    assert str(Count(0, 0, 0, note="no such cells")) == "no such cells"


def test_comparisons_that_do_not_count_are_a_note():
    rows = pandas.DataFrame(
        {
            "verdict": ["supported", "open", "contradicted"],
            "change": [-0.1, 0.0, 0.3],
            "counts": [True, True, False],
        }
    )
    found = claims.verdicts.counted(rows, "at 90 %")
    assert found[:5] == (1, 1, 0, -0.1, 0.0)
    assert found.note == "not counted, at 90 %: supported 0, open 0, contradicted 1 of 1 (+30.0 %)"
    assert claims.verdicts.counted(rows.drop(columns="counts"))[:3] == (1, 1, 1)


def test_printed_numbers_are_compared_as_they_stand():
    side = claims.verdicts.side
    assert [side(gap) for gap in (-0.1, 0.0, 0.1)] == ["supported", "open", "contradicted"]
    assert side(0.0099, comparable=True) == "supported"
    assert side(-0.0101, comparable=True) == "contradicted"


@given(st.integers(2, 40), st.floats(0.5, 0.999), st.integers(0, 10**6))
def test_the_interval_is_the_textbooks(count, confidence, seed):
    ours, other = np.random.default_rng(seed).normal(size=(2, count))
    found = claims.verdicts.difference(list(ours), list(other), confidence)
    gaps = ours - other
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * gaps.std(ddof=1) / math.sqrt(count)
    expected = (gaps.mean(), gaps.mean() - half, gaps.mean() + half)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


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
    assert list(judged["verdict"]) == [claims.verdicts.SUPPORTED, claims.verdicts.CONTRADICTED]
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
    above = next(name for name in ran["method"].unique() if name != "stade")
    claim = paper.Claim("best-without-update", "stade", above, ("2:4",), comparable)
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
    assert (row.verdict, row.seeds) == (claims.verdicts.SUPPORTED, "3 of 3")


def test_one_seed_against_the_others_leaves_it_undecided():
    steady = [0.001 * (-1) ** i for i in range(20)]
    wanda = rows("wanda", *[[2.0] * 20] * 3)
    against = judged_once(rows("stade", *[[g + s for s in steady] for g in (1, 1.5, 2.1)]), wanda)
    assert against.high < 0 and against.seeds == "2 of 3"
    assert against.verdict == claims.verdicts.OPEN
    agree = judged_once(rows("stade", *[[g + s for s in steady] for g in (1, 1.5, 1.9)]), wanda)
    assert agree.verdict == claims.verdicts.SUPPORTED
    # Comparable on the average, but not with each seed.
    shifts = (1.995, 2.0, 2.02)
    near = rows("stade", *[[shift + s for s in steady] for shift in shifts])
    row = judged_once(near, wanda, comparable=True)
    assert (row.verdict, row.seeds) == (claims.verdicts.OPEN, "2 of 3")
    row = judged_once(rows("stade", *[[2.0] * 20] * 3), wanda, comparable=True)
    assert (row.verdict, row.seeds) == (claims.verdicts.SUPPORTED, "3 of 3")
    assert judged_once(near[:2], wanda[:2], comparable=True).verdict == claims.verdicts.SUPPORTED


def test_a_method_without_calibration_meets_each_seed_of_the_other():
    stade = rows("stade", [1.0, 2.0, 3.1], [1.1, 2.1, 3.0], [2.6, 3.6, 4.6])
    row = judged_once(stade, rows("magnitude", [1.5, 2.5, 3.5]))
    assert row.seeds == "1 of 3"  # lower with two seeds, higher on the average
    both = judged_once(stade, rows("wanda", *[[1.5, 2.5, 3.5]] * 3))
    assert both[4:] == row[4:]


def test_methods_with_calibration_are_compared_on_the_seeds_that_both_ran():
    ours, other = [[1.0, 2.0, 3.1], [1.1, 2.1, 3.0], [9.0, 9.1, 9.2]], [[1.5, 2.5, 3.5]] * 2
    row = judged_once(rows("stade", *ours), rows("wanda", *other))
    assert row == judged_once(rows("stade", *ours[:2]), rows("wanda", *other))
    assert judged_once(rows("stade", *ours), rows("wanda", other[0])).seeds == "1 of 1"
    apart = rows("stade", *ours)[1:], rows("wanda", other[0])
    with pytest.raises(ValueError, match="not enough values"):  # nothing is left to compare
        judged_once(*apart)


def test_a_verdict_says_what_is_judged_by_what_and_how_it_counts():
    verdict = Verdict("bias-optimum", "theory", "each step", Count(3, 0, 0))
    assert str(verdict) == (
        "supported: the best bias after removing W_j is B + μ_j W_j (bias-optimum, by theory): "
        "supported 3, open 0, contradicted 0 of 3"
    )
    ours = Verdict("opt-alike", "runs", "each", Count(0, 0, 0), text="ours")
    assert str(ours) == "not run here: ours (opt-alike, by runs)"
    assert ours._replace(by="print").word == "not printed"
    with pytest.raises(StadeError, match="unknown claim"):
        str(Verdict("mine", "runs", "", Count(1, 0, 0)))


def test_verdicts_of_records_are_those_of_runs_and_name_their_models():
    ours = Verdict("opt-alike", "runs", "each", Count(2, 0, 0), "smollm2-135m", "ours")
    (found,) = claims.verdicts.of_records([ours])
    assert found == ours._replace(by="records") and found.said == "supported on smollm2-135m"
    assert str(found).startswith("supported: ours (opt-alike, by records on smollm2-135m): ")
    (none,) = claims.verdicts.of_records([ours._replace(count=Count(0, 0, 0), where="")])
    assert none.said == "no records"


def test_a_claim_that_is_read_in_another_way_says_so():
    made = paper.TEXT_CLAIMS[3]
    none = claims.verdicts.judge(pandas.DataFrame(columns=COLUMNS), made)
    said = {verdict.id: verdict.claim for verdict in claims.perplexity.decide(made, none)}
    assert said["opt-alike"].endswith("(the paper: the OPT family)")
    assert "this book's extension" in said["more-general"]
    assert said["two-metrics-help"] == paper.claim_text("two-metrics-help")
