"""The paper's printed tables, recounted."""

import math

import pandas
import pytest

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.printed import Counts
from stade_nb.errors import StadeError


def test_table3_stade_against_wanda_10_2_9():
    compared = claims.printed.cells(3, "stade", "wanda")
    assert claims.printed.counts(compared) == Counts(10, 2, 9)
    older = compared["model"].isin(["llama-7b", "llama-2-7b", "llama-2-13b"])
    nm = compared["pattern"].isin(claims.printed.NM)
    assert claims.printed.counts(compared[older & nm]) == Counts(0, 0, 6)
    summed = [paper.printed_counts(3, "stade", "wanda", p) for p in ("0.5", "2:4", "4:8")]
    assert tuple(map(sum, zip(*summed, strict=True))) == (10, 2, 9)


def test_table3_magnitude_beats_both_on_one_cell():
    printed = claims.printed.wide(3)
    best = printed.idxmin(axis=1)
    assert list(best[best == "magnitude"].index) == [("llama-2-13b", "2:4")]
    assert printed.loc[("llama-2-13b", "2:4"), "magnitude"] == 8.89


def test_table3_growth_is_alike_for_the_two_models_that_the_text_contrasts():
    times = claims.printed.growth()[["stade", "wanda"]]
    for model in ("llama-3-8b", "llama-3.1-8b"):
        assert times.loc[(model, "0.5")].between(1.54, 1.61).all()
        assert times.loc[(model, "2:4")].between(3.45, 4.0).all()


def test_table3_what_the_audits_prose_says_of_it():
    compared = claims.printed.cells(3, "stade", "wanda")
    older = compared["model"].isin(["llama-7b", "llama-2-7b", "llama-2-13b"])
    nm = compared["pattern"].isin(claims.printed.NM)
    assert claims.printed.counts(compared[nm & ~older]) == Counts(7, 0, 1)
    times = claims.printed.growth()[["stade", "wanda"]]
    assert (times.loc["llama-3-8b"] > times.loc["llama-3.1-8b"]).all(axis=None)
    change = (compared["stade"] / compared["wanda"] - 1).abs()
    assert (change[compared["pattern"] == "0.5"] < 0.01).all()


def test_table4_counts_and_standard_error():
    compared = claims.printed.cells(4, "stade", "wanda")
    assert claims.printed.counts(compared) == Counts(10, 0, 17)
    nm = compared[compared["pattern"].isin(claims.printed.NM)]
    assert claims.printed.counts(nm) == Counts(6, 0, 12)
    error = claims.printed.standard_error()
    assert 0.55 < claims.printed.standard_error(0.3) < error < 0.65
    by_hand = 100 / 7 * math.sqrt(sum(0.25 / n for n in claims.printed.TASK_SIZES.values()))
    assert error == pytest.approx(by_hand, rel=1e-12)
    assert claims.printed.within(4, "stade", "wanda", error) == Counts(22, 0, 5)
    above = claims.printed.above_dense()
    assert set(above["model"]) == {"opt-125m"} and set(above["method"]) == {
        "wanda",
        "stade_without_bias",
    }


def test_table2_predictions_34_23_6():
    both = claims.printed.layers()
    assert claims.printed.counts(both) == Counts(34, 23, 6)
    last = both[(both["sparsity"] == 0.9) & (both["input"] == "centered")]
    assert (last["std"] < last["wanda"]).sum() == 3 and len(last) == 5
    assert (claims.printed.growth_at(0.9)["times"] > 2).all()
    worst = claims.printed.hurts_most()
    assert set(worst[worst.index <= 0.5]) == {"self_attn.v_proj"}
    assert set(worst[worst.index >= 0.6]) == {"mlp.gate_proj"}
    assert set(claims.printed.hurts_most("std")) == {"self_attn.v_proj"}


def test_table5_with_bias_10_of_12_and_the_noise_between_equal_methods():
    compared = claims.printed.cells(5, "stade", "stade_without_bias")
    assert claims.printed.counts(compared) == Counts(10, 0, 2)
    assert set(compared[compared["outcome"] == "worse"]["pattern"]) == {"0.5"}
    noise = claims.printed.noise()
    assert len(noise) == 12
    assert noise["llama-3.2-1b", "2:4"] == math.log(82.87 / 81.24)


def test_bad_questions_about_tables_are_named():
    with pytest.raises(StadeError, match="unknown table of methods 2"):
        claims.printed.wide(2)
    with pytest.raises(StadeError, match="unknown sparsity"):
        claims.printed.growth_at(0.95)
    with pytest.raises(StadeError, match="did you mean 'wanda'"):
        claims.printed.hurts_most("wnda")


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_printed_differences_against_noise(ratio):
    pairing = pandas.DataFrame({"paired": [ratio], "unpaired": [1.0]})
    apart, alike = claims.printed.accuracy_noise(pairing).itertuples()
    # Printed means are near a half, where the error is largest: 1.96 √2 times it at most.
    largest = 1.96 * math.sqrt(2) * claims.printed.standard_error(0.5)
    assert 0.9 * largest < apart.points <= largest
    assert alike.points == pytest.approx(ratio * apart.points)
    printed = paper.table(4).pivot(
        index=["model", "pattern"], columns="method", values="mean_accuracy_percent"
    )
    gaps = (printed["stade"] - printed["wanda"]).dropna()
    assert apart.above + apart.below + apart.within == len(gaps) == 27
    assert alike.above >= apart.above and alike.below >= apart.below
    assert (gaps > 1.05 * alike.points).sum() <= alike.above <= (gaps > 0.9 * alike.points).sum()
