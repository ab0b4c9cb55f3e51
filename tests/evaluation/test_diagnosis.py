"""The diagnosis names what is known, and what was put into runs of the embedded models."""

import functools
from math import exp, log

import pytest

import stade_nb as snb
import stade_nb.beyond.methods
from stade_nb.errors import StadeError
from stade_nb.evaluation.diagnosis import DENSE, Numbers, causes, expected, known, text

MODELS = ["llama-230k", "opt-340k"]
LENGTH, WINDOWS = 128, 24


def names(found: list) -> list[str]:
    return [cause.name for cause in found]


@pytest.mark.parametrize(
    ("model", "method", "pattern", "numbers", "cause"),
    [
        ("llama-7b", "wanda", "0.5", Numbers(7.09, 5.68), "calibration"),
        ("llama-2-7b", "wanda", "0.5", Numbers(6.42, 5.12), "window"),
        ("llama-2-7b", DENSE, DENSE, Numbers(5.12, 5.12), "window"),
        ("llama-2-7b", "magnitude", "0.5", Numbers(14.89, 5.12), "window"),
        ("llama-2-7b", "magnitude", "0.5", Numbers(11.83, 5.12), "competition"),
    ],
)
def test_of_known_pairs_the_numbers_give_the_cause(model, method, pattern, numbers, cause):
    assert names(causes(method, expected(model, method, pattern), numbers))[0] == cause
    (row,) = known(model, method, pattern, numbers.pruned)
    assert row["cause"] == cause
    assert row["how"] in text(model, method, pattern, numbers, None)


def test_a_model_may_be_named_by_its_id_of_the_hub():
    for name, hub_id in (
        ("llama-7b", "huggyllama/llama-7b"),
        ("llama-3.2-1b", "meta-llama/llama-3.2-1B"),
    ):
        said = text(name, "wanda", "0.5", Numbers(7.09), None)
        assert text(hub_id, "wanda", "0.5", Numbers(7.09), None) == said.replace(name, hub_id, 1)
    assert "7.09 has been reported" in text(
        "huggyllama/llama-7b", "wanda", "0.5", Numbers(7.09), None
    )


def test_a_number_of_another_text_is_known_where_sizes_cannot_tell():
    said = text("llama-7b", "wanda", "0.5", Numbers(7.72), None)
    assert "WikiText-103" in said and "1. another evaluation text" in said


def test_a_model_that_is_thirty_times_worse_may_lack_its_first_token():
    """As Gemma is without it."""
    found = causes("wanda", Numbers(20.0, 10.0), Numbers(520.0, 300.0))
    assert set(names(found)[:2]) == {"bos", "tokenizer"}


@pytest.mark.parametrize("number", [76.2, 85.8])
def test_a_cell_that_two_papers_print_differently_is_said_to_be_so(number):
    assert "two papers" in text("llama-7b", "wanda", "0.7", Numbers(number), None)


def test_the_printed_number_needs_no_cause():
    assert causes("wanda", expected("llama-7b", "wanda", "0.5"), Numbers(7.26, 5.68)) == []
    assert "no difference to explain" in text("llama-7b", "wanda", "0.5", Numbers(7.26), None)


@pytest.mark.parametrize("method", ["std", "wanda_bias_v", "greedy_with_bias"])
def test_biases_may_be_lost_of_every_method_that_corrects_them(method):
    usual, found = Numbers(7.0, 5.68), Numbers(7.4, 5.68)
    assert "correction" in names(causes(method, usual, found))
    assert "biases that were not added" in text("llama-7b", method, "0.5", found, usual)
    for plain in ("greedy", "std_without_correction"):
        assert "correction" not in names(causes(plain, usual, found))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(StadeError, match=r"unknown model 'my-model': known: .*with --expected"):
        text("my-model", "wanda", "0.5", Numbers(9.0), None)
    with pytest.raises(StadeError, match="unknown model 'llama7b': did you mean 'llama-7b'"):
        text("llama7b", "wanda", "0.5", Numbers(7.09), None)
    with pytest.raises(
        StadeError, match=r"perplexity of llama-7b, wanda, 0\.1 is known .*give one"
    ):
        text("llama-7b", "wanda", "0.1", Numbers(7.09), None)
    with pytest.raises(StadeError, match="expected a number above 1"):
        Numbers(0.5)
    with pytest.raises(StadeError, match="did you mean 'wanda'"):
        text("llama-7b", "wnda", "0.5", Numbers(7.3), None)


@functools.cache
def loaded(model: str):
    _, tokenizer = snb.load(model)
    return tokenizer, snb.evaluation_windows("embedded", tokenizer, WINDOWS, LENGTH)


@functools.cache
def measured(model: str, method: str = "wanda", cause: str = "") -> Numbers:
    """Perplexities, unpruned and at 50 %, with `cause` put into the run."""
    tokenizer, ids = loaded(model)
    calibration = snb.calibration_windows("embedded", tokenizer, WINDOWS, LENGTH, seed=0)
    if cause == "calibration":
        calibration = ids
    elif cause == "other calibration":
        calibration = calibration[:2]
    elif cause == "correction":
        method = "std_without_correction"
    scope = {"competition": "layer"}.get(cause, "row")
    units = ids.numel()
    if cause == "window":
        ids = ids.reshape(-1, LENGTH // 4)
    elif cause == "tokenizer":
        ids = (ids + 17) % len(tokenizer)
    elif cause == "words":
        units = len(tokenizer.decode(ids.flatten()).split())
    found = []
    for pruned in (False, True):
        network, _ = snb.load(model)
        if pruned:
            snb.prune_model(network, calibration, snb.Cell(method, snb.parse_pattern("0.5", scope)))
        found.append(exp(log(snb.perplexity(network, ids)) * ids.numel() / units))
    return Numbers(found[1], found[0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("cause", "method"),
    [
        ("words", "wanda"),
        ("window", "wanda"),
        ("tokenizer", "wanda"),
        ("calibration", "wanda"),
        ("competition", "wanda"),
        ("competition", "magnitude"),
        ("correction", "std"),
        ("other calibration", "wanda"),
    ],
)
def test_a_cause_put_into_a_run_is_among_the_first_two(model, cause, method):
    usual = measured(model, method)
    if method == "magnitude":
        found, usual = usual, measured(model, method, "competition")
    else:
        found = measured(model, method, cause)
    said = names(causes(method, usual, found))
    if (model, cause, method) == ("opt-340k", "competition", "wanda"):
        assert said == [] and abs(found.pruned / usual.pruned - 1) < 0.0025  # it changes nothing
    else:
        assert cause in said[:2]


def test_of_an_unpruned_model_no_cause_is_in_the_pruning():
    """What is expected may be given without --expected-dense: the number is the unpruned one."""
    said = text("llama-7b", DENSE, "0", Numbers(6.0), Numbers(5.68))
    assert "compete" not in said and "--dense" not in said and "1. " in said
    assert "competition" not in names(causes(DENSE, Numbers(5.68), Numbers(6.0)))
