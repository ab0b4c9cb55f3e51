"""The solver against the reference code and Optimal Brain Surgeon with explicit inverses."""

import pytest
import torch
from conftest import PATTERNS
from hypothesis import given
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from stade_nb.errors import StadeError
from stade_nb.numerics import masks, metrics, sparsegpt
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.moments import Moments


def problem(outputs, inputs, tokens=200, seed=0, dtype=torch.float64):
    """A weight and the Hessian of correlated inputs that are not centred."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(inputs, inputs, generator=generator, dtype=torch.float64)
    x = torch.randn(tokens, inputs, generator=generator, dtype=torch.float64) @ mix + 1
    weight = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
    return weight.to(dtype), sparsegpt.hessian(Moments.of(x, gram=True))


def damped(hessian, damping=0.01):
    return hessian + damping * hessian.diagonal().mean() * torch.eye(len(hessian)).double()


def surgeon(weight, hessian, pruned):
    """Optimal Brain Surgeon, left to right: each removal is compensated by the columns after it."""
    weight = weight.clone()
    for j in range(weight.shape[1]):
        inverse = torch.linalg.inv(hessian[j:, j:])
        removed = torch.where(pruned[:, j], weight[:, j], 0)
        weight[:, j:] -= torch.outer(removed / inverse[0, 0], inverse[0])
    return weight.masked_fill(pruned, 0)


@pytest.fixture(scope="module")
def golden_hessian(golden_moments):
    return sparsegpt.hessian(golden_moments)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_golden(golden, golden_hessian, pattern):
    weight, pruned = sparsegpt.solve(golden["W"], golden_hessian, parse_pattern(pattern))
    assert pruned.equal(golden[f"sparsegpt/{pattern}/pruned"])
    # 1e-4 of the largest weight: the reference's own float32 rounding is nearly as large.
    expected = golden[f"sparsegpt/{pattern}/weight"]
    assert (weight - expected).abs().max() < 1e-4 * expected.abs().max()
    assert (weight - expected).norm() < 2e-5 * expected.norm()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_golden_without_update(golden, golden_hessian, pattern):
    parsed = parse_pattern(pattern)
    weight, pruned = sparsegpt.solve(golden["W"], golden_hessian, parsed, update=False)
    assert pruned.equal(golden[f"sparsegpt_without_update/{pattern}/pruned"])
    assert weight.equal(golden[f"sparsegpt_without_update/{pattern}/weight"])


def test_hessian_is_the_mean_of_products():
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)) + 2
    expected = sum(2 * torch.outer(row, row) for row in x.double()) / 9
    torch.testing.assert_close(sparsegpt.hessian(Moments.of(x, gram=True)), expected)


@pytest.mark.parametrize("damping", [0, 0.01, 1.0])
def test_factor_of_the_inverse(damping):
    _, hessian = problem(1, 12)
    before = hessian.clone()
    factor, dead = sparsegpt.inverse_factor(hessian, damping)
    assert hessian.equal(before) and not dead.any()
    assert factor.equal(factor.triu()) and (factor.diagonal() > 0).all()
    inverse = torch.linalg.inv(damped(hessian, damping))
    torch.testing.assert_close(factor.T @ factor, inverse, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(
        factor, torch.linalg.cholesky(inverse, upper=True), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("pattern", ["0.5", "2:4", "1:3"])
def test_weights_against_optimal_brain_surgeon(pattern):
    weight, hessian = problem(5, 24)
    new, pruned = sparsegpt.solve(weight, hessian, parse_pattern(pattern), block=8)
    torch.testing.assert_close(new, surgeon(weight, damped(hessian), pruned))


def test_masks_of_groups_are_chosen_from_updated_weights():
    weight, hessian = problem(5, 12)
    _, pruned = sparsegpt.solve(weight, hessian, parse_pattern("2:4"), block=4)
    factor, _ = sparsegpt.inverse_factor(hessian)
    for group in (slice(0, 4), slice(4, 8), slice(8, 12)):
        before = torch.zeros_like(pruned)
        before[:, : group.start] = pruned[:, : group.start]
        current = surgeon(weight, damped(hessian), before)
        score = metrics.sparsegpt(current, factor.diagonal())[:, group]
        assert masks.n_of_m(score, parse_pattern("2:4")).equal(pruned[:, group])


def test_masks_of_shares_are_chosen_once_per_block():
    weight, hessian = problem(5, 12)
    _, pruned = sparsegpt.solve(weight, hessian, parse_pattern("0.4"), block=6)
    factor, _ = sparsegpt.inverse_factor(hessian)
    before = torch.zeros_like(pruned)
    for block in (slice(0, 6), slice(6, 12)):
        current = surgeon(weight, damped(hessian), before)
        score = metrics.sparsegpt(current, factor.diagonal())[:, block]
        threshold = score.flatten().sort().values[int(30 * 0.4)]
        assert (score <= threshold).equal(pruned[:, block])
        before[:, block] = pruned[:, block]


@pytest.mark.parametrize("pattern", ["0.5", "2:4", "3:6"])
def test_without_update_scores_are_those_of_the_original_weights(pattern):
    weight, hessian = problem(5, 24)
    new, pruned = sparsegpt.solve(weight, hessian, parse_pattern(pattern), update=False, block=24)
    factor, _ = sparsegpt.inverse_factor(hessian)
    score = metrics.sparsegpt(weight, factor.diagonal())
    if pattern == "0.5":
        assert pruned.equal(score <= score.flatten().sort().values[60])
    else:
        assert pruned.equal(masks.select(score, pattern))
    assert new.equal(weight.masked_fill(pruned, 0))


@given(st.integers(1, 6), st.integers(1, 20), st.floats(0, 1), st.booleans())
def test_one_more_than_the_exact_count_per_block(outputs, inputs, sparsity, update):
    weight, hessian = problem(outputs, inputs, tokens=80)
    _, pruned = sparsegpt.solve(weight, hessian, parse_pattern(sparsity), update, block=8)
    for block in pruned.split(8, dim=1):
        exact = int(block.numel() * sparsity)
        assert int(block.sum()) == (min(exact + 1, block.numel()) if exact else 0)


@given(st.data())
def test_n_of_every_m_whatever_the_block(data):
    m = data.draw(st.integers(1, 12))
    n = data.draw(st.integers(0, m))
    inputs = m * data.draw(st.integers(1, 3))
    weight, hessian = problem(4, inputs, tokens=100)
    new, pruned = sparsegpt.solve(weight, hessian, parse_pattern(f"{n}:{m}"), block=128)
    assert (pruned.view(4, -1, m).sum(dim=2) == n).all() and (new[pruned] == 0).all()
    other, mask = sparsegpt.solve(weight, hessian, parse_pattern(f"{n}:{m}"), block=m + 1)
    assert mask.equal(pruned)
    torch.testing.assert_close(other, new, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_update_lowers_the_loss_on_the_inputs(pattern):
    weight, hessian = problem(8, 64)

    def loss(new):
        step = new - weight
        return float((step @ hessian * step).sum())

    updated, _ = sparsegpt.solve(weight, hessian, parse_pattern(pattern))
    plain, _ = sparsegpt.solve(weight, hessian, parse_pattern(pattern), update=False)
    assert loss(updated) < 0.75 * loss(plain)


@pytest.mark.parametrize("update", [True, False])
@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_dead_columns_become_zero_and_go_first(update, pattern):
    x = torch.randn(100, 8, generator=torch.Generator().manual_seed(0)) + 1
    x[:, [1, 6]] = 0
    weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(1)) * 100
    hessian = sparsegpt.hessian(Moments.of(x, gram=True))
    new, pruned = sparsegpt.solve(weight, hessian, parse_pattern(pattern), update)
    assert (new[:, [1, 6]] == 0).all() and pruned[:, [1, 6]].all()
    _, dead = sparsegpt.inverse_factor(hessian)
    assert dead.nonzero()[:, 0].tolist() == [1, 6]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_weight_keeps_its_dtype_and_is_not_changed(dtype):
    weight, hessian = problem(4, 16, dtype=dtype)
    before, h = weight.clone(), hessian.clone()
    new, pruned = sparsegpt.solve(weight, hessian, parse_pattern("2:4"))
    assert new.dtype == dtype and weight.equal(before) and hessian.equal(h)
    exact, mask = sparsegpt.solve(weight.double(), hessian, parse_pattern("2:4"))
    assert pruned.equal(mask)
    torch.testing.assert_close(new.double(), exact, rtol=0.02, atol=0.02)


def test_too_little_calibration():
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hessian = sparsegpt.hessian(Moments.of(x, gram=True))
    message = (
        "the Hessian of 12 input features is not positive definite at damping 0: "
        r"calibrate with more tokens \(at least one per feature\) or damp it more"
    )
    with pytest.raises(StadeError, match=message):
        sparsegpt.inverse_factor(hessian, damping=0)
    sparsegpt.inverse_factor(hessian)
    with pytest.raises(StadeError, match="the Hessian of 12 input features"):
        sparsegpt.solve(torch.ones(1, 12), hessian * float("nan"), parse_pattern("0.5"))


def test_what_is_not_positive_definite_has_no_factor():
    for off in (2.0, 100.0):  # a pivot below 0 whose square is none
        hessian = torch.tensor([[1, off, 0], [off, 1, 0], [0, 0, 1]], dtype=torch.float64)
        with pytest.raises(StadeError, match="is not positive definite at damping 0"):
            sparsegpt.inverse_factor(hessian, damping=0)


class Matrices(TorchDispatchMode):
    """The most matrices of some size that there are at once, besides those from outside."""

    def __init__(self, size):
        super().__init__()
        self.size, self.alive, self.most = size, {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **kwargs or {})
        for each in found if isinstance(found, tuple | list) else [found]:
            if isinstance(each, torch.Tensor) and each.untyped_storage().nbytes() == self.size:
                held = StorageWeakRef(each.untyped_storage())
                self.alive[held.cdata] = held
        self.alive = {key: held for key, held in self.alive.items() if not held.expired()}
        self.most = max(self.most, len(self.alive))
        return found


def test_few_matrices_of_the_inputs_size_at_once():
    """Of an input of 14,336 features, as Llama 3 has them, each takes 1.6 GB."""
    weight, hessian = problem(4, 48, dtype=torch.float32)
    with Matrices(hessian.nbytes) as matrices:
        sparsegpt.solve(weight, hessian, parse_pattern("2:4"))
    assert matrices.most <= 3  # and the Hessian itself


def test_bad_input():
    weight, hessian = problem(4, 12)
    with pytest.raises(StadeError, match="damping -1: expected 0 or more"):
        sparsegpt.solve(weight, hessian, parse_pattern("0.5"), damping=-1)
    with pytest.raises(StadeError, match=r"Hessian \(11, 11\) for a weight \(4, 12\)"):
        sparsegpt.solve(weight, hessian[:11, :11], parse_pattern("0.5"))
    with pytest.raises(StadeError, match="pattern 4:8 with 12 input features"):
        sparsegpt.solve(weight, hessian, parse_pattern("4:8"))
    weight[1, 2] = float("nan")
    with pytest.raises(StadeError, match="the weight holds NaN or infinity"):
        sparsegpt.solve(weight, hessian, parse_pattern("0.5"))
    with pytest.raises(StadeError, match="cross products were not gathered"):
        sparsegpt.hessian(Moments.zeros(3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_updates_that_overflow_are_refused(dtype):
    weight, hessian = problem(3, 12)
    large = (weight / weight.abs().max() * torch.finfo(dtype).max).to(dtype)
    with pytest.raises(StadeError, match="updated weights are not finite"):
        sparsegpt.solve(large, hessian, parse_pattern("2:4"))


def test_dead_columns_count_as_one_in_the_mean_that_damps():
    found, dead = sparsegpt.damped(torch.diag(torch.tensor([0.0, 4])), 0.5)
    assert found.tolist() == [[2.25, 0], [0, 5.25]] and dead.tolist() == [True, False]
