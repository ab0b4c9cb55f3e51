"""Removing several weights: closed forms against enumeration, orders that theory guarantees."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from scipy import integrate

from stade_book.theory import correlated_inputs, many_layers, many_weights, synthetic
from stade_nb.beyond import greedy
from stade_nb.errors import StadeError
from stade_nb.numerics import bias, masks

# A joint distribution of three dependent inputs: values -> probability.
JOINT = {
    (Fraction(0), Fraction(1), Fraction(-2)): Fraction(1, 2),
    (Fraction(4), Fraction(-1), Fraction(0)): Fraction(1, 4),
    (Fraction(2), Fraction(3), Fraction(6)): Fraction(1, 8),
    (Fraction(-6), Fraction(3), Fraction(2)): Fraction(1, 8),
}
WEIGHT = (Fraction(2), Fraction(-1, 2), Fraction(3, 4))
BIAS = Fraction(1, 4)
SETS = [s for size in range(4) for s in itertools.combinations(range(3), size)]


def expectation(function):
    return sum(p * function(x) for x, p in JOINT.items())


def enumerated_loss(gone, new_bias):
    """The expected squared change of the output, each combination of inputs computed in full."""

    def squared_change(x):
        before = BIAS + sum(w * v for w, v in zip(WEIGHT, x, strict=True))
        after = new_bias + sum(
            w * v for j, (w, v) in enumerate(zip(WEIGHT, x, strict=True)) if j not in gone
        )
        return (before - after) ** 2

    return expectation(squared_change)


def best_bias(gone):
    return BIAS + sum(WEIGHT[j] * expectation(lambda x, j=j: x[j]) for j in gone)


def tensor(values):
    return torch.tensor([[float(v) for v in row] for row in values], dtype=torch.float64)


@pytest.fixture(scope="module")
def joint():
    mean = [expectation(lambda x, j=j: x[j]) for j in range(3)]
    second = [[expectation(lambda x, i=i, j=j: x[i] * x[j]) for j in range(3)] for i in range(3)]
    covariance = [[second[i][j] - mean[i] * mean[j] for j in range(3)] for i in range(3)]
    return correlated_inputs.Inputs(
        "enumerated", tensor([mean])[0], tensor(covariance), 0, lambda z: z
    )


@pytest.mark.parametrize("gone", SETS)
def test_set_loss_is_the_enumerated_expectation(joint, gone):
    # All numbers are small multiples of powers of two: float64 holds them, equality is exact.
    weight = tensor([WEIGHT])
    pruned = torch.tensor([[j in gone for j in range(3)]])
    for refit, new_bias in ((True, best_bias(gone)), (False, BIAS)):
        matrix = many_weights.matrix_of(joint, refit)
        found = many_weights.set_loss(weight, pruned, matrix)
        assert found.item() == enumerated_loss(gone, new_bias)
    # No other bias does better: the loss is a parabola in it with leading coefficient 1.
    best = enumerated_loss(gone, best_bias(gone))
    assert enumerated_loss(gone, best_bias(gone) + Fraction(1, 7)) == best + Fraction(1, 49)


def test_one_weight_is_eqs_8_and_9(joint):
    weight = tensor([WEIGHT] * 3)
    pruned = torch.eye(3, dtype=torch.bool)
    for refit in (True, False):
        matrix = many_weights.matrix_of(joint, refit)
        exact = many_weights.set_loss(weight, pruned, matrix)
        assert torch.equal(exact, many_weights.sum_of_single_losses(weight, pruned, matrix))
        closed = synthetic.loss(
            0, joint.mean * weight[0] if refit else 0, weight[0], joint.mean, joint.variance
        )
        assert torch.equal(exact, closed)


def test_a_refitted_bias_saves_the_squared_correction(joint):
    weight, pruned = tensor([WEIGHT]), torch.tensor([[True, False, True]])
    kept, refitted = (
        many_weights.set_loss(weight, pruned, many_weights.matrix_of(joint, refit))
        for refit in (False, True)
    )
    assert torch.equal(kept - refitted, bias.correction(weight, pruned, joint.mean).square())


@pytest.mark.parametrize(
    ("pattern", "count"), [(0.5, math.comb(8, 4)), ("2:4", 36), ("1:4", 16), (0.1, 1), ("4:8", 70)]
)
def test_allowed_sets_are_all_and_only_those(pattern, count):
    sets = many_weights.allowed_sets(8, pattern)
    assert sets.shape == (count, 8) and len(torch.unique(sets, dim=0)) == count
    if isinstance(pattern, str):
        n, m = map(int, pattern.split(":"))
        assert (sets.view(count, -1, m).sum(dim=2) == n).all()
    else:
        assert (sets.sum(dim=1) == int(8 * pattern)).all()


def test_too_many_sets_are_refused():
    with pytest.raises(StadeError, match="take fewer inputs"):
        many_weights.allowed_sets(40, 0.5)
    with pytest.raises(StadeError, match="multiple of 4"):
        many_weights.allowed_sets(6, "2:4")


def made(rho, seed=0, mean=(-2, 2), out=24, inputs=8):
    generator = torch.Generator().manual_seed(seed)
    layer = synthetic.random_layers((out, inputs), mean, (0.3, 2), generator)
    covariance = correlated_inputs.equicorrelated(layer.std, rho)
    return layer.weight, correlated_inputs.gaussian(layer.mean, covariance)


def test_cheapest_set_is_the_cheapest_of_a_plain_loop():
    weight, inputs = made(0.6, out=3, inputs=6)
    found = many_weights.cheapest_set(weight, inputs.covariance, many_weights.allowed_sets(6, 0.5))
    for row, mask in zip(weight, found, strict=True):
        losses = {
            s: sum(row[i] * inputs.covariance[i, j] * row[j] for i in s for j in s).item()
            for s in itertools.combinations(range(6), 3)
        }
        assert tuple(mask.nonzero()[:, 0].tolist()) == min(losses, key=losses.get)


@pytest.mark.parametrize("pattern", [0.5, "2:4"])
def test_std_is_exactly_optimal_for_uncorrelated_inputs_with_the_bias_refitted(pattern):
    weight, inputs = made(0.0)
    found = many_weights.compared(weight, inputs, pattern, refit=True).set_index("choice")
    assert found.loc["std", "optimal"] == found.loc["stepwise", "optimal"] == 1
    assert found.loc["std", "excess"] == 0
    assert found["loss"].tolist() == pytest.approx(found["singles"].tolist(), rel=1e-12)
    assert found.loc["wanda", "excess"] > 0


def test_without_a_bias_means_couple_even_uncorrelated_inputs():
    # Eq. 9 adds up only if at most one removed input has a mean: Wanda is not optimal for sets.
    weight, inputs = made(0.0)
    kept = many_weights.compared(weight, inputs, 0.5, refit=False).set_index("choice")
    assert kept.loc["wanda", "excess"] > 0.1 and kept.loc["wanda", "optimal"] < 1
    centred = many_weights.compared(*made(0.0, mean=(0, 0)), 0.5, refit=False).set_index("choice")
    assert centred.loc["wanda", "optimal"] == 1 and centred.loc["wanda", "excess"] == 0


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("pattern", [0.5, "2:4", 0.3])
def test_nothing_is_cheaper_than_the_cheapest_set(refit, pattern):
    weight, inputs = made(0.7, seed=1)
    found = many_weights.compared(weight, inputs, pattern, refit).set_index("choice")
    assert (found["excess"] >= 0).all() and found.loc["cheapest set", "optimal"] == 1
    assert found.loc["std", "excess"] > 0


def test_relative_error_of_equal_correlations_in_closed_form():
    # Two equal weights and unit variances: the exact loss is 2 + 2 rho, the sum of singles 2.
    weight = torch.ones(1, 2, dtype=torch.float64)
    pruned = torch.ones(1, 2, dtype=torch.bool)
    for rho in (0.0, 0.25, 0.5):
        matrix = correlated_inputs.equicorrelated(torch.ones(2, dtype=torch.float64), rho)
        pair = many_layers.Pair(
            many_weights.sum_of_single_losses(weight, pruned, matrix),
            many_weights.set_loss(weight, pruned, matrix),
        )
        assert many_layers.relative_error(pair) == 2 * rho / (2 + 2 * rho)


def test_covariances_are_as_asked_for():
    std = torch.tensor([1.0, 2, 0.5, 4], dtype=torch.float64)
    blocks = correlated_inputs.block_correlated(std, 0.5, 2)
    assert torch.equal(blocks.diagonal(), std**2)
    assert blocks[0, 1] == 1.0 and blocks[2, 3] == 1.0 and blocks[0, 2] == 0
    assert correlated_inputs.equicorrelated(std, 0.25)[1, 3] == 2.0
    with pytest.raises(StadeError, match="below 1"):
        correlated_inputs.equicorrelated(std, -0.4)
    with pytest.raises(StadeError, match="fourth moments"):
        correlated_inputs.student(std, blocks, 4)
    with pytest.raises(StadeError, match="not positive definite"):
        correlated_inputs.gaussian(std, blocks - 2 * torch.eye(4, dtype=torch.float64))


def test_relu_moments_at_zero_mean_are_the_arc_cosine_kernel():
    std = torch.tensor([1.0, 2, 0.5], dtype=torch.float64)
    rho = -0.3
    inputs = correlated_inputs.relu(0 * std, correlated_inputs.equicorrelated(std, rho))
    torch.testing.assert_close(inputs.mean, std / math.sqrt(2 * math.pi))
    kernel = (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)
    expected = torch.outer(std, std) * kernel
    expected[range(3), range(3)] = std**2 / 2
    torch.testing.assert_close(inputs.second_moment, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("rho", [-0.8, 0.0, 0.5, 0.95])
def test_relu_moments_are_the_integrals(rho):
    mean = torch.tensor([0.7, -1.2], dtype=torch.float64)
    std = torch.tensor([1.5, 0.8], dtype=torch.float64)
    inputs = correlated_inputs.relu(mean, correlated_inputs.equicorrelated(std, rho))
    (m, n), (s, t), q = mean.tolist(), std.tolist(), math.sqrt(1 - rho**2)

    def inner(u):
        # E[max(n + t V, 0)] given U = u, where V ~ N(rho u, q²).
        centre, spread = n + t * rho * u, t * q
        z = centre / spread
        cdf, pdf = math.erfc(-z / math.sqrt(2)) / 2, math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return (centre * cdf + spread * pdf) * (m + s * u) * math.exp(-u * u / 2)

    found, _ = integrate.quad(inner, -m / s, 12, epsabs=1e-12, epsrel=1e-12)
    product = found / math.sqrt(2 * math.pi)
    assert inputs.second_moment[0, 1].item() == pytest.approx(product, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("family", ["gaussian", "student", "relu"])
def test_simulation_agrees_whatever_the_distribution(family):
    generator = torch.Generator().manual_seed(2)
    layer = synthetic.random_layers((2, 6), (-1, 1), (0.5, 1.5), generator)
    covariance = correlated_inputs.block_correlated(layer.std, 0.5, 3)
    build = getattr(correlated_inputs, family)
    inputs = build(layer.mean, covariance, *([9] if family == "student" else []))
    pruned = many_weights.greedy(layer.weight, inputs, 0.5)["std"]
    for refit in (True, False):
        exact = many_weights.set_loss(layer.weight, pruned, many_weights.matrix_of(inputs, refit))
        (found,) = many_weights.simulated_loss(
            layer.weight, pruned, inputs, refit, [40_000], generator
        )
        assert ((found.mean[:, 0] - exact) / found.error[:, 0]).abs().max() < 4
        assert (found.error[:, 0] < 0.1 * exact).all()


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_each_step_adds_least_to_the_exact_loss(pattern):
    weight, inputs = made(0.7, seed=2)
    found = many_weights.stepwise(weight, inputs.second_moment, pattern)
    wanted = greedy.chosen(weight, inputs.second_moment, masks.parse_pattern(pattern))
    assert torch.equal(found, wanted)


def test_the_answer_to_the_question_of_the_page():
    """Two inputs that nearly move together: weights of opposite signs cost little."""
    covariance = torch.tensor([[1, 0.9], [0.9, 1]], dtype=torch.float64)
    w = torch.tensor([[1.0, -1], [1, 1]], dtype=torch.float64)
    the_sets = w, torch.ones(2, 2, dtype=torch.bool), covariance
    assert many_weights.set_loss(*the_sets).tolist() == pytest.approx([0.2, 3.8])
    assert many_weights.sum_of_single_losses(*the_sets).tolist() == [2, 2]
