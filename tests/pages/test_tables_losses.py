"""The pages on layers' losses and inputs: what is read is what the records say."""

import math

import pytest

from stade_book.pages.notebooks import LayerInputs
from stade_book.pages.tables import earlier, losses, sentences
from stade_book.studies import first_tokens, layer_inputs, layer_losses, measured, shipped
from stade_nb.errors import StadeError

REAL = ["smollm2-135m", "gemma-3-270m"]


def test_real_cells_have_the_loss_of_the_record_and_the_perplexity_of_the_protocol():
    found = losses.real(REAL)
    assert list(dict.fromkeys(found["model"])) == REAL and len(found) > 60
    record = measured.of(layer_inputs.STUDY, REAL[0], losses.COMMAND)
    at = [tuple(cell) for cell in record["cells"]].index(("wanda", "2:4", "row"))
    values = [kinds[kind][at] for kinds in record["errors"] for kind in kinds]
    (row,) = found.query(
        "model == @REAL[0] and method == 'wanda' and pattern == '2:4'"
    ).itertuples()
    assert row.loss == pytest.approx(sum(map(math.log, values)) / len(values))
    own = [
        r["perplexity"]
        for r in shipped.rows(REAL[0])
        if (r["method"], r["pattern"], r["layers"]) == ("wanda", "2:4", "all")
        and shipped.sources(r) == earlier.TEXTS
        and (r["calibration_corpus"]["windows"], r["evaluation_corpus"]["length"]) == (32, 512)
        and r["seed"] == 0  # some methods were run with one seed: all are ranked on that one
    ]
    assert own == [row.perplexity]


def test_real_cells_of_single_layer_types_have_the_losses_of_the_record():
    found = losses.real_types(REAL)
    assert set(found["model"]) == set(REAL) and len(found) >= 80
    assert found.groupby(["model", "layer_type", "method", "pattern"]).size().max() == 1
    (row,) = found.query(
        "model == @REAL[0] and layer_type == 'self_attn.v_proj' and method == 'std' "
        "and pattern == '0.5'"
    ).itertuples()
    record = measured.of(layer_inputs.STUDY, REAL[0], losses.COMMAND)
    at = [tuple(cell) for cell in record["cells"]].index(("std", "0.5", "row"))
    values = [kinds["self_attn.v_proj"][at] for kinds in record["errors"]]
    assert row.loss == pytest.approx(sum(map(math.log, values)) / len(values))
    said = sentences.types(found)
    assert said["types"].startswith(f"{REAL[0]}: the loss ") and REAL[1] in said["types"]
    assert "STD metric and Wanda " in said["pairs"] and " of 21" in said["pairs"]
    one = sentences.types(found[found["model"] == REAL[1]])  # a single method there
    assert one["pairs"] == "not run here" and REAL[1] in one["types"]
    assert losses.real_types(["llama-230k"]).empty
    assert set(sentences.types(found.iloc[:0]).values()) == {"not run here"}


def test_a_model_without_a_record_has_no_rows_and_says_how_to_get_them():
    assert losses.real(["llama-230k"]).empty
    assert "python -m workflow.layers --model llama-230k" in losses.earlier_said(["llama-230k"])
    with pytest.raises(StadeError, match=r"python -m workflow\.layers --model llama-230k measures"):
        measured.of(layer_inputs.STUDY, "llama-230k", losses.COMMAND)


def test_a_study_that_grew_on_two_days_says_both(monkeypatch):
    said = losses.earlier_said(REAL[:1], first_tokens.STUDY)
    assert "32 × 512 tokens of c4_documents.txt, evaluated on 64 × 512 of wiki.test.raw" in said
    record = measured.of(first_tokens.STUDY, REAL[0], "")
    assert record["versions"]["torch"] in said and record["record"][:12] in said
    early = record["computed"] | {"date": "2026-01-02", "threads": 2}
    cells = [{"seconds": 1000.0, "computed": early}, {"seconds": 500.0}]
    monkeypatch.setattr(measured, "of", lambda *_: record | {"cells": cells})
    said = losses.earlier_said(REAL[:1], first_tokens.STUDY)
    assert f"2026-01-02 to {record['computed']['date']}, 1,500 s" in said
    assert "1 thread and" in said and "2 threads" in said


@pytest.fixture(scope="module")
def entered():
    p = LayerInputs(
        models=["llama-230k"], real_models=REAL, patterns=["0.5"], calibration="embedded",
        windows=4, window_length=64, seeds=[0], device="cpu", dtype="float32", batch_size=4,
    )  # fmt: skip
    return losses.entering(p)


def test_every_layer_of_every_model_has_its_inputs_and_losses(entered):
    inputs, lost = entered
    assert list(dict.fromkeys(inputs["model"])) == [*REAL, "llama-230k"]
    assert len(inputs[inputs["model"] == REAL[0]]) == 30 * 7
    assert set(lost["pattern"]) == {"0.5"} and set(lost["model"]) == set(inputs["model"])
    by = losses.by_type(inputs)
    assert by["measured"].between(0, 1).all() and len(by) == 3 * 7
    costs = losses.choices(inputs, lost, "0.5")
    assert (costs[[*losses.centred_inputs.CHOICES]] >= 0).all(axis=None)
    explained = losses.explained(inputs, lost, "0.5")
    assert list(explained["model"]) == list(dict.fromkeys(inputs["model"]))
    assert len(losses.without_first(inputs)) == len(by)


def test_values_are_read_block_by_block():
    found = losses.values(REAL)
    assert found.groupby("model").size().to_dict() == {REAL[0]: 30, REAL[1]: 18}
    assert (found["ratio"] == found["first"] / found["others"]).all()
    assert layer_losses.METHODS >= 5


def test_effects_without_first_tokens_are_held_against_what_a_nudge_does():
    gained = first_tokens.gains(first_tokens.recorded(REAL))
    sure = gained[gained["verdict"] != "open"].copy()
    known = (sure["model"] == REAL[0]).sum()  # the other model was not nudged
    said = f"{known} of {known} on {REAL[0]} are larger than"
    assert 0 < known < len(sure)
    assert losses.beyond_a_nudge(sure.assign(change=1.0), REAL) == said
    assert losses.beyond_a_nudge(sure.assign(change=1e-6), REAL).startswith(f"0 of {known} ")
    assert losses.beyond_a_nudge(sure.iloc[:0], REAL) == "not run here"
