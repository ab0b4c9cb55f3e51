"""The 3-gram baseline against its definition, counted with dictionaries."""

from collections import Counter

import numpy as np
import pytest

from stade_book.training.ngram import Trigram

VOCABULARY = 7


@pytest.fixture(scope="module")
def tokens():
    rng = np.random.default_rng(0)
    # a walk with rare jumps: contexts matter, many trigrams are seen once or never
    steps = rng.choice([0, 1, 2, 3, 4], p=[0.3, 0.55, 0.08, 0.05, 0.02], size=150)
    return np.cumsum(steps) % (VOCABULARY - 1)


def slow(tokens, context, word):
    """Interpolated Kneser-Ney, from the definition."""
    tokens = tokens.tolist()
    three = Counter(zip(tokens, tokens[1:], tokens[2:], strict=False))
    two = Counter()
    for _, b, c in three:
        two[b, c] += 1
    one = Counter()
    for _, c in two:
        one[c] += 1
    base = (one[word] + 1) / (sum(one.values()) + VOCABULARY)

    def discount(counts):
        frequencies = Counter(counts.values())
        return frequencies[1] / (frequencies[1] + 2 * frequencies[2])

    def step(counts, prefix, lower):
        following = {}
        for key, count in counts.items():
            if key[:-1] == prefix:
                following[key[-1]] = count
        total = sum(following.values())
        if not total:
            return lower
        d = discount(counts)
        return max(following.get(word, 0) - d, 0) / total + d * len(following) / total * lower

    lower = step(two, context[-1:], base)
    return step(three, context, lower) if len(context) == 2 else lower


def test_probabilities_equal_the_definition(tokens):
    model = Trigram.fit(tokens, VOCABULARY)
    for first in range(-1, VOCABULARY):
        for second in range(VOCABULARY):
            context = (second,) if first < 0 else (first, second)
            expected = [slow(tokens, context, word) for word in range(VOCABULARY)]
            found = model.probability(
                np.full(VOCABULARY, first), np.full(VOCABULARY, second), np.arange(VOCABULARY)
            )
            np.testing.assert_allclose(found, expected, rtol=1e-12)
            assert found.sum() == pytest.approx(1)


def test_window_losses_are_means_of_the_tokens_two_to_n(tokens):
    model = Trigram.fit(tokens, VOCABULARY)
    window = tokens[:5]
    probabilities = [slow(tokens, (window[0],), window[1])] + [
        slow(tokens, tuple(window[i - 2 : i]), window[i]) for i in range(2, 5)
    ]
    np.testing.assert_allclose(model.window_losses(window[None]), [-np.log(probabilities).mean()])
