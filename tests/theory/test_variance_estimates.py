"""Eq. 5's estimates against enumeration of every possible sample."""

import itertools
from fractions import Fraction

import pytest
import torch

from stade_book.theory import variance_estimates as ve

# Symmetric about its mean, 1/2: value -> probability.
VALUES = {
    Fraction(-3, 2): Fraction(1, 8),
    Fraction(0): Fraction(1, 4),
    Fraction(1, 2): Fraction(1, 4),
    Fraction(1): Fraction(1, 4),
    Fraction(5, 2): Fraction(1, 8),
}
MEAN = sum(v * p for v, p in VALUES.items())


def moment(power):
    return sum((v - MEAN) ** power * p for v, p in VALUES.items())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_closed_forms_are_the_enumerated_ones(count):
    def of(sample):
        own, rest = sum(sample) / Fraction(count), count - 1
        return {
            ve.KNOWN: sum((v - MEAN) ** 2 for v in sample) / rest,
            ve.ESTIMATED: sum((v - own) ** 2 for v in sample) / rest,
            ve.ASSUMED: sum(v**2 for v in sample) / Fraction(rest),
        }

    first, second = dict.fromkeys(of([0] * count), 0), dict.fromkeys(of([0] * count), 0)
    for sample in itertools.product(VALUES.items(), repeat=count):
        probability = Fraction(1)
        for _, p in sample:
            probability *= p
        for name, value in of([v for v, _ in sample]).items():
            first[name] += probability * value
            second[name] += probability * value**2
    closed = ve.expected(Fraction(count), MEAN, moment(2), moment(4))
    for name, (expectation, variance) in closed.items():
        assert expectation == first[name]
        assert variance == second[name] - first[name] ** 2


def test_estimates_are_the_formulas():
    x = torch.tensor([[0.0, 4.0, 8.0], [1.0, 1.0, 4.0]], dtype=torch.float64)
    found = ve.estimates(x, 2.0)
    assert found[ve.KNOWN].tolist() == [(4 + 4 + 36) / 2, (1 + 1 + 4) / 2]
    assert found[ve.ESTIMATED].tolist() == [16, 3]
    assert found[ve.ASSUMED].tolist() == [40, 9]


def test_simulation_agrees_with_the_closed_forms():
    generator = torch.Generator().manual_seed(0)
    found = ve.simulated([4, 64], 1.0, 2.0, 20_000, generator)
    assert (found["errors"] < 4).all()
    assert ((found["simulated_spread"] / found["spread"] - 1).abs() < 0.05).all()
    bias = found.set_index(["N", "estimate"])["relative_bias"]
    assert bias[4, ve.ESTIMATED] == 0
    assert bias[4, ve.KNOWN] == pytest.approx(1 / 3) and bias[64, ve.KNOWN] == pytest.approx(1 / 63)
