"""Intervals and tests of accuracies, and comparisons of answers: by hand, bootstrap, simulation."""

import math
from itertools import product
from math import comb

import numpy as np
import pandas
import pytest

from stade_book import claims
from stade_book.claims.accuracy import above, difference, follows, mcnemar, verdict
from stade_book.claims.pairing import matched
from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED, Difference
from stade_nb.errors import StadeError


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


def answers(generator, accuracies, counts):
    return {
        f"task{n}": (generator.random(count) < accuracy).astype(int).tolist()
        for n, (accuracy, count) in enumerate(zip(accuracies, counts, strict=True))
    }


def test_mcnemar_counts_all_coin_tosses():
    ours, other = [1, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 1, 1, 0]
    found = mcnemar(ours, other)
    # 4 to 1: as far from even, or farther, are 0, 1, 4 and 5 heads of 5.
    tosses = [sum(toss) for toss in product((0, 1), repeat=5)]
    assert found[:2] == (4, 1)
    assert found.p == pytest.approx(sum(heads in (0, 1, 4, 5) for heads in tosses) / 32)
    assert mcnemar(ours, ours) == (0, 0, 1.0)
    assert mcnemar(other, ours)[:2] == (1, 4)


def test_difference_is_that_of_the_bootstrap_within_tasks():
    generator = np.random.default_rng(0)
    counts = [300, 80, 500]
    ours = answers(generator, [0.6, 0.5, 0.3], counts)
    flip = answers(generator, [0.2] * 3, counts)
    other = {
        task: [a if keep else 1 - a for a, keep in zip(ours[task], flip[task], strict=True)]
        for task in ours
    }
    found = difference(ours, other)
    gaps = [np.array(ours[task]) - np.array(other[task]) for task in ours]
    draws = sum(generator.choice(gap, (8000, len(gap))).mean(axis=1) for gap in gaps) / len(gaps)
    assert found.mean == pytest.approx(np.mean([gap.mean() for gap in gaps]))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.003)
    assert found.high == pytest.approx(high, abs=0.003)
    assert difference(other, ours) == pytest.approx((-found.mean, -found.high, -found.low))
    wider = difference(ours, other, 0.999)
    assert wider.low < found.low and found.high < wider.high


def test_interval_holds_the_truth_as_often_as_it_says():
    generator, held = np.random.default_rng(1), 0
    for _ in range(400):
        both = generator.random((2, 200)) < [[0.5], [0.4]]
        more = generator.random((2, 50)) < [[0.7], [0.7]]
        ours, other = ({"a": x.tolist(), "b": y.tolist()} for x, y in zip(both, more, strict=True))
        found = difference(
            {t: [int(v) for v in vs] for t, vs in ours.items()},
            {t: [int(v) for v in vs] for t, vs in other.items()},
        )
        held += found.low <= 0.05 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_different_tasks_or_questions_are_refused():
    with pytest.raises(StadeError, match="expected the same tasks"):
        difference({"a": [1, 0]}, {"b": [1, 0]})
    with pytest.raises(StadeError, match="no task"):
        difference({}, {})
    with pytest.raises(StadeError, match="1 question of a"):
        difference({"a": [1]}, {"a": [0]})
    with pytest.raises(StadeError, match=r"calibration seeds \[0, 1\] against \[0, 2\]"):
        matched({0: {}, 1: {}}, {0: {}, 2: {}})


def test_verdict_needs_interval_and_seeds():
    assert verdict(Difference(0.1, 0.01, 0.2)) == SUPPORTED
    assert verdict(Difference(-0.1, -0.2, -0.01)) == CONTRADICTED
    assert verdict(Difference(0.1, -0.01, 0.2)) == OPEN
    assert verdict(Difference(0.0, 0.0, 0.0)) == OPEN
    assert verdict(Difference(0.1, 0.01, 0.2), [0.2, 0.1]) == SUPPORTED
    assert verdict(Difference(0.1, 0.01, 0.2), [0.2, -0.01]) == OPEN


def ran(accuracies, perplexities, seeds=(0,), count=2000):
    """Made-up cells: accuracy and perplexity of each method; errors are independent."""
    generator, rows = np.random.default_rng(2), []
    for method, seed in product(accuracies, seeds):
        dense = method == "dense"
        if dense and seed != seeds[0]:
            continue
        losses = math.log(perplexities[method]) + 0.01 * generator.standard_normal(64)
        rows.append(
            {
                "model": "m",
                "method": method,
                "pattern": "dense" if dense else "2:4",
                "seed": seed,
                "losses": losses.tolist(),
                "answers": answers(generator, [accuracies[method]] * 2, [count] * 2),
            }
        )
    return pandas.DataFrame(rows)


def test_above():
    frame = ran(
        {"dense": 0.8, "stade": 0.5, "wanda": 0.6, "magnitude": 0.5},
        {"dense": 10, "stade": 20, "wanda": 15, "magnitude": 30},
        seeds=(0, 1),
    )
    pairs = [("wanda", "stade"), ("stade", "wanda"), ("stade", "magnitude")]
    found = above(frame, pairs, ["2:4", "4:8"])
    assert list(found["verdict"]) == [SUPPORTED, CONTRADICTED, OPEN]
    assert set(found["pattern"]) == {"2:4"} and list(found["seeds"][:2]) == ["2 of 2"] * 2
    assert found["change"][0] == pytest.approx(-found["change"][1])
    assert found["change"][0] == pytest.approx(0.1, abs=0.03)
    # Alone, a comparison has a narrower interval than with others beside it.
    alone = above(frame, pairs[:1], ["2:4"])
    assert found["low"][0] < alone["low"][0] < alone["high"][0] < found["high"][0]
    assert above(frame, [("std", "wanda")], ["2:4"]).empty


def test_only_seeds_that_both_ran_are_compared():
    frame = ran({"stade": 0.5, "wanda": 0.6}, {"stade": 15, "wanda": 20}, seeds=(0, 1, 2))
    part = frame[(frame["method"] != "stade") | (frame["seed"] != 2)]
    apart = frame[(frame["method"] == "stade") == (frame["seed"] == 2)]
    both = frame[frame["seed"] < 2].reset_index(drop=True)
    for table in (lambda rows: above(rows, [("wanda", "stade")], ["2:4"]),
                  lambda rows: follows(rows, ["2:4"])):  # fmt: skip
        pandas.testing.assert_frame_equal(table(part), table(both))
        assert len(table(part)) == 1 and table(apart).empty


def test_follows():
    frame = ran(
        {"dense": 0.8, "stade": 0.5, "wanda": 0.6, "magnitude": 0.5},
        {"dense": 10, "stade": 15, "wanda": 20, "magnitude": 30},
        seeds=(0, 1),
    )
    found = follows(frame, ["2:4"]).set_index(["lower", "higher"])["verdict"].to_dict()
    assert found == {
        ("dense", "stade"): SUPPORTED,
        ("dense", "wanda"): SUPPORTED,
        ("dense", "magnitude"): SUPPORTED,
        ("stade", "wanda"): CONTRADICTED,
        ("wanda", "magnitude"): SUPPORTED,
        ("stade", "magnitude"): OPEN,
    }
    same = ran({"stade": 0.5, "wanda": 0.6}, {"stade": 15, "wanda": 15})
    (row,) = follows(same, ["2:4"]).itertuples()
    assert row.perplexity == OPEN and row.accuracy != OPEN and row.verdict == OPEN
    assert follows(same, ["0.5"]).empty


def test_ways_are_found_by_name():
    frame = ran({"dense": 0.5, "stade": 0.5}, {"dense": 9, "stade": 9}, seeds=(3, 4))
    found = claims.accuracy.ways(frame)
    assert list(found) == [("m", "dense", "dense"), ("m", "stade", "2:4")]
    assert list(found["m", "stade", "2:4"].answers) == [3, 4]
