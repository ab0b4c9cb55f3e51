"""How far a method is from itself: the nudges, the spread that they have, and what stands out."""

import math

import pandas
import pytest
import torch
from tiny_models import build, windows

from stade_book.studies import nudges
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.numerics.moments import Moments
from workflow import growing
from workflow import nudges as workflow_nudges


def scores(nudge, moments, weight, seed):
    metric = nudges.nudged(nudge).centred.metric
    return metric.score(weight, moments, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("nudge", nudges.SIZES)
def test_a_nudge_changes_norms_by_its_size_at_most_and_none_changes_nothing(nudge):
    moments = Moments.of(torch.randn(64, 5, dtype=torch.float64))
    weight = torch.ones(2, 5, dtype=torch.float64)
    one, other = (scores(nudge, moments, weight, seed) for seed in (1, 2))
    off = (one / moments.norm - 1).abs().max().item()
    size = nudges.SIZES[nudge]
    assert size / 100 <= off <= size * (1 + 1e-6) and one[0].equal(one[1])
    assert one.equal(other) == (nudge == nudges.NONE)


def test_the_count_is_what_one_token_less_makes_of_a_norm():
    tokens = growing.WINDOWS * growing.LENGTH
    assert math.sqrt(tokens / (tokens - 1)) - 1 == pytest.approx(nudges.SIZES["count"], rel=1e-4)


def test_without_a_nudge_it_is_wanda():
    plain, other = build("llama"), build("llama")
    pruning.prune_model(plain, windows(4), "wanda", "2:4")
    pruning.prune_model(other, windows(4), Cell(nudges.nudged(nudges.NONE), "2:4", seed=3))
    state = other.state_dict()
    assert all(value.equal(state[name]) for name, value in plain.state_dict().items())


def test_near_ties_are_decided_by_the_draw_and_nothing_else_is():
    """Two columns with the same norm to 1e-9, and two that are far apart."""
    x = torch.randn(64, 4, dtype=torch.float64)
    x[:, 1] = x[:, 0] * (1 + 1e-9)
    x[:, 3] = 3 * x[:, 2]
    moments, weight = Moments.of(x), torch.ones(1, 4, dtype=torch.float64)
    drawn = [scores(nudges.ROUNDING, moments, weight, seed)[0] for seed in range(20)]
    assert {bool(score[0] < score[1]) for score in drawn} == {True, False}
    assert all(score[2] < score[3] for score in drawn)


def cell(pattern, nudge, draw, level):
    losses = [level - 0.1, level + 0.1]
    return {"model": "m", "pattern": pattern, "nudge": nudge, "draw": draw, "losses": losses}


CELLS = pandas.DataFrame(
    [
        cell("0.5", "none", 0, 3.00),
        cell("0.5", "count", 0, 3.01),
        cell("0.5", "count", 1, 3.02),
        cell("0.5", "rounding", 0, 3.00),
        cell("2:4", "none", 0, 5.0),  # nothing to compare it with
        cell("4:8", "count", 0, 5.0),  # without the plain run
    ]
)


def test_the_reach_is_that_of_a_difference_of_two_runs():
    count, rounding = nudges.spread(CELLS).itertuples()
    assert (count.pattern, count.nudge, count.runs) == ("0.5", "count", 3)
    assert count.plain == pytest.approx(math.exp(3.0))
    assert (count.lowest, count.highest) == pytest.approx((math.exp(3.0), math.exp(3.02)))
    assert count.deviation == pytest.approx(math.expm1(0.01))
    assert math.log1p(count.reach) == pytest.approx(4.302653 * 0.01 * math.sqrt(2), rel=1e-6)
    assert (rounding.nudge, rounding.runs, rounding.reach) == ("rounding", 2, 0)


def test_runs_lie_around_their_own_mean():
    found = nudges.around(CELLS)
    assert list(found["pattern"]) == ["0.5"] * 3
    assert list(found["change"]) == pytest.approx([math.expm1(0.01 * n) for n in (-1, 0, 1)])
    assert nudges.around(nudges.recorded(["nobody"])).empty
    assert nudges.spread(nudges.recorded(["nobody"])).empty


def test_a_comparison_stands_out_where_it_is_larger_and_more_seeds_make_it_easier():
    found = pandas.DataFrame(
        {"model": ["m", "m"], "pattern": ["0.5"] * 2, "nudge": ["count", "rounding"],
         "reach": [math.expm1(0.02), 9.0]}
    )  # fmt: skip
    judged = pandas.DataFrame(
        [
            ("m", "0.5", math.expm1(-0.03), "1 of 1"),
            ("m", "0.5", math.expm1(0.015), "1 of 1"),
            ("m", "0.5", math.expm1(0.015), "3 of 3"),
            ("m", "0.6", 0.5, "1 of 1"),
            ("other", "0.5", 0.5, "1 of 1"),
        ],
        columns=["model", "pattern", "change", "seeds"],
    )
    rows = nudges.beyond(judged, found)
    assert list(rows["beyond"]) == [True, False, True]
    assert rows["reach"].iloc[2] == pytest.approx(math.expm1(0.02 / math.sqrt(3)))
    nothing = nudges.beyond(judged, found.iloc[:0])
    assert nothing.empty and not (~nothing["beyond"]).any()


def test_a_record_has_every_draw_at_every_pattern_and_goes_on(tmp_path, monkeypatch):
    for name, value in {"WINDOWS": 2, "EVALUATED": 2, "LENGTH": 32}.items():
        monkeypatch.setattr(growing, name, value)
    monkeypatch.setattr(nudges, "DRAWS", {"none": (0,), "count": (1,)})
    texts = ("embedded", "embedded")
    path = workflow_nudges.measure("llama-230k", texts, tmp_path)
    cells = nudges.recorded(["llama-230k"], tmp_path)
    assert list(zip(cells["nudge"], cells["pattern"], strict=True)) == [
        (nudge, pattern) for nudge in ("none", "count") for pattern in nudges.PATTERNS
    ]
    monkeypatch.setattr(nudges, "DRAWS", {"none": (0,), "count": (1, 2)})
    assert workflow_nudges.measure("llama-230k", texts, tmp_path) == path
    assert set(nudges.spread(nudges.recorded(["llama-230k"], tmp_path))["runs"]) == {3}
