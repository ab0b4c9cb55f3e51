"""The rules on made-up layers: inputs whose means are known, losses that go with them or not."""

import math

import pytest

from stade_book.studies import centred_inputs as study
from stade_book.studies.layer_losses import long

SHARES = [0.0, 0.5, 0.95, 1.0]
KINDS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj")
TYPES = 7  # q, k and v share an input, and so do gate and up


def entered(ratio):
    of = {"ratio": [0.0, ratio, 2 * ratio, 3 * ratio], "kurtosis": [3.0, 4.0, 5.0, 6.0]}
    of |= {"variance": [0.5, 1.0, 2.0, 8.0], "tail": 0.01, "constant": 0}
    return {"all": of, "rest": of | {"tail": 0.0}}


def table(ratios):
    """One block; ratios: of q, o, gate and down."""
    block = {kind: entered(ratio) for kind, ratio in zip(KINDS, ratios, strict=True)}
    return study.described("m", [block], SHARES)


def losses(**by_method):
    """method -> a loss for each of the seven layer types, in the order of the table."""
    types = list(table([1, 1, 1, 1])["layer_type"])
    cells = [(method, "0.5", "row") for method in by_method]
    errors = {kind: [by_method[m][at] for m in by_method] for at, kind in enumerate(types)}
    return long("m", cells, [errors])


def test_place_and_measurement_are_compared_layer_by_layer():
    found = table([0.05, 1.0, 0.05, 1.0])
    assert len(found) == TYPES and (found["place"] == found["measured"]).all()
    assert study.split(found)["word"].tolist() == ["holds"]
    turned = table([1.0, 0.05, 1.0, 0.05])
    assert study.split(turned)[["agree", "word"]].values.tolist() == [[0.0, "does not hold"]]
    half = study.split(table([0.05, 1.0, 1.0, 1.0])).iloc[0]  # gate and up are not centred
    assert half["agree"] == pytest.approx(5 / 7) and half["word"] == "holds in part"
    assert half["inputs"] == pytest.approx(3 / 4)  # gate and up read one input
    # Another limit, 2, would agree everywhere with a model whose norms leave means of half a sigma.
    other = study.split(table([0.5, 3.0, 0.5, 3.0])).iloc[0]
    assert (other["agree"], other["best"], other["every"]) == pytest.approx((2 / 7, 1, 5 / 7))
    row = found.iloc[0]
    assert (row["high"], row["kurtosis"], row["spread"]) == (0.1, 4.0, 8.0)
    assert (row["tail"], row["tail_rest"]) == (0.01, 0.0)


def test_a_right_choice_costs_nothing_and_a_wrong_one_what_it_loses():
    found = table([0.05, 1.0, 0.05, 1.0])
    place = found["place"].tolist()
    # Where a norm precedes Wanda's loss is half of STD's, elsewhere twice that.
    wanda = [1.0 if centred else 2.0 for centred in place]
    std = [2.0 if centred else 1.0 for centred in place]
    (row,) = study.choices(found, losses(wanda=wanda, std=std)).itertuples()
    assert row.pair == "STADE's own" and row.first == pytest.approx(5 / 7)
    cost = study.choices(found, losses(wanda=wanda, std=std)).iloc[0]
    assert cost["by place"] == cost["by measurement"] == 0
    assert cost["always the first"] == pytest.approx(2 / 7 * math.log(2))
    assert cost["always the second"] == pytest.approx(5 / 7 * math.log(2))


def test_pairs_are_those_whose_cells_are_there():
    ones = [1.0] * TYPES
    methods = dict.fromkeys(("wanda", "std", "wanda_with_bias", "std_without_correction"), ones)
    assert list(study.choices(table([1] * 4), losses(**methods))["pair"]) == list(study.PAIRS)


def test_a_statistic_that_goes_with_the_winner_is_found():
    found = table([0.1, 0.2, 0.3, 0.4])
    wanda = [math.exp(ratio) for ratio in found["ratio"]]
    lost = losses(wanda_with_bias=wanda, std=[1.0] * TYPES)
    rho = study.explained(found, lost).set_index("statistic")["rho"]
    assert rho.to_dict() == {"ratio": pytest.approx(1)}  # the others are the same in all layers
