"""Perplexity against the definition, in float64."""

import math

import pytest
import torch
from tiny_models import build, windows

from stade_nb.errors import StadeError
from stade_nb.evaluation import perplexity
from stade_nb.evaluation.perplexity import losses_of, perplexity_of, window_losses


@pytest.mark.parametrize("name", ["llama", "opt_350m", "gemma2"])
def test_against_the_definition(name):
    model, ids = build(name), windows(5)
    losses = window_losses(model, ids, batch_size=2)
    assert losses.dtype == torch.float64 and losses.shape == (5,)
    with torch.no_grad():
        for window, loss in zip(ids, losses, strict=True):
            chances = model(input_ids=window[None]).logits[0].double().softmax(-1)
            nats = [-chances[i, token].log() for i, token in enumerate(window[1:])]
            assert loss.item() == pytest.approx(torch.stack(nats).mean().item(), rel=1e-5)
    assert perplexity_of(losses) == pytest.approx(math.exp(losses.mean()))


def test_batches_do_not_matter():
    model, ids = build("opt"), windows(7)
    one, all_at_once = (window_losses(model, ids, batch_size=size) for size in (1, 7))
    torch.testing.assert_close(one, all_at_once, rtol=1e-6, atol=0)
    assert model.training is False


@pytest.mark.parametrize(("limit", "calls"), [(0, 7), (2, 4), (3, 3), (100, 1)])
def test_logits_of_so_many_windows_as_fit(monkeypatch, limit, calls):
    """Eight windows of a large vocabulary would take more memory than the model itself."""
    model, ids, sizes = build("gemma2"), windows(7), []
    expected = window_losses(model, ids)
    model.lm_head.register_forward_hook(lambda *seen: sizes.append(seen[2].nbytes))
    room = limit * ids.shape[1] * model.config.vocab_size * model.dtype.itemsize
    monkeypatch.setattr(perplexity, "LOGITS", room)
    torch.testing.assert_close(window_losses(model, ids), expected, rtol=1e-6, atol=0)
    assert len(sizes) == calls and (not limit or max(sizes) <= room)


def test_half_precision_logits_are_widened():
    logits = torch.randn(2, 4, 50, generator=torch.Generator().manual_seed(0))
    ids = windows(2, 4)[:, :4] % 50
    wide = losses_of(logits.bfloat16().float(), ids)
    assert losses_of(logits.bfloat16(), ids).equal(wide)


def test_a_broken_model_is_said_to_be_broken():
    model = build("llama")
    model.lm_head.weight.data[3, 3] = torch.nan
    with pytest.raises(
        StadeError, match=r"3 of 3 windows is not finite \(window 0: nan\).*float16"
    ):
        window_losses(model, windows(3))


def test_errors():
    with pytest.raises(StadeError, match="at least 2 tokens"):
        window_losses(build("llama"), windows(3, 1))
    with pytest.raises(StadeError, match="has 32 positions"):
        window_losses(build("llama"), windows(3, 33))
    with pytest.raises(StadeError, match="no windows"):
        perplexity_of(torch.zeros(0))
    with pytest.raises(StadeError, match="overflows"):
        perplexity_of(torch.tensor([1000.0]))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "8", None])
def test_a_batch_of_no_number_of_windows_is_refused(batch_size):
    with pytest.raises(StadeError, match="expected 1 or more windows at a time"):
        window_losses(build("llama"), windows(3), batch_size)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8])
def test_every_kind_of_integer_is_a_token_id(dtype):
    model, ids = build("llama"), windows(3)
    assert window_losses(model, ids.to(dtype), 10**30).equal(window_losses(model, ids))


@pytest.mark.parametrize("ids", [windows(3).bool(), windows(3).float(), windows(3).cfloat(), [[1]]])
def test_what_is_no_token_id_is_refused(ids):
    with pytest.raises(StadeError, match=r"expected .*integer ids, \(windows, tokens\)"):
        window_losses(build("llama"), ids)
