"""Each displayed line equals the next, and a wrong line is noticed."""

import pytest
import torch

from stade_book.theory import equalities, synthetic


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_every_line_of_eq3_equals_the_next(generator):
    layer = synthetic.random_layers((3, 5), (-2, 2), (0.1, 2), generator)
    found = equalities.eq3(layer, synthetic.normal((3, 5), generator))
    assert list(found["equation"]) == [f"Eq. 3, line {n}" for n in (1, 2, 3, 4)]
    assert found["holds"].all()


def test_eqs_4_to_6_hold_for_centred_inputs_and_fail_for_others(generator):
    layer = synthetic.random_layers((2, 5), (0, 0), (0.1, 2), generator)
    x = layer.std * synthetic.normal((500, 5), generator)
    found = equalities.eqs_4_to_6(layer, x)
    assert found["holds"].all() and len(found) == 5
    moved = layer._replace(mean=layer.mean + 1)
    found = equalities.eqs_4_to_6(moved, x + 1)
    assert list(found["holds"]) == [False, False, False, True, True]


@pytest.fixture
def layer(generator):
    return synthetic.random_layers((2, 6), (-3, 3), (0.1, 3), generator)


@pytest.fixture
def new_bias(layer):
    return layer.bias.unsqueeze(-1) + torch.arange(-6.0, 6, dtype=torch.float64).view(2, 6)


def test_every_displayed_equality_of_eqs_3_and_7_to_9_holds(layer, new_bias):
    found = equalities.exact(layer, new_bias)
    assert list(found["equation"]) == ["Eq. 3", *3 * ["Eq. 7"], *2 * ["Eq. 8"], *2 * ["Eq. 9"]]
    assert found["holds"].all()


@pytest.mark.parametrize(("wrong", "kept"), [("variance", 3), ("mean", 1)])
def test_a_closed_form_with_a_wrong_moment_is_noticed(layer, new_bias, monkeypatch, wrong, kept):
    """A wrong σ² leaves Eq. 7, which has none, and a wrong μ leaves the search alone."""
    closed = synthetic.loss

    def off(bias, new, weight, mean, variance):
        moments = {"mean": mean, "variance": variance}
        moments[wrong] = moments[wrong] * 1.001
        return closed(bias, new, weight, **moments)

    monkeypatch.setattr(synthetic, "loss", off)
    found = equalities.exact(layer, new_bias)
    assert found[found["holds"]]["equation"].tolist() == kept * ["Eq. 7"]


def test_sampled_errors_fall_with_the_root_of_the_draws():
    generator = torch.Generator().manual_seed(2)
    layer = synthetic.random_layers((1, 32), (-2, 2), (0.1, 2), generator)
    table = equalities.sampled(layer, layer.weight.clone(), [100, 1_000, 10_000], generator)
    assert len(table) == 12 and table["furthest"].max() < 5
    assert all(abs(rate + 0.5) < 0.15 for rate in equalities.rates(table).values())
