"""What tables of perplexities decide: claims, gains of distilled models, orders."""

import math

import pandas
import pytest

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.verdicts import CONTRADICTED, MIXED, NOT_RUN, PRINTED, SUPPORTED

METHODS = ["magnitude", "wanda", "stade"]


def test_orders_say_how_often_printed_and_what_holds_here(ran):
    pairs = paper.printed_orders(3, METHODS, ["2:4"])
    rows = claims.perplexity.as_printed(3, pairs, claims.verdicts.judge(ran, pairs))
    row = rows.set_index("order").loc["STADE < Wanda"]
    assert row["times"] == "4 of 7"
    assert (row["one"], row["two"]) == ("−9.5 %: supported", "+10.5 %: contradicted")


def test_tally_counts_wins_ties_and_losses(ran):
    same = ran["method"].eq("stade") & ran["model"].eq("two") & ran["pattern"].eq("0.5")
    wanda = ran["method"].eq("wanda") & ran["model"].eq("two") & ran["pattern"].eq("0.5")
    ran.loc[same, "losses"] = ran.loc[wanda, "losses"].to_numpy()
    pairs = paper.against_others(3, "stade", [*METHODS, "std"], ["0.5", "2:4", "0.7"])
    assert [claim.above for claim in pairs] == ["magnitude", "wanda"]
    rows = claims.perplexity.tally(3, claims.verdicts.judge(ran, pairs), pairs)
    counted = rows.set_index(["comparison", "sparsity"])
    assert counted.loc[("STADE against Magnitude", "50 %"), "here"] == "2 / 0 / 0"
    assert counted.loc[("STADE against Wanda", "50 %"), "here"] == "1 / 1 / 0"
    assert counted.loc[("STADE against Wanda", "2:4"), "here"] == "1 / 0 / 1"
    # Table 3 at 50 %: lower for three models, equal for two, higher for two.
    assert counted.loc[("STADE against Wanda", "50 %"), "printed"] == "3 / 2 / 2"
    assert counted.loc[("STADE against Wanda", "70 %")].tolist() == ["not run here", "not printed"]


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


def word(frame: pandas.DataFrame) -> str:
    return claims.perplexity.of_gains(frame).word


def test_every_distilled_model_must_gain_more_than_every_other():
    assert word(table(one_b=0.2, eight_b=0.1)) == SUPPORTED
    found = claims.perplexity.of_gains(table(one_b=0.2, eight_b=0.1, mine=0.3))
    assert str(found.count) == (
        "supported 1, open 0, contradicted 1 of 2; the distilled ones are number 2 of 3"
    )
    assert word(table(one_b=0.2, mine=0.3)) == CONTRADICTED
    gains = claims.perplexity.gains(table(one_b=0.2, eight_b=0.1))
    assert list(gains.index) == ["one-b", "eight-b"]
    assert gains["one-b"] == pytest.approx(0.2)


def test_is_not_run_without_models_of_both_kinds():
    assert word(table(mine=0.1, other=0.2)) == word(table(one_b=0.2)) == NOT_RUN
    assert word(table(one_b=0.2, eight_b=0.1).query("method == 'wanda'")) == NOT_RUN


def test_what_is_printed_of_the_distilled_models():
    gains = claims.perplexity.gains(paper.table(3))
    assert list(gains.index).index("llama-3-8b") == 1  # before two of the distilled
    (found,) = claims.printed_claims.of_distilled()
    assert (found.by, found.word) == (PRINTED, MIXED)
    assert str(found.count).startswith("supported 10, open 0, contradicted 2 of 12; the distilled")
    assert "number 1, 3, 4 of 7" in found.count.note


def test_a_claim_is_its_comparisons_counted(ran):
    made = paper.TEXT_CLAIMS[3]
    judged = claims.verdicts.judge(ran, made)
    found = {verdict.id: verdict for verdict in claims.perplexity.decide(made, judged)}
    # STADE is below magnitude in 4 of 4; below Wanda on the first model, above on the second.
    assert str(found["best-without-update"].count).startswith("supported 6, open 0, contradicted 2")
    assert found["more-general"].word == MIXED and found["opt-alike"].word == NOT_RUN
    assert found["more-general"].count.lowest == pytest.approx(math.expm1(-0.1))
    assert found["more-general"].count.highest == pytest.approx(math.expm1(0.1))
    assert found["more-general"].where == "one, two"


def test_models_with_biases_of_their_own_are_counted_apart(ran):
    frame = ran.replace({"method": {"magnitude": "stade_without_bias"}})
    adds = frame["model"].eq("one") & frame["method"].eq("stade")
    frame["added_bias"] = [{"o_proj": 8 * int(added)} for added in adds]
    made = [claim for claim in paper.TEXT_CLAIMS[5] if claim.id == "nm-bias-better"]
    (found,) = claims.perplexity.decide(made, claims.verdicts.judge(frame, made))
    assert found.count[:3] == (1, 0, 0)
    assert found.count.note.startswith(
        "not counted, on models with biases of their own: supported 1"
    )


def test_equal_parameters_compares_stade_with_as_many_parameters_as_wanda(ran):
    equal = ran[ran["method"] == "stade"].assign(method="stade_equal_parameters")
    equal["losses"] = [[loss + 0.05 for loss in losses] for losses in equal["losses"]]
    equal["perplexity"] = equal["perplexity"] * 2**0.05  # the fixture takes 2 for e
    frame = pandas.concat([ran, equal])
    found = claims.perplexity.of_equal_parameters(frame)
    # The first model still gains 0.05 of 0.1; N:M, which fixes the numbers, does not count.
    assert (found.word, found.count[:3]) == (MIXED, (1, 0, 1))
    assert found.count.lowest == pytest.approx(math.expm1(-0.05))
    assert found.count.note == "left of STADE's gain: 50 % on one, no gain on two"
    # Of a seed that the three do not share nothing is taken.
    apart = ran.assign(seed=9, perplexity=ran["perplexity"] * 3)
    more = pandas.concat([frame, apart[apart["method"].isin(["wanda", "stade"])]])
    assert claims.perplexity.of_equal_parameters(more).count == found.count
    assert claims.perplexity.of_equal_parameters(ran).word == NOT_RUN
