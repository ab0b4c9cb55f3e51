"""Do distilled models gain most from STADE?"""

import math

import pandas
import pytest

from stade_nb import claims
from stade_nb.claims.printed import relative_gain


def table(**gains: float) -> pandas.DataFrame:
    """Perplexities where STADE is lower by `gains` (logarithm) for each model."""
    rows = [
        (model.replace("_", "-"), method, pattern, 10 * math.exp(-gain * (method == "stade")))
        for model, gain in gains.items()
        for method in ("wanda", "stade")
        for pattern in ("0.5", "2:4")
    ]
    frame = pandas.DataFrame(rows, columns=["model", "method", "pattern", "perplexity"])
    known = {"one-b": "llama-3.2-1b", "eight-b": "llama-3-8b"}
    return frame.assign(paper_model=frame["model"].map(lambda model: known.get(model)))


def test_every_distilled_model_must_gain_more_than_every_other():
    assert claims.perplexity.verdict(table(one_b=0.2, eight_b=0.1)) == claims.verdicts.HOLDS
    assert (
        claims.perplexity.verdict(table(one_b=0.2, eight_b=0.1, mine=0.3)) == claims.verdicts.FAILS
    )
    found = claims.perplexity.gains(table(one_b=0.2, eight_b=0.1))
    assert list(found.index) == ["one-b", "eight-b"]
    assert found["one-b"] == pytest.approx(0.2)


def test_is_not_run_without_models_of_both_kinds():
    assert claims.perplexity.verdict(table(mine=0.1, other=0.2)) == claims.verdicts.NOT_RUN
    assert claims.perplexity.verdict(table(one_b=0.2)) == claims.verdicts.NOT_RUN
    only_wanda = table(one_b=0.2, eight_b=0.1).query("method == 'wanda'")
    assert claims.perplexity.verdict(only_wanda) == claims.verdicts.NOT_RUN


def test_row_says_what_the_printed_numbers_say():
    name, _, printed, here, counts = claims.perplexity.row(table(mine=0.1))
    assert (name, here) == ("distilled-gain-most", claims.verdicts.NOT_RUN)
    ranking = list(relative_gain().index)
    assert ranking.index("llama-3-8b") == 1  # before two of the distilled
    assert printed == "does not hold: the distilled ones are number 1, 3, 4 of 7"
    assert counts == "no model that the paper calls distilled"
