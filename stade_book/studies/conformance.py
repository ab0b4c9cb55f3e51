"""What becomes of a pruned model's biases when another runtime loads it: kept, lost or refused."""

import copy
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise, gguf_file, saving

# Log-probabilities that differ by less are the same: runtimes add in another order, in float32.
TOLERANCE = 1e-3
KEPT, LOST, REFUSED, OTHER, SAME = "kept", "lost", "refused", "neither", "same"


def log_probabilities(model: nn.Module, ids: Tensor) -> Tensor:
    """Of every entry of the vocabulary after each token of `ids`, (tokens,): (tokens, vocabulary).

    They are the logits without what a runtime may add to all of them.
    """
    with blockwise.evaluating(model):
        return model(input_ids=ids[None]).logits[0].float().log_softmax(-1)


def without(model: nn.Module, dense: nn.Module) -> nn.Module:
    """A copy of the pruned model without the biases that the `dense` one does not have."""
    bare = copy.deepcopy(model)
    for full, _, layer in architectures.named_layers(bare):
        if dense.get_submodule(full).bias is None:
            layer.bias = None
    return bare


def furthest(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors of log-probabilities."""
    return float((one - other).abs().max())


def fate(found: Tensor | None, kept: Tensor, bare: Tensor) -> str:
    """What a runtime did with the biases, by its log-probabilities `found`; None: it loads nothing.

    kept, bare: of the model with its added biases and without them. Where none were added the two
    are equal, and what comes back is the "same" or it is not. StadeError where they are so near
    that nothing could be told.
    """
    if torch.equal(kept, bare):
        if found is None:
            return REFUSED
        return SAME if furthest(found, kept) < TOLERANCE else OTHER
    if furthest(kept, bare) < 10 * TOLERANCE:
        raise StadeError(
            f"log-probabilities with and without the added biases differ by {furthest(kept, bare)}:"
            f" expected {10 * TOLERANCE} or more, so that the two can be told apart; take a method "
            "that adds biases, and more tokens"
        )
    if found is None:
        return REFUSED
    if furthest(found, kept) < TOLERANCE:
        return KEPT
    return LOST if furthest(found, bare) < TOLERANCE else OTHER


def from_folder(model: nn.Module, tokenizer: object, ids: Tensor, folder: Path) -> Tensor | None:
    """By transformers from a folder that `saving.save` wrote; None where it refuses to."""
    try:
        saving.save(model, tokenizer, folder)
    except StadeError:
        return None
    with saving.quiet():
        return log_probabilities(AutoModelForCausalLM.from_pretrained(folder).eval(), ids)


def from_gguf(file: Path, ids: Tensor) -> Tensor | None:
    """By transformers alone from a GGUF file, as anybody would load it; None where it fails.

    It does where a file's name for itself has "mistral" in it, which GGUF has no architecture for,
    and where heads of Qwen3 have another size than its default, which it does not look up.
    """
    with saving.quiet(), suppress(NotImplementedError, RuntimeError):
        loaded = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
        return log_probabilities(loaded.eval(), ids)
    return None


def from_gguf_here(file: Path, ids: Tensor, folder: Path) -> Tensor | None:
    """By this package from a GGUF file, written out into `folder`; None where it refuses to."""
    folder.mkdir(exist_ok=True)
    try:
        gguf_file.convert(file, folder)
    except StadeError:
        return None
    with saving.quiet():
        return log_probabilities(AutoModelForCausalLM.from_pretrained(folder).eval(), ids)
