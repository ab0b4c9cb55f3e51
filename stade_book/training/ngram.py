"""A 3-gram baseline: what a language model must beat to have learned more than word order.

Interpolated Kneser-Ney smoothing (Kneser & Ney 1995, in the interpolated form of Chen & Goodman
1999, one discount for each order).
"""

from dataclasses import dataclass

import numpy as np


def _count(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(keys, return_counts=True)


def _lookup(known: np.ndarray, values: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """values where a key is known, 0 elsewhere; ``known`` is sorted."""
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, values[at], 0)


def _discount(counts: np.ndarray) -> float:
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    return once / (once + 2 * twice) if once else 0.0


@dataclass(frozen=True)
class _Order:
    """Counts of one order: how often a word follows a context, and the context's totals."""

    keys: np.ndarray  # context * vocabulary + word, sorted
    counts: np.ndarray
    contexts: np.ndarray  # sorted
    totals: np.ndarray
    kinds: np.ndarray  # different words that follow each context
    discount: float
    vocabulary: int

    @classmethod
    def of(cls, keys: np.ndarray, counts: np.ndarray, vocabulary: int) -> "_Order":
        """From n-grams (context * vocabulary + word, sorted) and their counts, (n-grams,) each."""
        contexts, first = np.unique(keys // vocabulary, return_index=True)
        totals = np.add.reduceat(counts, first)
        kinds = np.diff(np.append(first, len(keys)))
        return cls(keys, counts, contexts, totals, kinds, _discount(counts), vocabulary)

    def interpolate(self, context: np.ndarray, word: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Discounted relative frequency plus the discounted mass times the lower order."""
        count = _lookup(self.keys, self.counts, context * self.vocabulary + word)
        total = _lookup(self.contexts, self.totals, context)
        kinds = _lookup(self.contexts, self.kinds, context)
        safe = np.maximum(total, 1)
        seen = np.maximum(count - self.discount, 0) / safe + self.discount * kinds / safe * lower
        return np.where(total > 0, seen, lower)


@dataclass(frozen=True)
class Trigram:
    """A smoothed 3-gram model over token ids below ``vocabulary``."""

    three: _Order
    two: _Order
    one: np.ndarray  # (vocabulary,) probabilities

    @classmethod
    def fit(cls, tokens: np.ndarray, vocabulary: int) -> "Trigram":
        """Count a stream of token ids, shape (N,), N >= 3."""
        tokens = np.asarray(tokens, dtype=np.int64)
        keys3, counts3 = _count((tokens[:-2] * vocabulary + tokens[1:-1]) * vocabulary + tokens[2:])
        # Kneser-Ney: a lower order counts the different contexts a word completes
        keys2, counts2 = _count(keys3 % vocabulary**2)
        words, kinds = _count(keys2 % vocabulary)
        one = np.zeros(vocabulary)
        one[words] = kinds
        # one pseudo-count a word keeps every token possible
        one = (one + 1) / (one.sum() + vocabulary)
        return cls(
            _Order.of(keys3, counts3, vocabulary), _Order.of(keys2, counts2, vocabulary), one
        )

    def probability(self, first: np.ndarray, second: np.ndarray, word: np.ndarray) -> np.ndarray:
        """P(word | first second), elementwise; ``first`` < 0 stands for an unknown token."""
        first, second, word = (np.asarray(a, dtype=np.int64) for a in (first, second, word))
        backed = self.two.interpolate(second, word, self.one[word])
        context = np.where(first < 0, -1, first * len(self.one) + second)
        return np.where(first < 0, backed, self.three.interpolate(context, word, backed))

    def window_losses(self, windows: np.ndarray) -> np.ndarray:
        """Mean negative log-likelihood (nats) of tokens 2..n of each window, shape (windows,)."""
        windows = np.asarray(windows, dtype=np.int64)
        first = np.concatenate([np.full((len(windows), 1), -1), windows[:, :-2]], axis=1)
        probability = self.probability(first, windows[:, :-1], windows[:, 1:])
        return -np.log(probability).mean(axis=1)
