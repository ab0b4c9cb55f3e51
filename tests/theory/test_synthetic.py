"""Eqs. 2–9 on layers small enough to enumerate: equality is exact, without tolerances.

Fractions carry the enumeration. Tensors get numbers that float64 holds exactly (small multiples of
powers of two, four inputs so that the square root in `nodes` is 2), so equality is exact there too.
"""

import itertools
from fractions import Fraction

import pandas
import pytest
import torch

from stade_book.theory import brute_force, synthetic

# Three independent inputs: value -> probability.
INPUTS = [
    {Fraction(-1): Fraction(1, 3), Fraction(2): Fraction(2, 3)},
    {Fraction(0): Fraction(1, 2), Fraction(1): Fraction(1, 4), Fraction(5): Fraction(1, 4)},
    {Fraction(3): Fraction(1)},
]
WEIGHT = [Fraction(2), Fraction(-1, 3), Fraction(5, 7)]
BIAS = Fraction(1, 2)


def moments(values):
    mean = sum(v * p for v, p in values.items())
    return mean, sum((v - mean) ** 2 * p for v, p in values.items())


def enumerated_loss(j, new_bias):
    """Eq. 2's expectation, summed over every combination of input values."""
    total = Fraction(0)
    for combination in itertools.product(*(values.items() for values in INPUTS)):
        probability, before, after = Fraction(1), BIAS, new_bias
        for i, (value, p) in enumerate(combination):
            probability *= p
            before += value * WEIGHT[i]
            after += value * WEIGHT[i] * (i != j)
        total += probability * (before - after) ** 2
    return total


@pytest.mark.parametrize("j", range(3))
@pytest.mark.parametrize("new_bias", [BIAS, Fraction(-3), Fraction(22, 7)])
def test_eq3_is_the_enumerated_expectation(j, new_bias):
    mean, variance = moments(INPUTS[j])
    assert synthetic.loss(BIAS, new_bias, WEIGHT[j], mean, variance) == enumerated_loss(j, new_bias)


@pytest.mark.parametrize("j", range(3))
def test_eq7_has_its_root_where_the_enumerated_loss_is_lowest(j):
    mean, variance = moments(INPUTS[j])
    best = synthetic.best_bias(BIAS, WEIGHT[j], mean)
    assert synthetic.slope(BIAS, best, WEIGHT[j], mean) == 0
    assert enumerated_loss(j, best) == variance * WEIGHT[j] ** 2  # Eq. 8
    assert enumerated_loss(j, BIAS) == (variance + mean**2) * WEIGHT[j] ** 2  # Eq. 9
    for step in (Fraction(1, 1000), Fraction(-1, 1000)):
        # A parabola with leading coefficient 1: the loss rises by exactly the squared step.
        assert enumerated_loss(j, best + step) == enumerated_loss(j, best) + step**2


def test_eq7_slope_is_the_exact_central_difference():
    mean, _ = moments(INPUTS[0])
    at, h = Fraction(7, 3), Fraction(1, 10)
    difference = (enumerated_loss(0, at + h) - enumerated_loss(0, at - h)) / (2 * h)
    assert synthetic.slope(BIAS, at, WEIGHT[0], mean) == difference


@pytest.fixture
def layer():
    return synthetic.Layer(
        weight=torch.tensor([[1.0, -2, 0.5, 3], [4, 0.25, -1, 2]], dtype=torch.float64),
        bias=torch.tensor([0.5, -1], dtype=torch.float64),
        mean=torch.tensor([1.0, -3, 0, 2], dtype=torch.float64),
        std=torch.tensor([1.0, 2, 0.5, 4], dtype=torch.float64),
    )


def test_change_is_the_layer_with_and_without_each_weight(layer):
    x = torch.tensor([[1.0, 2, -1, 0.5], [0, -4, 2, 1]], dtype=torch.float64)
    new_bias = torch.arange(8, dtype=torch.float64).view(2, 4)
    changes = synthetic.change(layer.weight, layer.bias, new_bias, x)
    for s, i, j in itertools.product(range(2), range(2), range(4)):
        pruned = layer.weight[i].clone()
        pruned[j] = 0
        before = layer.bias[i] + layer.weight[i] @ x[s]
        assert changes[s, i, j] == before - (new_bias[i, j] + pruned @ x[s])


def test_nodes_give_exact_expectations_slopes_and_minima(layer):
    new_bias = layer.bias.unsqueeze(-1) + torch.tensor([0.5, -2, 1, 0], dtype=torch.float64)
    bias, variance = layer.bias.unsqueeze(-1), layer.std**2
    closed = synthetic.loss(bias, new_bias, layer.weight, layer.mean, variance)
    assert torch.equal(synthetic.expected_loss(layer, new_bias), closed)
    slope = synthetic.slope(bias, new_bias, layer.weight, layer.mean)
    assert torch.equal(synthetic.slope_by_autograd(layer, new_bias), slope)
    assert torch.equal(brute_force.lowest_losses(layer, refit=True), variance * layer.weight**2)
    unchanged = (variance + layer.mean**2) * layer.weight**2
    assert torch.equal(brute_force.lowest_losses(layer, refit=False), unchanged)


def test_each_metric_is_best_where_its_equation_says(layer):
    counted = {
        (a.metric, a.refit): a
        for a in brute_force.agreements(synthetic.Layer(*(part.unsqueeze(0) for part in layer)))
    }
    assert counted["std", True].agree == counted["std", True].outputs == 2
    assert counted["without_bias", False].agree == counted["wanda", False].agree == 2
    assert counted["std", True].excess == counted["wanda", False].excess == 0
    # In row 0 the loss of weight 2 is least either way; in row 1 Eq. 8 takes weight 2 (0.25·1)
    # or weight 1 (0.0625·4), a tie broken by position, and Eq. 9 takes weight 2 (0.25 < 0.8125).
    assert counted["wanda", True].excess == 0


def test_search_finds_the_bias_of_eq7(layer):
    found = synthetic.best_bias_by_search(layer)
    best = synthetic.best_bias(layer.bias.unsqueeze(-1), layer.weight, layer.mean)
    # A minimum can be located to the square root of the rounding error of the loss.
    assert (found - best).abs().max() < 1e-6


def test_monte_carlo_has_the_standard_error_that_it_reports(layer):
    generator = torch.Generator().manual_seed(3)
    keep = layer.bias.unsqueeze(-1).expand_as(layer.weight)
    few, many = synthetic.monte_carlo(
        layer, lambda x: synthetic.drawn_loss(layer, keep, x), [2_000, 200_000], generator
    )
    # At B* = B the squared change is W² X², with variance W⁴ (2 sigma⁴ + 4 mu² sigma²).
    variance, mean = layer.std**2, layer.mean
    error = (layer.weight**4 * (2 * variance**2 + 4 * mean**2 * variance) / many.samples).sqrt()
    assert (few.samples, many.samples) == (2_000, 200_000)
    assert (many.error / error - 1).abs().max() < 0.05
    exact = synthetic.loss(0, 0, layer.weight, mean, variance)
    assert ((many.mean - exact) / error).abs().max() < 5


def test_drawn_slopes_are_the_derivatives_of_drawn_losses(layer):
    x = torch.tensor([[1.0, 2, -1, 0.5], [0, -4, 2, 1]], dtype=torch.float64)
    new_bias = torch.arange(8, dtype=torch.float64).view(2, 4)
    changes = synthetic.change(layer.weight, layer.bias, new_bias, x)
    assert torch.equal(synthetic.drawn_loss(layer, new_bias, x), changes**2)
    assert torch.equal(synthetic.drawn_slope(layer, new_bias, x), -2 * changes)


def test_draws_depend_on_the_generator_alone():
    def made(seed):
        generator = torch.Generator().manual_seed(seed)
        return synthetic.random_layers((2, 3, 4), (-1, 1), (0.5, 2), generator)

    first, again, other = made(1), made(1), made(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.weight, other.weight)
    assert first.mean.abs().max() <= 1 and first.std.min() >= 0.5 and first.std.max() <= 2


def test_variances_of_many_samples_choose_as_the_true_ones():
    generator = torch.Generator().manual_seed(0)
    layers = synthetic.random_layers((50, 4, 8), (-2, 2), (0.5, 2), generator)
    few = brute_force.agreement_from_samples(layers, 8, generator)
    many = brute_force.agreement_from_samples(layers, 8_000, generator)
    assert few < many and many > 0.95


def test_the_output_that_is_shown_is_the_one_with_the_worst_choice():
    generator = torch.Generator().manual_seed(0)
    layers = synthetic.random_layers((2, 3, 5), (-2, 2), (0.3, 2), generator)
    losses = brute_force.lowest_losses(layers, refit=True).flatten(0, 1)
    scores = brute_force.scores(layers)["wanda"].flatten(0, 1)
    above = [
        float(loss[score.argmin()] / loss.min()) for score, loss in zip(scores, losses, strict=True)
    ]
    score, loss = brute_force.one_output(layers, refit=True)
    assert loss[score.argmin()] / loss.min() == max(above) > 1
    # In how many the choice is right: `agreements` counts the same ones.
    table = pandas.DataFrame(brute_force.agreements(layers))
    assert brute_force.right(table, "wanda", refit=True) == above.count(1.0)
    # With the bias kept Wanda is never wrong, and the first output is shown.
    score, _ = brute_force.one_output(layers, refit=False)
    assert score.tolist() == scores[0].tolist()


def test_agreements_in_words():
    layers = synthetic.random_layers((2, 3, 4), (-1, 1), (1, 2), torch.Generator().manual_seed(0))
    found = brute_force.in_words(pandas.DataFrame(brute_force.agreements(layers)))
    assert set(found["metric"]) == {"Wanda", "STD", "Eq. 9"}
    assert list(found.columns) == ["metric", "bias", "outputs", "agree", "excess"]
    optimal = found[(found["metric"] == "STD") & (found["bias"] == "corrected")]
    assert list(optimal["agree"]) == list(optimal["outputs"]) == [6]
    assert set(found["bias"]) == {"corrected", "kept"}


def test_the_answer_to_the_question_of_the_page():
    """What the page on one weight asks the reader: mean 2, standard deviation ½, weight 1."""
    variance = Fraction(1, 2) ** 2
    for mean in (Fraction(2), Fraction(0)):
        best = synthetic.best_bias(0, 1, mean)
        assert synthetic.loss(0, best, 1, mean, variance) == Fraction("0.25")
        kept = synthetic.loss(0, 0, 1, mean, variance)
        assert kept == Fraction("4.25" if mean else "0.25")
