"""Intervals and tests of accuracies against sums over the binomial distribution."""

from math import comb

import pytest

from stade_nb import claims


def tail(correct: int, questions: int, chance: float) -> float:
    """P(at least `correct` right)."""
    return sum(
        comb(questions, k) * chance**k * (1 - chance) ** (questions - k)
        for k in range(correct, questions + 1)
    )


@pytest.mark.parametrize(("correct", "questions"), [(180, 300), (90, 300), (7, 9)])
def test_the_interval_leaves_out_what_is_too_improbable(correct, questions):
    low, high = claims.accuracy.interval(correct, questions)
    assert tail(correct, questions, low) == pytest.approx(0.025, rel=1e-6)
    assert tail(correct + 1, questions, high) == pytest.approx(0.975, rel=1e-6)


def test_the_interval_ends_at_nothing_and_all():
    assert claims.accuracy.interval(0, 20)[0] == 0
    assert claims.accuracy.interval(20, 20)[1] == 1


def test_above_chance_is_a_one_sided_binomial_test():
    assert claims.accuracy.p_value(90, 300, 0.25) == pytest.approx(tail(90, 300, 0.25), rel=1e-9)
    assert claims.accuracy.above_chance(90, 300, 0.25)
    assert not claims.accuracy.above_chance(90, 300, 0.25, tasks=7)
    assert not claims.accuracy.above_chance(30, 300, 0.25)
