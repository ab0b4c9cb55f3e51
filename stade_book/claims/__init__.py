"""The paper's claims: what it prints, the rule that decides each claim, and the verdict."""

from stade_book.claims import (
    accuracy,
    layers,
    pairing,
    paper,
    perplexity,
    printed,
    printed_claims,
    reproduction,
    scorecard,
    theory,
    verdicts,
)
