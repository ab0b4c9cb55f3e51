"""A forward pass block by block (Section 2): what enters the blocks, and what one puts out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import torch
from torch import Tensor, nn

from stade_nb.models import architectures


class Enough(Exception):
    """Raised by a hook when nothing that comes later in the forward pass is of interest."""


def enter(model: nn.Module, ids: Tensor) -> tuple[Tensor, list[dict]]:
    """Section 2, step 1: what reaches the blocks when `ids`, (windows, tokens), go in.

    Returns the first block's input, (windows, tokens, hidden), and every block's keyword
    arguments. These depend on the shape of `ids` only; blocks of one kind of attention (full or
    sliding) share them, so the pass stops as soon as each kind has been reached once. No block is
    computed, so the blocks may lie on another device than the rest of the model.
    """
    stack = architectures.blocks(model)
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"] * len(stack)
    hidden: list[Tensor] = []
    arguments: dict[str, dict] = {}

    def record(kind: str, entering: Tensor, /, *_, **kwargs) -> Tensor:
        if not hidden:
            hidden.append(entering)
        arguments[kind] = kwargs
        if len(arguments) == len(set(kinds)):
            raise Enough
        return entering

    with ExitStack() as answers, suppress(Enough):
        for block, kind in zip(stack, kinds, strict=True):
            answers.enter_context(answering(block, partial(record, kind)))
        architectures.decoder(model)(input_ids=ids.to(model.device), use_cache=False)
    return hidden[0], [arguments[kind] for kind in kinds]


@contextmanager
def answering(module: nn.Module, forward: Callable) -> Iterator[None]:
    """`forward` is what the module computes inside; afterwards what was there, others' too."""
    before = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before


def run_block(block: nn.Module, hidden: Tensor, arguments: dict) -> Tensor:
    """Section 2, step 2: one block's output, (windows, tokens, hidden) as `hidden` is.

    arguments: what else the block is called with. A block returns a tensor in transformers 5, and
    in 4 a tuple that begins with it.
    """
    out = block(hidden, **arguments)
    return out[0] if isinstance(out, tuple) else out


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No dropout and no gradients inside; each module's training flag is restored afterwards."""
    were_training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part in were_training:  # a caller may train some parts of a model only
            part.training = True
