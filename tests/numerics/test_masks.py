"""Selection against sorting in plain Python, ties included."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stade_nb.errors import StadeError
from stade_nb.numerics import masks
from stade_nb.numerics.masks import Pattern, parse_pattern

NAN = float("nan")


def slow(values, count):
    """The rule itself: sort by (score, position); the first `count` go."""
    order = sorted(range(len(values)), key=lambda j: (values[j], j))
    return [j in order[:count] for j in range(len(values))]


WIDTHS = st.integers(1, 40)
VALUES = st.one_of(st.integers(0, 3), st.sampled_from([-0.0, math.inf, 0.5, 1e-30]))


@st.composite
def scores(draw, columns=WIDTHS):
    """Small matrices; whole-number scores from a few values make ties the rule."""
    width = draw(columns)
    row = st.lists(VALUES, min_size=width, max_size=width)
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=4)), dtype=torch.float32)


@pytest.mark.parametrize(
    ("given", "pattern", "text"),
    [
        ("0.5", Pattern(0.5), "0.5"),
        (0.37, Pattern(0.37), "0.37"),
        ("50%", Pattern(0.5), "0.5"),
        (" 33.3% ", Pattern(0.333), "0.333"),
        (".25", Pattern(0.25), "0.25"),
        (0, Pattern(0.0), "0.0"),
        (1, Pattern(1.0), "1.0"),
        (1e-5, Pattern(1e-5), "1e-05"),
        ("2:4", Pattern(0.5, 2, 4), "2:4"),
        ("0:3", Pattern(0.0, 0, 3), "0:3"),
        ("3:3", Pattern(1.0, 3, 3), "3:3"),
    ],
)
def test_patterns(given, pattern, text):
    parsed = parse_pattern(given)
    assert parsed == pattern and str(parsed) == text
    assert parse_pattern(text) == parsed and parse_pattern(parsed) is parsed


@pytest.mark.parametrize("bad", ["", "half", "2:4:8", "2/4", "0,5", True, None, "nan", "-2:4"])
def test_patterns_that_cannot_be_read(bad):
    with pytest.raises(StadeError, match=r"expected a share such as .* or N:M"):
        parse_pattern(bad)


@pytest.mark.parametrize("bad", [-0.1, "1.01", "101%", 124, 50])
def test_shares_out_of_range(bad):
    with pytest.raises(StadeError, match="expected a share from 0 to 1"):
        parse_pattern(bad)


@pytest.mark.parametrize("bad", ["5:4", "0:0", "1:0"])
def test_impossible_groups(bad):
    with pytest.raises(StadeError, match=f"pattern {bad}: expected N:M with whole numbers"):
        parse_pattern(bad)


def test_patterns_that_contradict_themselves():
    with pytest.raises(StadeError, match=r"sparsity 0\.3 with pattern 2:4: expected 0\.5"):
        Pattern(0.3, 2, 4)
    with pytest.raises(StadeError, match="pattern 2:None"):
        Pattern(0.5, 2)
    with pytest.raises(StadeError, match="sparsity nan"):
        Pattern(NAN)


@given(scores(), st.floats(0, 1))
def test_rows_against_sorting(score, sparsity):
    mask = masks.unstructured(score, Pattern(sparsity))
    count = int(score.shape[1] * sparsity)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [slow(row, count) for row in score.tolist()]


@given(scores(), st.floats(0, 1))
def test_a_whole_layer_against_sorting(score, sparsity):
    mask = masks.unstructured(score, Pattern(sparsity, scope="layer"))
    flat = score.flatten().tolist()
    assert mask.shape == score.shape
    assert mask.flatten().tolist() == slow(flat, int(len(flat) * sparsity))


@given(scores(), st.floats(0, 1), st.integers(0, 3))
def test_extra_weights_are_the_next_lowest(score, sparsity, extra):
    mask = masks.select(score, sparsity, extra=extra)
    count = int(score.shape[1] * sparsity) + extra
    assert mask.tolist() == [slow(row, count) for row in score.tolist()]
    mask = masks.select(score, Pattern(sparsity, scope="layer"), extra=extra)
    flat = score.flatten().tolist()
    assert mask.flatten().tolist() == slow(flat, int(len(flat) * sparsity) + extra * len(score))


def test_no_extra_weights_in_groups():
    with pytest.raises(StadeError, match=r"pattern 2:4 with one more .* stores M - N values"):
        masks.select(torch.ones(2, 8), "2:4", extra=1)


@given(st.data())
def test_groups_against_sorting(data):
    m = data.draw(st.integers(1, 20))
    n = data.draw(st.integers(0, m))
    score = data.draw(scores(columns=st.integers(1, 3).map(lambda groups: groups * m)))
    mask = masks.n_of_m(score, Pattern(n / m, n, m))
    assert (mask.view(-1, m).sum(dim=1) == n).all()
    groups = score.view(-1, m).tolist()
    assert mask.view(-1, m).tolist() == [slow(group, n) for group in groups]


@given(scores(columns=st.integers(2, 40)), st.data())
def test_both_ways_of_ranking_agree(score, data):
    count = data.draw(st.integers(1, score.shape[1] - 1))
    threshold = masks._lowest_threshold(score, count)
    assert masks._lowest_pairwise(score, count).equal(threshold)


@pytest.mark.parametrize("pattern", ["0.5", "0.37", "2:4", "4:8", "12:24"])
def test_equal_scores_lose_their_lower_columns(pattern):
    mask = masks.select(torch.ones(3, 48), pattern)
    group = parse_pattern(pattern).m or 48
    count = int(group * parse_pattern(pattern).sparsity)
    expected = ([True] * count + [False] * (group - count)) * (48 // group)
    assert mask.tolist() == [expected] * 3


@given(scores(columns=st.just(24)), st.sampled_from(["0.3", "2:4", "5:12", "20:24"]), st.data())
def test_the_order_of_rows_and_a_positive_factor_are_irrelevant(score, pattern, data):
    order = data.draw(st.permutations(range(len(score))))
    factor = data.draw(st.sampled_from([0.25, 2.0, 1024.0]))
    mask = masks.select(score, pattern)
    assert masks.select(score[order], pattern).equal(mask[order])
    assert masks.select(score * factor, pattern).equal(mask)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("pattern", ["0.5", "0.9", "2:4", "24:32"])
def test_large_scores_of_every_dtype(dtype, pattern):
    score = torch.rand(16, 320, generator=torch.Generator().manual_seed(0)).to(dtype)
    m = parse_pattern(pattern).m or 320
    count = int(m * parse_pattern(pattern).sparsity)
    expected = [slow(group, count) for group in score.view(-1, m).tolist()]
    assert masks.select(score, pattern).view(-1, m).tolist() == expected


def test_selection_leaves_the_scores_alone_and_takes_views():
    score = torch.rand(40, 24, generator=torch.Generator().manual_seed(0))
    before = score.clone()
    for pattern in ("0.5", "2:4"):
        for scope in masks.SCOPES:
            parsed = parse_pattern(pattern, scope)
            mask = masks.select(score.T, parsed)
            assert mask.equal(masks.select(score.T.contiguous(), parsed))
    assert score.equal(before)


def test_a_share_is_of_each_row_or_of_the_whole_layer_as_its_pattern_says():
    score = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert masks.select(score, 0.5).tolist() == [[True, False], [True, False]]
    layer = parse_pattern(0.5, "layer")
    assert masks.select(score, layer).tolist() == [[True, True], [False, False]]
    assert parse_pattern(layer) is layer and str(layer) == "0.5" and layer != parse_pattern(0.5)


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_scores_that_are_no_numbers(pattern):
    score = torch.tensor([[1.0, NAN, 2.0, NAN]])
    with pytest.raises(StadeError, match="2 of 4 scores are NaN: expected numbers"):
        masks.select(score, pattern)


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_scores_of_the_wrong_shape(pattern):
    with pytest.raises(StadeError, match=r"scores of shape \(8,\): expected"):
        masks.select(torch.ones(8), pattern)


def test_groups_that_do_not_fill_the_columns():
    message = "pattern 4:8 with 12 input features: expected a multiple of 8"
    with pytest.raises(StadeError, match=message):
        masks.select(torch.ones(2, 12), "4:8")


def test_unknown_scope():
    with pytest.raises(StadeError, match="unknown scope 'rows': did you mean 'row'"):
        Pattern(0.5, scope="rows")
    with pytest.raises(StadeError, match="unknown scope 'output'"):
        parse_pattern("2:4", "output")
