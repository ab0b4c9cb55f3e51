"""The shipped models: what their records say is true, and they are trained well enough."""

import pytest
import torch

from stade_book.training import cards, recipes, train
from stade_book.training.cards import record
from stade_book.training.recipes import RECIPES
from stade_nb.corpus import documents
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.models import loading

NAMES = loading.embedded_models()


@pytest.fixture(scope="module", params=NAMES)
def shipped(request):
    """(name, model, tokenizer) of each shipped model."""
    return request.param, *loading.load(request.param)


def test_each_architecture_is_shipped_in_two_sizes_and_every_model_has_its_recipe():
    assert set(NAMES) <= set(RECIPES)
    for architecture in ("llama", "opt"):
        sizes = {
            record(name)["parameters_outside_embeddings"]
            for name in NAMES
            if RECIPES[name].architecture == architecture
        }
        assert len(sizes) >= 2


def test_all_together_stay_below_40_megabytes():
    files = (path for path in loading.EMBEDDED.rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in files) < 40e6


@pytest.fixture(scope="module")
def held_out():
    """The evaluation text in windows; what a tokenizer made of it is kept for its equals."""
    streams = {}

    def windows(tokens, length):
        own = tokens.backend_tokenizer.to_str()
        if own not in streams:
            streams[own] = train.stream("evaluation", tokens)
        return train.cut(streams[own], length, train.VALIDATION_WINDOWS)

    return windows


def test_the_recorded_perplexity_is_that_of_the_shipped_weights(shipped, held_out):
    name, model, tokens = shipped
    found = perplexity(model, held_out(tokens, RECIPES[name].window))
    assert found == pytest.approx(record(name)["evaluation_perplexity"], rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_small_and_long(name):
    run = record(name)
    assert run["tokens_per_parameter"] >= 100
    assert run["recipe"] == RECIPES[name].as_dict()
    # flat at the end: the last twentieth of the training changes the loss by less than 0.5 %
    held_out = [point[2] for point in run["curve"]]
    before, last = held_out[-max(2, len(held_out) // 20) - 1], held_out[-1]
    assert last == pytest.approx(before, rel=0.005)
    assert run["validation_perplexity"] < 0.9 * run["ngram_perplexity"]


@pytest.mark.parametrize("name", NAMES)
def test_trained_on_the_recorded_text_or_the_card_says_that_it_was_not(name):
    """The lock fixes the text but for a file or two that not every installation has."""
    run, recorded = record(name), documents.recorded()["train"]["sha256"]
    same = [record(other) for other in NAMES if record(other)["corpus_sha256"] == recorded]
    assert run["corpus_tokens"] == pytest.approx(same[0]["corpus_tokens"], rel=1e-3)
    assert (cards.OTHER in cards.text(name)) == (run["corpus_sha256"] != recorded)


def test_every_width_is_divisible_by_16(shipped):
    _, model, _ = shipped
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            assert layer.in_features % 16 == 0
            assert layer.out_features % 16 == 0


def test_the_tokenizer_keeps_ascii_and_replaces_the_rest(shipped):
    _, _, tokens = shipped
    assert len(tokens) == recipes.VOCABULARY
    text = 'Return the norm of x (see [1]):\n  a = 3.5e-2; it\'s "so" & 100 %.'
    assert tokens.decode(tokens(text)["input_ids"]) == text
    assert tokens.decode(tokens("naïve → β")["input_ids"]) == "naive ? ?"


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_the_record_says(name):
    folder = loading.EMBEDDED / name
    assert (folder / "README.md").read_text(encoding="utf-8") == cards.text(name)
    assert (folder / cards.CURVE).is_file()
