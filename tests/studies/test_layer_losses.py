"""The rule on made-up cells: one model whose losses rank as perplexities do, one the other way."""

import math

import pandas
import pytest

from stade_book.studies import layer_losses as study


def cells(perplexity, model="m", patterns=("0.5", "2:4")):
    """Six methods at each pattern, with losses 1 to 6 and what `perplexity` makes of them."""
    return pandas.DataFrame(
        [
            (model, pattern, f"method {loss}", "row", float(loss), perplexity(loss))
            for pattern in patterns
            for loss in range(1, 7)
        ],
        columns=[*study.CELL, "loss", "perplexity"],
    )


def test_ranks_that_agree_predict_and_those_that_do_not_fail():
    same, turned = cells(math.exp), cells(lambda loss: -loss, "turned")
    found = study.answers(pandas.concat([same, turned]))
    assert list(found["word"]) == [study.PREDICTS, study.FAILS]
    assert list(found["median"]) == pytest.approx([1, -1])
    assert study.word(found) == study.DEPENDS and study.word(found[:1]) == study.PREDICTS
    mixed = cells(lambda loss: [2, 1, 4, 3, 6, 5][loss - 1], "partly")
    assert study.answers(mixed)["word"].tolist() == [study.PREDICTS]  # rho 0.83
    swapped = cells(lambda loss: [3, 2, 1, 6, 5, 4][loss - 1], "partly")
    assert study.answers(swapped)["median"].tolist() == pytest.approx([1 - 6 * 16 / (6 * 35)])
    assert study.answers(swapped)["word"].tolist() == [study.PARTLY]


def test_patterns_together_judge_nothing():
    """More zeros are worse by any measure: within each pattern the order is turned."""
    one = cells(lambda loss: 10 - loss, patterns=("0.3",))
    more = cells(lambda loss: 110 - loss, patterns=("0.7",)).assign(loss=lambda t: t["loss"] + 10)
    found = study.answers(pandas.concat([one, more])).iloc[0]
    assert found["together"] > 0.4 and found["median"] == pytest.approx(-1)
    assert found["word"] == study.FAILS and found["cells"] == 12


def test_a_pattern_with_few_methods_is_not_ranked():
    few = cells(math.exp, patterns=("0.5",)).iloc[: study.METHODS - 1]
    assert study.by_pattern(few).empty and study.answers(few).empty


def test_losses_are_means_of_logarithms_over_layers():
    table = study.long(
        "m",
        [("wanda", "0.5", "row"), ("std", "0.5", "row")],
        [{"q": [0.1, 0.2], "v": [0.3, 0.4]}, {"q": [0.5, 0.6], "v": [0.7, 0.8]}],
    )
    found = study.losses(table).set_index("method")["loss"]
    assert found["wanda"] == pytest.approx(sum(map(math.log, (0.1, 0.3, 0.5, 0.7))) / 4)
    by = study.losses(table, ["layer_type"]).set_index(["method", "layer_type"])["loss"]
    assert by["std", "v"] == pytest.approx((math.log(0.4) + math.log(0.8)) / 2)


def test_a_cell_needs_both_and_the_seeds_that_all_methods_have_are_averaged():
    asked = [("wanda", "0.5", "row"), ("std", "0.5", "row")]
    loss = study.losses(study.long("m", asked, [{"q": [0.1, 0.2]}]))
    rows = [("0.5", "wanda", 0, 10.0), ("0.5", "wanda", 1, 14.0), ("0.5", "wanda", 2, 99.0),
            ("0.5", "std", 0, 20.0), ("0.5", "std", 1, 30.0), ("0.5", "ria", 2, 1.0),
            ("2:4", "wanda", 0, 1.0)]  # fmt: skip
    ran = pandas.DataFrame(rows, columns=["pattern", "method", "seed", "perplexity"])
    found = study.beside(loss, ran.assign(model="m", scope="row"))
    assert dict(zip(found["method"], found["perplexity"], strict=True)) == {"wanda": 12, "std": 25}


def test_corrected_pairs_are_counted():
    found = pandas.DataFrame(
        [
            ("m", "0.5", "wanda", "row", 2.0, 10.0),
            ("m", "0.5", "wanda_with_bias", "row", 1.0, 11.0),
            ("m", "0.5", "std_without_correction", "row", 2.0, 10.0),
            ("m", "0.5", "std", "row", 1.0, 9.0),
            ("m", "0.5", "magnitude", "layer", 2.0, 10.0),  # its partner is not there
            ("m", "2:4", "wanda", "row", 2.0, 10.0),
            ("m", "2:4", "wanda_with_bias", "row", 3.0, 9.0),
        ],
        columns=[*study.CELL, "loss", "perplexity"],
    )
    rows = list(study.corrected(found).itertuples(index=False, name=None))
    assert rows == [("m", "wanda", 2, 1, 1), ("m", "std_without_correction", 1, 1, 1)]


def test_a_correlation_that_hangs_on_some_methods_is_seen():
    """Five of eleven methods rank the other way: with them the interval has zero in it."""
    firm = cells(math.exp, patterns=("0.5",))
    turned = firm.iloc[:5].assign(
        method=[f"wanda_bias_{n}" for n in range(5)], perplexity=[500.0, 400, 300, 200, 100]
    )
    found = study.firmness(pandas.concat([firm, turned]))
    (row,) = found.itertuples()
    assert row.low < 0 < row.high and row.low < row.rho < row.high
    assert (row.methods, row.whole_methods) == (11, 6) and row.whole == pytest.approx(1)
    (alone,) = study.firmness(firm).itertuples()
    assert [alone.low, alone.high] == pytest.approx([1, 1]) and alone.whole_methods == 6


def test_the_medians_interval_draws_the_same_methods_at_all_patterns():
    """One pattern ranks as its losses, one the other way: the median is zero for any methods."""
    up, down = cells(math.exp, patterns=("0.5",)), cells(lambda loss: -loss, patterns=("2:4",))
    (both,) = study.spans(pandas.concat([up, down])).itertuples()
    assert [both.low, both.high] == pytest.approx([0, 0], abs=1e-9)
    (alone,) = study.spans(up).itertuples()
    assert [alone.low, alone.high] == pytest.approx([1, 1])
    turned = up.assign(perplexity=[3.0, 2, 1, 6, 5, 4])
    (row,) = study.spans(turned).itertuples()
    assert row.low < 0.5 < row.high
    assert study.spans(up.iloc[: study.METHODS - 1]).empty
