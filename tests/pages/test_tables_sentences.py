"""Sentences of the pages beyond the paper, on made-up tables: they say what the rows say."""

import math

import pandas
import pytest

from stade_book.claims.verdicts import NOT_RUN
from stade_book.pages.tables import sentences
from stade_book.studies import layer_losses
from stade_nb.corpus import questions


def test_corrected_pairs_are_said_for_each_metric_over_models():
    pairs = pandas.DataFrame(
        [
            ("one", "wanda", 3, 3, 0),
            ("one", "std_without_correction", 3, 3, 3),
            ("other", "wanda", 2, 1, 1),
        ],
        columns=["model", "method", "pairs", "loss", "perplexity"],
    )
    assert sentences.corrected(pairs) == (
        "the loss falls in 7 of 8 pairs, the perplexity in 1 of 5 with Wanda + bias "
        "correction, in 3 of 3 with STD metric"
    )
    assert sentences.corrected(pairs.iloc[:0]) == NOT_RUN


@pytest.mark.parametrize(
    ("rho", "word"),
    [(0.9, layer_losses.PREDICTS), (0.6, "predicts partly"), (-0.1, layer_losses.FAILS)],
)
def test_a_correlation_has_the_rules_word(rho, word):
    firm = pandas.DataFrame({"model": ["m"] * 3, "whole": [-1.0, rho, 1.0]})
    said = sentences.without_copies(firm)
    assert said == f"m: {word} (median {rho:.2f})".replace("(median -", "(median −")
    assert sentences.without_copies(firm.iloc[:0]) == NOT_RUN


def test_the_interaction_is_that_of_the_design_and_models_asked_for():
    found = pandas.DataFrame(
        [("a", "own", 0.784), ("b", "own", 0.36), ("small", "own", 0.1), ("a", "all", 0.2)],
        columns=["model", "design", "together"],
    )
    assert sentences.together(found, "own", ["a", "b"]) == "a 78 %, b 36 %"
    assert sentences.together(found, "own", ["c"]) == NOT_RUN


def test_no_gain_to_begin_with_is_said():
    swaps = pandas.DataFrame({"change": [0.1, 0.2], "verdict": ["open", "open"]})
    before = swaps.assign(verdict=["open", "contradicted"])
    assert sentences.dsnot(swaps, before) == (
        "supported 0, open 2, contradicted 0 of 2. DSnoT's perplexity is lower than Wanda's to "
        "begin with: supported 0, open 1, contradicted 1 of 2 (+10.0 to +20.0 %)"
    )
    assert sentences.dsnot(swaps.iloc[:0], before) == NOT_RUN


def test_the_bias_in_down_is_said_of_one_model_twice():
    places = pandas.DataFrame(
        [
            ("one", "2:4", "wanda_bias_down", -0.046),
            ("one", "0.5", "wanda_bias_down", 0.02),
            ("other", "2:4", "wanda_bias_down", 0.5),
        ],
        columns=["model", "pattern", "below", "change"],
    )
    tried = pandas.DataFrame(
        [
            ("one", "v", "none", "mean", "2:4", 0.3),
            ("one", "down", "none", "median", "2:4", 0.2),
            ("one", "down", "none", "mean", "2:4", 0.042),
            ("other", "down", "none", "mean", "2:4", 0.9),
        ],
        columns=["model", "part", "plain", "way", "pattern", "change"],
    )
    said = sentences.bias_in_down(places, tried)
    assert said == {"down_anew": "−4.6 %", "down_alone": "+4.2 %"}
    neither = sentences.bias_in_down(places, tried.iloc[:0])
    assert neither == dict.fromkeys(said, NOT_RUN)


def test_differences_go_from_short_windows_to_long_ones():
    found = pandas.DataFrame(
        [
            ("m", 2048, "stade", 0.048),
            ("m", 512, "stade", 0.024),
            ("m", 512, "wanda", math.nan),
            ("m", 512, "std", -0.01),
            ("m", 2048, "std", 0.02),
        ],
        columns=["model", "length", "method", "change"],
    )
    assert sentences.lengths(found) == "m, STADE +2.4 to +4.8 %, STD metric −1.0 to +2.0 %"
    assert sentences.lengths(found.iloc[:0]) == NOT_RUN


def test_tasks_are_the_books_own_seven_or_named():
    own = list(questions.TASKS)
    assert sentences.asked([*own, *own]) == "seven tasks made for this book's small models"
    assert sentences.asked(own[:2]) == "affirmed or denied, true premise"
    assert sentences.asked(["rte", "rte", "boolq"]) == "rte, boolq"


def test_how_often_place_and_measurement_agree():
    row = pandas.DataFrame({"agree": [0.27], "layers": [210], "inputs": [0.38]}).itertuples()
    said = "place and measurement agree in 27 % of 210 layers, counted by input in 38 %"
    assert sentences.agreeing(next(row)).replace("%", " %") == said
