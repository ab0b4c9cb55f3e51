"""Whatever is given to masks, moments, biases and patterns: StadeError, or what an oracle says."""

import contextlib
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from stade_nb.errors import StadeError
from stade_nb.numerics import bias, masks
from stade_nb.numerics.masks import Pattern, parse_pattern
from stade_nb.numerics.methods import METHODS, prune_layer
from stade_nb.numerics.moments import Moments

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
NUMBERS = st.one_of(
    st.floats(width=32),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45, 3e38, 1e300]),
)
SHAPES = st.lists(st.integers(0, 6), max_size=3)


@st.composite
def tensors(draw, shapes=SHAPES, dtypes=DTYPES):
    """A tensor of any shape and dtype, of numbers that layers have and of others."""
    shape = tuple(draw(shapes))
    flat = draw(st.lists(NUMBERS, min_size=math.prod(shape), max_size=math.prod(shape)))
    dtype = draw(st.sampled_from(dtypes))
    if not dtype.is_floating_point:
        flat = [int(max(-9, min(9, one))) if math.isfinite(one) else 0 for one in flat]
    return torch.tensor(flat, dtype=torch.float64).to(dtype).reshape(shape)


LAYERS = st.tuples(st.integers(1, 5), st.integers(1, 8))
DIGITS = st.text("0123456789", min_size=1, max_size=30)
READABLE = st.one_of(
    st.builds("{}:{}".format, st.integers(0, 5), st.integers(0, 9)),
    st.builds("{}%".format, st.integers(0, 101)),
    st.floats(0, 1),
)
ANYTHING = st.one_of(
    READABLE,
    st.builds("{}:{}".format, DIGITS, DIGITS),
    st.builds("{}e-{}".format, DIGITS, DIGITS),
    st.text("0123456789.:%eE+- \u0663\n", max_size=12),
    st.text(max_size=8),
    st.floats(),
    st.integers(),
    st.none() | st.booleans() | st.binary(max_size=4),
    st.lists(st.integers(), max_size=2),
)


@given(ANYTHING, st.sampled_from(["row", "layer", "column", "", None, 0]))
@example("1e-99999999999999999999", "row")
@example("1e-400", "row")
@example("9" * 5000 + ":1", "row")
@example("1:" + "9" * 5000, "row")
@example("0." + "1" * 4000, "row")
def test_a_pattern_is_read_as_its_text_says_or_refused(text, scope):
    try:
        pattern = parse_pattern(text, scope)
    except StadeError as error:
        assert len(str(error)) < 600 and "\n" not in str(error)
        return
    assert pattern.scope in ("row", "layer") and 0 <= pattern.sparsity <= 1
    if pattern.m is None:
        said = str(text).strip()
        exact = Fraction(said.rstrip("%")) / (100 if said.endswith("%") else 1)
        assert pattern.sparsity == pytest.approx(float(exact), rel=1e-15)
        assert bool(pattern.sparsity) == bool(exact)  # a share is never rounded to nothing
    else:
        assert f"{pattern.n}:{pattern.m}" == ":".join(str(int(n)) for n in text.split(":"))
    assert parse_pattern(str(pattern), scope) == pattern


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
@example(0.5, 1.5, 3, "row")
@example(True, None, None, "row")
@example(0.5, None, None, ["row"])
def test_a_pattern_made_by_hand_is_whole_or_refused(sparsity, n, m, scope):
    with contextlib.suppress(StadeError):
        pattern = Pattern(sparsity, n, m, scope)
        assert isinstance(pattern.sparsity, int | float) and 0 <= pattern.sparsity <= 1
        assert pattern.m is None or (type(pattern.n), type(pattern.m)) == (int, int)


def removed_and_kept(score, pruned):
    """The highest score of what goes and the lowest of what stays; None where there is neither."""
    gone, stay = score[pruned], score[~pruned]
    return (float(gone.max()), float(stay.min())) if gone.numel() and stay.numel() else None


@given(tensors(), READABLE, st.integers(-2, 3), st.sampled_from(["row", "layer"]))
def test_a_mask_has_the_exact_number_and_the_lowest_scores(score, text, extra, scope):
    try:
        pattern = parse_pattern(text, scope)
        pruned = masks.select(score, pattern, extra)
    except StadeError:
        return
    assert pruned.dtype == torch.bool and pruned.shape == score.shape and not score.isnan().any()
    rows, columns = score.shape
    if pattern.m is not None:
        groups = [(one, pattern.n) for one in zip(*_cut(score, pruned, pattern.m), strict=True)]
    elif scope == "row":
        count = min(columns, int(columns * pattern.sparsity) + extra)
        groups = [(one, count) for one in zip(score, pruned, strict=True)]
    else:
        count = min(score.numel(), int(score.numel() * pattern.sparsity) + extra * rows)
        groups = [((score.flatten(), pruned.flatten()), count)]
    for (numbers, gone), count in groups:
        assert int(gone.sum()) == count
        pair = removed_and_kept(numbers, gone)
        assert pair is None or pair[0] <= pair[1]


def _cut(score, pruned, m):
    return score.reshape(-1, m), pruned.reshape(-1, m)


@given(st.lists(tensors(st.tuples(st.integers(0, 5), st.integers(0, 4)), DTYPES), max_size=3))
def test_moments_are_those_of_numpy_in_float64(batches):
    width = batches[0].shape[-1] if batches else 2
    moments, taken = Moments.zeros(width, gram=True), []
    for batch in batches:
        before = moments.count, moments.mean.clone()
        try:
            moments.update(batch)
            taken.append(batch.double().numpy())
        except StadeError:
            assert moments.count == before[0] and moments.mean.equal(before[1])
    x = np.concatenate([np.zeros((0, width)), *taken])
    assert moments.count == len(x)
    with np.errstate(over="ignore"):
        for name, least, expected in (
            ("variance", 2, lambda: x.var(axis=0, ddof=1)),
            ("second_moment", 1, lambda: (x**2).mean(axis=0)),
            ("gram", 1, lambda: x.T @ x),
        ):
            if len(x) < least:
                with pytest.raises(StadeError, match="expected at least"):
                    getattr(moments, name)
                continue
            wanted = expected()
            # What cancels is as exact as the largest term of its sum.
            scale = float(np.max(x**2, initial=0)) * len(x)
            got = getattr(moments, name).numpy()
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12 * scale + 1e-300)


@given(tensors(), tensors(), tensors(), st.none() | tensors())
@example(torch.ones(2, 3), torch.ones(2, 3), torch.ones(3), None)
@example(torch.ones(2, 3), torch.ones(2, 3).bool(), torch.ones(3), torch.ones(3))
@example(torch.ones(2, 3), torch.ones(2, 3).bool(), torch.ones(3).long(), None)
def test_anything_in_the_place_of_a_layer_is_refused_or_corrected(weight, pruned, mean, old):
    with contextlib.suppress(StadeError):
        new = bias.corrected(old, weight, pruned, mean)
        assert new.shape == weight.shape[:1]


@given(st.data(), LAYERS)
def test_a_correction_is_the_sum_of_equation_7(data, shape):
    weight = data.draw(tensors(st.just(shape), [torch.float32]))
    mean = data.draw(tensors(st.just(shape[1:]), [torch.float64]))
    flags = data.draw(st.lists(st.booleans(), min_size=weight.numel(), max_size=weight.numel()))
    pruned = torch.tensor(flags).reshape(shape)
    got = bias.correction(weight, pruned, mean)
    for i, row in enumerate(weight.double().tolist()):
        terms = [row[j] * float(mean[j]) for j in range(shape[1]) if pruned[i, j]]
        kept = [float(mean[j]) for j in range(shape[1]) if not pruned[i, j]]
        if all(map(math.isfinite, terms + kept)):
            expected = math.fsum(terms)
            largest = max(map(abs, terms), default=0.0)
            assert float(got[i]) == pytest.approx(expected, rel=1e-12, abs=1e-12 * largest)


@given(st.data(), LAYERS, st.sampled_from(sorted(METHODS)), READABLE, st.booleans())
def test_a_pruned_layer_has_its_zeros_or_is_refused(data, shape, method, text, centred):
    weight = data.draw(tensors(st.just(shape), [torch.float32]))
    x = data.draw(tensors(st.tuples(st.integers(0, 9), st.just(shape[1])), [torch.float32]))
    try:
        moments = Moments.of(x, gram=True)
        generator = torch.Generator().manual_seed(0)
        layer = prune_layer(
            weight, None, moments, method, text, centred=centred, generator=generator
        )
    except StadeError:
        return
    assert layer.weight.shape == weight.shape == layer.pruned.shape
    assert not layer.weight[layer.pruned].count_nonzero()
    if not METHODS[method].updates_weights:
        assert layer.weight[~layer.pruned].equal(weight[~layer.pruned])
    pattern = METHODS[method].pattern(text)
    if pattern.m is not None and not METHODS[method].updates_weights:
        assert (layer.pruned.reshape(-1, pattern.m).sum(dim=1) == pattern.n).all()
