"""Which inputs are centred, by measurement: layers are STADE's one treatment or the other."""

import pytest
import torch

from stade_nb.beyond import choice
from stade_nb.beyond.methods import BEYOND
from stade_nb.numerics.methods import METHODS, prune_layer
from stade_nb.numerics.moments import Moments


def inputs(mean, features=16, tokens=5000):
    generator = torch.Generator().manual_seed(0)
    return mean + torch.randn(tokens, features, generator=generator)


def weight(features=16):
    return torch.randn(8, features, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("by_place", [True, False])
@pytest.mark.parametrize(("mean", "same_as"), [(0.0, "wanda"), (0.5, "std")])
def test_the_means_decide_and_not_the_place(mean, same_as, by_place):
    moments = Moments.of(inputs(mean))
    assert choice.is_centred(moments) == (same_as == "wanda")
    found = prune_layer(weight(), None, moments, "stade_by_measurement", "0.5", centred=by_place)
    expected = prune_layer(weight(), None, moments, same_as, "0.5", centred=by_place)
    assert found.weight.equal(expected.weight)
    assert (found.bias is None) == (expected.bias is None)
    if expected.bias is not None:
        torch.testing.assert_close(found.bias, expected.bias)


@pytest.mark.parametrize("by_place", [True, False])
def test_swapped_is_what_stade_does_elsewhere(by_place):
    moments, bias = Moments.of(inputs(0.3)), torch.ones(8)
    found = prune_layer(weight(), bias, moments, "stade_swapped", "2:4", centred=by_place)
    expected = prune_layer(weight(), bias, moments, "stade", "2:4", centred=not by_place)
    assert found.weight.equal(expected.weight) and found.bias.equal(expected.bias)


def test_half_of_the_channels_decide_and_constant_ones_do_not_count():
    x = inputs(0.0)
    x[:, :7] += 5
    assert choice.is_centred(Moments.of(x))
    x[:, 7:10] += 5
    assert not choice.is_centred(Moments.of(x))
    x = inputs(0.0)
    x[:, :12] = 3  # always the same
    assert choice.is_centred(Moments.of(x))
    assert not choice.is_centred(Moments.of(torch.ones(5, 4)))


def test_both_are_known_and_need_means():
    stade = METHODS["stade"]
    assert all(BEYOND[name].corrects for name in ("stade_by_measurement", "stade_swapped"))
    assert BEYOND["stade_by_measurement"].needs == stade.needs
