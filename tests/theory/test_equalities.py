"""Each displayed line equals the next, and a wrong line is noticed."""

import pytest
import torch

from stade_nb.theory import equalities, synthetic


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
