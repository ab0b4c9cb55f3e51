"""Every score against its equation written as loops, and the masks of the reference code."""

import pytest
import torch
from conftest import PATTERNS

from stade_nb.errors import StadeError
from stade_nb.numerics import masks, metrics, sparsegpt
from stade_nb.numerics.moments import Moments


@pytest.fixture(scope="module")
def layer():
    """A float64 weight (4, 6), inputs (50, 6) that are not centred, and their statistics."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    x = torch.randn(50, 6, generator=generator, dtype=torch.float64) + torch.arange(6)
    moments = Moments.zeros(6, gram=True)
    moments.update(x)
    return weight, x, moments


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", ["wanda", "std", "stade_without_bias"])
def test_golden_masks(golden, golden_moments, name, pattern):
    # The reference's layer is one whose input is not centred: there STADE (w/o bias) is Eq. 9.
    metric = metrics.METRICS["without_bias" if name == "stade_without_bias" else name]
    score = metric.score(golden["W"], golden_moments, None)
    assert score.dtype == torch.float32
    assert masks.select(score, pattern).equal(golden[f"{name}/{pattern}/pruned"])


def loops(weight, score_of):
    return torch.tensor(
        [[score_of(w, j) for j, w in enumerate(row)] for row in weight.tolist()],
        dtype=torch.float64,
    )


def test_scores_against_loops(layer):
    weight, x, moments = layer
    columns = x.T.tolist()
    count = len(x)
    mean = [sum(column) / count for column in columns]
    squares = [
        sum((value - mu) ** 2 for value in column) for column, mu in zip(columns, mean, strict=True)
    ]
    raw = [sum(value**2 for value in column) for column in columns]
    expected = {
        "magnitude": loops(weight, lambda w, j: abs(w)),
        "wanda": loops(weight, lambda w, j: raw[j] ** 0.5 * abs(w)),
        "std": loops(weight, lambda w, j: squares[j] / (count - 1) * w**2),
        "without_bias": loops(
            weight, lambda w, j: (squares[j] / (count - 1) + mean[j] ** 2) * w**2
        ),
        "without_bias_as_printed": loops(weight, lambda w, j: (squares[j] + mean[j] ** 2) * w**2),
    }
    for name, score in expected.items():
        got = metrics.METRICS[name].score(weight, moments, None)
        torch.testing.assert_close(got, score, rtol=1e-12, atol=0, msg=name)


def test_sparsegpt_score(layer):
    weight, _, moments = layer
    factor, _ = sparsegpt.inverse_factor(sparsegpt.hessian(moments))
    expected = loops(weight, lambda w, j: w**2 / float(factor[j, j]) ** 2)
    got = metrics.sparsegpt(weight, factor.diagonal())
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=0)


def test_std_ranks_as_equation_11_does(layer):
    weight, x, moments = layer
    printed = (x - x.mean(dim=0)).norm(dim=0) * weight.abs()
    assert metrics.std(weight, moments.variance).argsort().equal(printed.argsort())


def test_wanda_is_the_optimum_without_a_bias(golden, golden_moments):
    """Audit 4: Eq. 9's masks are Wanda's up to N against N - 1; Eq. 12 as printed is the STD's.

    Both differences vanish as 1/N; the golden layer has 640 tokens only.
    """
    weight, x = golden["W"], golden_moments
    consistent = metrics.without_bias(weight, x.mean, x.variance)
    printed = metrics.without_bias_as_printed(weight, x.mean, x.variance, x.count)
    for pattern in PATTERNS:
        wanda = masks.select(metrics.wanda(weight, x.norm), pattern)
        std = masks.select(metrics.std(weight, x.variance), pattern)
        assert (masks.select(consistent, pattern) != wanda).float().mean() < 1e-3
        assert (masks.select(printed, pattern) != std).float().mean() < 5e-3
        assert (wanda != std).float().mean() > 0.05


def test_squares_of_half_precision_weights_do_not_underflow():
    weight = torch.tensor([[6e-8, 1e-4]], dtype=torch.float16)
    one = torch.ones(2, dtype=torch.float64)
    for score in (
        metrics.std(weight, one),
        metrics.without_bias(weight, 0 * one, one),
        metrics.sparsegpt(weight, one),
    ):
        assert score.dtype == torch.float32 and (score > 0).all() and score[0, 0] < score[0, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_are_float32_or_better(dtype, layer):
    weight, _, moments = layer
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    for metric in metrics.METRICS.values():
        if metric.score and metric.needs:
            assert metric.score(weight.to(dtype), moments, None).dtype == wide


def test_random_follows_its_generator():
    weight = torch.zeros(3, 5, dtype=torch.float16)
    first = metrics.random(weight, torch.Generator().manual_seed(1))
    assert first.shape == weight.shape and first.min() >= 0 and first.max() < 1
    assert first.equal(metrics.random(weight, torch.Generator().manual_seed(1)))
    assert not first.equal(metrics.random(weight, torch.Generator().manual_seed(2)))
    state = torch.get_rng_state()
    metrics.random(weight, torch.Generator())
    assert state.equal(torch.get_rng_state())


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16])
def test_random_is_the_same_whatever_torchs_default_dtype_is(default):
    """A record of "random" says its seed, and not what the caller has set."""
    weight = torch.ones(3, 40)
    expected = metrics.random(weight, torch.Generator().manual_seed(1))
    torch.set_default_dtype(default)
    try:
        found = metrics.random(weight, torch.Generator().manual_seed(1))
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float32 and found.equal(expected)


def test_statistics_of_another_layer():
    message = r"statistics \(3,\) for a weight \(2, 4\): expected \(in,\) and \(out, in\)"
    with pytest.raises(StadeError, match=message):
        metrics.wanda(torch.ones(2, 4), torch.ones(3))
    with pytest.raises(StadeError, match=r"statistics \(1,\)"):
        metrics.std(torch.ones(2, 4), torch.ones(1))
    with pytest.raises(StadeError, match=r"for a weight \(4,\)"):
        metrics.sparsegpt(torch.ones(4), torch.ones(4))
