"""What rounding alone does: the draws, the spread that they have, and what stands out from it."""

import math

import pandas
import pytest
import torch
from tiny_models import build, windows

from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell
from stade_nb.numerics.moments import Moments
from stade_nb.studies import rounding
from workflow import growing
from workflow import rounding as workflow_rounding


def pruned(draw):
    model = build("llama")
    cell = Cell(rounding.drawn(draw), "2:4", seed=draw)
    pruning.prune_model(model, windows(4), cell)
    return model.state_dict()


def test_a_draw_changes_norms_by_less_than_float32_resolves_and_the_first_not_at_all():
    moments = Moments.of(torch.randn(64, 5, dtype=torch.float64))
    weight = torch.ones(2, 5, dtype=torch.float64)
    draws = [
        rounding.drawn(n).centred.metric.score(weight, moments, torch.Generator().manual_seed(n))
        for n in (0, 1, 2)
    ]
    assert draws[0].equal(moments.norm.expand(2, 5))
    off = [(draw / draws[0] - 1).abs().max().item() for draw in draws[1:]]
    assert min(off) > 0 and max(off) <= 2.0**-24 * (1 + 1e-6)
    assert not draws[1].equal(draws[2]) and draws[1][0].equal(draws[1][1])
    plain = build("llama")
    pruning.prune_model(plain, windows(4), "wanda", "2:4")
    assert all(value.equal(pruned(0)[name]) for name, value in plain.state_dict().items())
    assert all(value.equal(pruned(3)[name]) for name, value in pruned(3).items())


def test_near_ties_are_decided_by_the_draw_and_nothing_else_is():
    """Two columns with the same norm to 1e-9, and two that are far apart."""
    x = torch.randn(64, 4, dtype=torch.float64)
    x[:, 1] = x[:, 0] * (1 + 1e-9)
    x[:, 3] = 3 * x[:, 2]
    moments, weight = Moments.of(x), torch.ones(1, 4, dtype=torch.float64)
    signs = set()
    for n in range(1, 20):
        metric = rounding.drawn(n).centred.metric
        score = metric.score(weight, moments, torch.Generator().manual_seed(n))[0]
        signs.add(bool(score[0] < score[1]))
        assert score[2] < score[3]
    assert signs == {True, False}


def cell(pattern, draw, level):
    return {"model": "m", "pattern": pattern, "draw": draw, "losses": [level - 0.1, level + 0.1]}


def test_the_reach_is_that_of_a_difference_of_two_runs():
    cells = [cell("0.5", n, 3 + 0.01 * n) for n in range(3)] + [cell("2:4", 0, 5.0)]
    (row,) = rounding.spread(pandas.DataFrame(cells)).itertuples()  # 2:4 has one draw
    assert (row.pattern, row.draws) == ("0.5", 3)
    assert (row.lowest, row.highest) == pytest.approx((math.exp(3.0), math.exp(3.02)))
    assert row.deviation == pytest.approx(0.01)
    assert row.reach == pytest.approx(4.302653 * 0.01 * math.sqrt(2), rel=1e-6)


def test_draws_lie_around_their_own_mean():
    cells = [cell("0.5", n, 3 + 0.01 * n) for n in range(3)] + [cell("2:4", 0, 5.0)]
    found = rounding.around(pandas.DataFrame(cells))
    assert list(found["pattern"]) == ["0.5"] * 3
    assert list(found["change"]) == pytest.approx([math.expm1(0.01 * n) for n in (-1, 0, 1)])
    assert rounding.around(rounding.recorded(["nobody"])).empty


def test_a_comparison_stands_out_where_it_is_larger_and_more_seeds_make_it_easier():
    found = pandas.DataFrame({"model": ["m"], "pattern": ["0.5"], "reach": [0.02]})
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
    rows = rounding.beyond(judged, found)
    assert list(rows["beyond"]) == [True, False, True]
    assert rows["reach"].iloc[2] == pytest.approx(math.expm1(0.02 / math.sqrt(3)))


def test_a_record_has_every_draw_at_every_pattern_and_goes_on(tmp_path, monkeypatch):
    for name, value in {"WINDOWS": 2, "EVALUATED": 2, "LENGTH": 32}.items():
        monkeypatch.setattr(growing, name, value)
    monkeypatch.setattr(rounding, "DRAWS", 2)
    texts = ("embedded", "embedded")
    path = workflow_rounding.measure("llama-230k", texts, tmp_path)
    cells = rounding.recorded(["llama-230k"], tmp_path)
    assert list(zip(cells["pattern"], cells["draw"], strict=True)) == [
        (pattern, draw) for draw in (0, 1) for pattern in rounding.PATTERNS
    ]
    monkeypatch.setattr(rounding, "DRAWS", 3)
    assert workflow_rounding.measure("llama-230k", texts, tmp_path) == path
    assert set(rounding.spread(rounding.recorded(["llama-230k"], tmp_path))["draws"]) == {3}
