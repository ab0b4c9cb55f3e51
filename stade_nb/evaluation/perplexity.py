"""Perplexity of a language model on token windows."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stade_nb.errors import StadeError
from stade_nb.models import blockwise, token_ids

# Bytes of logits at once, if it is more than a window: of 8 windows of Gemma they would be 17 GB.
LOGITS = 1 << 31


def perplexity(model: nn.Module, ids: Tensor, batch_size: int = 8, progress: bool = False) -> float:
    """Section 4: perplexity of a model on `ids`, (windows, tokens), see `perplexity_of`.

    batch_size: windows at once. StadeError where the model cannot read them, or a loss is not
    finite.

    >>> import stade_nb as snb
    >>> model, tokenizer = snb.load("llama-230k")
    >>> text = snb.evaluation_windows("embedded", tokenizer, windows=4, length=64)
    >>> 10 < snb.perplexity(model, text) < 100
    True
    """
    return perplexity_of(window_losses(model, ids, batch_size, progress))


def window_losses(
    model: nn.Module,
    ids: Tensor,
    batch_size: int = 8,
    progress: bool = False,
    keep: object | None = None,
) -> Tensor:
    """Section 4: each window's mean negative log-likelihood (nats) of its tokens 2 to n.

    ids: (windows, tokens). batch_size: windows at once, fewer where their logits take more than
    `LOGITS`. Returns (windows,) float64 on the CPU; the loss of a token is computed in float32.
    keep: an `engine.kept.KeptLosses`, from which a killed run goes on. StadeError where the model
    cannot read the windows, or a loss is not finite.

    >>> import stade_nb as snb
    >>> model, tokenizer = snb.load("llama-230k")
    >>> text = snb.evaluation_windows("embedded", tokenizer, windows=4, length=64)
    >>> snb.window_losses(model, text).shape
    torch.Size([4])
    """
    token_ids.check_windows(model, ids)
    token_ids.check_batch_size(batch_size)
    fit = LOGITS // (ids.shape[1] * model.config.vocab_size * model.dtype.itemsize)
    batches = token_ids.in_batches(ids, min(batch_size, max(1, fit)))
    losses = keep.begun() if keep else []
    known, seen = sum(map(len, losses)), 0
    with blockwise.evaluating(model):
        for part in with_bar(batches, "perplexity", progress):
            seen += len(part)
            if seen <= known:
                continue
            part = part.to(model.device)
            losses.append(losses_of(model(input_ids=part, use_cache=False).logits, part).cpu())
            if keep is not None:
                keep.left(losses)
    return check_losses(torch.cat(losses))


def with_bar(items: Sequence, what: str, progress: bool) -> Iterable:
    """`items`, with a bar that shows how far they are, if that is wanted.

    With its first bar, even one that is not shown, tqdm settles how the caller's processes begin.
    """
    return tqdm(items, desc=what) if progress else items


def losses_of(logits: Tensor, ids: Tensor) -> Tensor:
    """As `window_losses`, from logits, (windows, tokens, vocabulary), and where those are."""
    # Window by window, because the float32 copy of a large vocabulary's logits is large.
    means = [
        nn.functional.cross_entropy(row[:-1].float(), targets[1:], reduction="none").double().mean()
        for row, targets in zip(logits, ids.long(), strict=True)
    ]
    return torch.stack(means)


def check_losses(losses: Tensor) -> Tensor:
    """`losses`, (windows,), if all are finite; otherwise a StadeError that says what is not."""
    bad = (~torch.isfinite(losses)).nonzero()[:, 0]
    if len(bad):
        raise StadeError(
            f"the loss of {len(bad)} of {len(losses)} windows is not finite (window {int(bad[0])}: "
            f"{losses[bad[0]].item()}): windows need at least 2 tokens and a model whose "
            "activations stay finite; float16 overflows at 65504, so try float32 or bfloat16"
        )
    return losses


def perplexity_of(losses: Tensor) -> float:
    """Section 4: exp(mean of the windows' mean losses), with `losses` from `window_losses`.

    StadeError where there are none, one is NaN or infinite, or the result overflows.
    """
    if not losses.numel():
        raise StadeError("perplexity of no windows: expected at least one loss")
    mean = check_losses(losses).double().mean().item()
    try:
        return math.exp(mean)
    except OverflowError:
        raise StadeError(f"perplexity of a mean loss of {mean} overflows a float") from None
