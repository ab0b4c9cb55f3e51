"""Statistics of layer inputs against two-pass float64 sums and the reference code."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stade_nb.errors import StadeError
from stade_nb.numerics import moments
from stade_nb.numerics.moments import Moments


def gathered(*batches, gram=True):
    result = Moments.zeros(batches[0].shape[-1], gram=gram)
    for batch in batches:
        result.update(batch)
    return result


def rows(count, features, seed=0, shift=0.5):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed)) + shift


def assert_same(one, other):
    assert one.count == other.count
    for name in ("mean", "m2", "cross"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-11, atol=1e-11)


def test_golden(golden):
    got = gathered(*golden["X"])
    assert got.count == 640
    torch.testing.assert_close(got.mean.float(), golden["std/mean"], rtol=0, atol=1e-6)
    torch.testing.assert_close(got.variance.float(), golden["std/variance"], rtol=1e-4, atol=0)
    # The reference divides by the root of the number of windows, which ranks the same.
    score = golden["W"].abs() * got.norm.float() / len(golden["X"]) ** 0.5
    torch.testing.assert_close(score, golden["wanda/score"], rtol=1e-5, atol=0)


def test_every_quantity_against_loops():
    x = rows(7, 3)
    got = gathered(x[:2], x[2:])
    values = x.double().tolist()
    for j in range(3):
        column = [row[j] for row in values]
        mean = sum(column) / 7
        squares = sum((value - mean) ** 2 for value in column)
        raw = sum(value**2 for value in column)
        assert float(got.mean[j]) == pytest.approx(mean, rel=1e-12)
        assert float(got.m2[j]) == pytest.approx(squares, rel=1e-12)
        assert float(got.variance[j]) == pytest.approx(squares / 6, rel=1e-12)
        assert float(got.second_moment[j]) == pytest.approx(raw / 7, rel=1e-12)
        assert float(got.squared_norm[j]) == pytest.approx(raw, rel=1e-12)
        assert float(got.norm[j]) == pytest.approx(raw**0.5, rel=1e-12)
        for k in range(3):
            product = sum(row[j] * row[k] for row in values)
            assert float(got.gram[j, k]) == pytest.approx(product, rel=1e-12)
    for name in ("mean", "m2", "variance", "second_moment", "squared_norm", "norm", "gram"):
        assert getattr(got, name).dtype == torch.float64


@pytest.mark.parametrize("ratio", [1000, 3000, 30000])
@pytest.mark.parametrize("gram", [False, True])
def test_a_large_mean_costs_no_accuracy(ratio, gram):
    x = rows(4096, 5, shift=float(ratio))
    got = gathered(*x.split(100), gram=gram)
    exact = x.double().var(dim=0)
    assert ((got.variance - exact).abs() / exact).max() < 1e-9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_dtype_and_any_leading_shape(dtype):
    x = rows(24, 4).to(dtype)
    assert_same(gathered(x.view(2, 3, 4, 4)), gathered(x.double()))


def test_one_token_as_a_vector_and_no_tokens():
    got = gathered(torch.ones(3), torch.empty(2, 0, 3))
    assert got.count == 1 and got.mean.tolist() == [1, 1, 1] and got.m2.tolist() == [0, 0, 0]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(0, 99))
def test_how_tokens_are_batched_is_irrelevant(sizes, seed):
    x = rows(sum(sizes), 3, seed)
    assert_same(gathered(x, gram=True), gathered(*x.split(sizes)))


@given(st.lists(st.integers(0, 6), min_size=3, max_size=3), st.integers(0, 99))
def test_the_order_of_merges_is_irrelevant(sizes, seed):
    parts = [gathered(part) for part in rows(sum(sizes), 3, seed).split(sizes)]
    results = []
    for order in permutations(parts):
        total = Moments.zeros(3, gram=True)
        for part in order:
            total.merge(part)
        results.append(total)
    for other in results[1:]:
        assert_same(results[0], other)


def test_merging_leaves_the_other_alone():
    one, other = gathered(rows(5, 2)), gathered(rows(4, 2, seed=1))
    mean, cross = other.mean.clone(), other.cross.clone()
    one.merge(other)
    one.update(rows(3, 2))
    assert other.count == 4 and other.mean.equal(mean) and other.cross.equal(cross)


def test_merging_into_nothing_does_not_share_memory():
    total, part = Moments.zeros(2, gram=True), gathered(rows(4, 2))
    before = part.cross.clone()
    total.merge(part)
    total.update(rows(4, 2, seed=1))
    assert part.cross.equal(before)


def test_large_batches_go_in_chunks(monkeypatch):
    x = rows(50, 4)
    whole = gathered(x)
    monkeypatch.setattr(moments, "CHUNK", 12)
    assert_same(whole, gathered(x))


def test_inputs_that_require_gradients_leave_no_graph():
    assert not gathered(rows(4, 2).requires_grad_()).mean.requires_grad


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(bad):
    got = gathered(rows(4, 3))
    before = gathered(rows(4, 3))
    x = rows(6, 3, seed=1)
    x[2, 1] = bad
    with pytest.raises(StadeError, match=r"not finite in 1 of 3 features \(first: feature 1\)"):
        got.update(x)
    assert_same(got, before)
    later = gathered(rows(4, 3))
    later.update(x, finite=False)
    later.update(rows(4, 3, seed=2), finite=False)
    with pytest.raises(StadeError, match=r"not finite in 1 of 3 features \(first: feature 1\)"):
        later.check_finite()
    got.check_finite()


def test_wrong_width_and_dtype():
    with pytest.raises(StadeError, match=r"shape \(2, 4\): expected \(\.\.\., 3\)"):
        Moments.zeros(3).update(torch.zeros(2, 4))
    with pytest.raises(StadeError, match=r"shape \(\): expected \(\.\.\., 3\)"):
        Moments.zeros(3).update(torch.tensor(1.0))
    with pytest.raises(StadeError, match=r"dtype torch.int64: expected a float dtype"):
        Moments.zeros(3).update(torch.zeros(2, 3, dtype=torch.long))


def test_statistics_that_do_not_belong_together():
    with pytest.raises(StadeError, match="statistics of 4 features cannot join those of 3"):
        Moments.zeros(3).merge(Moments.zeros(4))
    with pytest.raises(StadeError, match="with and without cross products"):
        Moments.zeros(3).merge(Moments.zeros(3, gram=True))
    with pytest.raises(StadeError, match=r"use Moments.zeros\(\.\.\., gram=True\)"):
        _ = gathered(rows(4, 3), gram=False).gram


@pytest.mark.parametrize(
    ("name", "tokens", "least"),
    [
        ("variance", 1, 2),
        ("second_moment", 0, 1),
        ("squared_norm", 0, 1),
        ("norm", 0, 1),
        ("gram", 0, 1),
    ],
)
def test_too_few_tokens(name, tokens, least):
    with pytest.raises(StadeError, match=f"of {tokens} tokens: expected at least {least}"):
        getattr(gathered(torch.ones(tokens, 3)), name)


def test_moments_of_tokens_are_those_of_one_update():
    x = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0))
    other = Moments.zeros(5, gram=True)
    other.update(x)
    found = Moments.of(x, gram=True)
    assert found.count == 21 and found.mean.equal(other.mean) and found.gram.equal(other.gram)
    assert Moments.of(x).cross is None
    with pytest.raises(StadeError, match="inputs of shape"):
        Moments.of(torch.tensor(1.0))
