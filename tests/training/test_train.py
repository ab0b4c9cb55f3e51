"""The training recipe: resumable to the last bit, every window once an epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stade_book.training import recipes, train
from stade_book.training.recipes import RECIPES, Recipe, configuration, recipe
from stade_nb.errors import StadeError

TINY = Recipe("llama", 16, 32, layers=1, heads=2, kv_heads=1, tokens_per_parameter=1, window=16)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "tiny", TINY)
    monkeypatch.setattr(train, "STATE", tmp_path)
    ids = np.random.default_rng(0).integers(1024, size=4000).astype(np.int16)
    return ids, train.cut(ids[:160], TINY.window)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tiny, tmp_path, monkeypatch):
    ids, validation = tiny
    place = torch.device("cpu")
    whole, run = train.fit("tiny", ids, validation, place)
    (tmp_path / "tiny.pt").unlink()

    class Interrupted(Exception):
        pass

    loss, calls = train._loss, []

    def failing(model, batch):
        calls.append(1)
        if len(calls) == run["steps"] // 2:
            raise Interrupted
        return loss(model, batch)

    monkeypatch.setattr(train, "_loss", failing)
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0)
    with pytest.raises(Interrupted):
        train.fit("tiny", ids, validation, place)
    calls.extend([1] * run["steps"])
    resumed, again = train.fit("tiny", ids, validation, place)
    assert again["curve"] == run["curve"]
    for one, two in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_changed_recipe_does_not_go_on_from_an_old_checkpoint(tiny, tmp_path, monkeypatch):
    ids, validation = tiny
    _, old = train.fit("tiny", ids, validation, torch.device("cpu"))
    monkeypatch.setitem(recipes.RECIPES, "tiny", replace(TINY, learning_rate=1e-3))
    model, run = train.fit("tiny", ids, validation, torch.device("cpu"))
    (tmp_path / "tiny.pt").unlink()
    fresh, expected = train.fit("tiny", ids, validation, torch.device("cpu"))
    assert run["curve"] == expected["curve"] != old["curve"]
    assert all(map(torch.equal, model.parameters(), fresh.parameters()))


def test_an_epoch_sees_every_window_once():
    ids = np.arange(1000, dtype=np.int16)
    per_epoch = (len(ids) // TINY.window - 1) // TINY.batch
    first = torch.cat([train.batch(ids, TINY, step) for step in range(per_epoch)])
    starts = sorted(first[:, 0].tolist())
    assert np.all(np.diff(starts) == TINY.window)
    second = torch.cat([train.batch(ids, TINY, per_epoch + step) for step in range(per_epoch)])
    assert first.tolist() != second.tolist()


def test_the_learning_rate_warms_up_and_ends_at_zero():
    rates = [train.rate(TINY, step, 1000) for step in range(1000)]
    assert rates.index(max(rates)) == pytest.approx(TINY.warmup * 1000, abs=1)
    assert max(rates) == pytest.approx(TINY.learning_rate, rel=0.01)
    assert rates[-1] < 1e-5 * TINY.learning_rate + 1e-7


def test_embeddings_are_not_counted():
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(configuration(RECIPES["opt-340k"]))
    blocks = sum(p.numel() for p in model.model.decoder.layers.parameters())
    norm = sum(p.numel() for p in model.model.decoder.final_layer_norm.parameters())
    assert train.outside_embeddings(model) == blocks + norm


def test_an_unknown_recipe_is_named():
    with pytest.raises(StadeError, match="did you mean 'llama-230k'"):
        recipe("lama-230k")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["llama-230k", "nosuch"], "unknown embedded model 'nosuch': known: llama-230k"),
        (["llama-230k", "--device", "tpu"], "unknown device 'tpu'"),
        ([], "name a model, or say --all; see python -m stade_book.training --help"),
        (["--devise", "cpu"], "unrecognized arguments: --devise; see python -m"),
    ],
)
def test_bad_words_end_before_anything_is_trained(monkeypatch, capsys, words, said):
    monkeypatch.setattr(train, "train", lambda *given: pytest.fail(f"trained {given}"))
    with pytest.raises(SystemExit) as ended:
        train.main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and line.startswith(f"python -m stade_book.training: {said}")
