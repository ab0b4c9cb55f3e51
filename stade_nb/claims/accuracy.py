"""How sure an accuracy is: `correct` of a task's `questions` were answered rightly."""

from scipy.stats import binomtest

CONFIDENCE = 0.95
LEVEL = 0.05


def interval(correct: int, questions: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of an accuracy.

    >>> [round(end, 3) for end in interval(150, 300)]
    [0.442, 0.558]
    """
    found = binomtest(correct, questions).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)


def p_value(correct: int, questions: int, chance: float) -> float:
    """The probability that guessing answers at least as many questions (one-sided binomial)."""
    return float(binomtest(correct, questions, chance, alternative="greater").pvalue)


def above_chance(correct: int, questions: int, chance: float, tasks: int = 1) -> bool:
    """Whether an accuracy is above chance at the 5 % level, Bonferroni-corrected over `tasks`."""
    return p_value(correct, questions, chance) < LEVEL / tasks
