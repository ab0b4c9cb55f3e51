"""What cells cost before they are run: floating-point operations and bytes, by shape alone.

A model on torch's "meta" device will do: nothing is computed. Counted is what grows with cells,
tokens and parameters, the matrix products; norms, activations, sorting and reading are not, which
is what the share of the peak rate in `seconds` is for.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics.metrics import Needs

# Bytes a logit takes while losses are computed: itself and copies in float32 and of its softmax.
_LOSS_BYTES = 8
_GRAM_BYTES = 8  # float64, see numerics.moments
_SOLVER = 4  # matrices as large as an input's cross products that `sparsegpt.solve` has at once


class Operations(NamedTuple):
    """Floating-point operations, a multiplication and an addition being two.

    layers: the blocks' linear layers. attention: scores and sums, causal, so half a square. head:
    logits. gram: cross products of inputs, in float64, where a method needs them (SparseGPT).
    """

    layers: float = 0.0
    attention: float = 0.0
    head: float = 0.0
    gram: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self)

    def plus(self, other: "Operations") -> "Operations":
        """Both, part by part."""
        return Operations(*(one + more for one, more in zip(self, other, strict=True)))


def operations(model: nn.Module, cells: Sequence[Cell], setting: Setting) -> Operations:
    """Of each cell two passes of its calibration windows, where it has any, and an evaluation.

    One of the two passes ends before the last block, whose output nobody needs. It is what the
    cells take one by one; the engine saves what they share. setting: its windows must have a
    length, and a count. StadeError where they have none.
    """
    stack = architectures.blocks(model)
    evaluation = _size(setting.evaluation) if setting.evaluation else None
    found = Operations()
    for cell in cells:
        if evaluation:
            logits = of_head(model, evaluation[0] * evaluation[1])
            found = found.plus(of_blocks(stack, *evaluation)._replace(head=logits))
        if cell.needs_calibration:
            windows, length = _size(setting.calibration)
            found = found.plus(of_blocks(stack, windows, length))
            found = found.plus(of_blocks(stack[:-1], windows, length))
            if cell.method.needs == Needs.GRAM:
                found = found.plus(Operations(gram=of_gram(stack, cell, windows * length)))
    return found


def _size(asked: Windows | None) -> tuple[int, int]:
    if asked is None or asked.count is None or asked.length is None:
        raise StadeError(
            f"windows {asked}: what they cost follows from their count and length; give both"
        )
    return asked.count, asked.length


def of_blocks(blocks: Sequence[nn.Module], windows: int, length: int) -> Operations:
    """Of one pass of the windows through some blocks."""
    tokens, layers, attention = windows * length, 0.0, 0.0
    for block in blocks:
        linear = architectures.linear_layers(block)
        layers += 2.0 * tokens * sum(layer.weight.numel() for layer in linear.values())
        # Two products, each of `width` and half of `length` for a token.
        attention += 2.0 * tokens * length * linear["self_attn.q_proj"].out_features
    return Operations(layers, attention)


def of_head(model: nn.Module, tokens: int) -> float:
    """Of the product that makes logits of so many tokens."""
    return 2.0 * tokens * model.lm_head.weight.numel()


def _inputs(block: nn.Module, types: Sequence[str]) -> dict[str, int]:
    """The sizes of the distinct inputs of some layer types."""
    first = {architectures.input_of(layer_type): layer_type for layer_type in types}
    return {name: block.get_submodule(one).in_features for name, one in first.items()}


def of_gram(blocks: Sequence[nn.Module], cell: Cell, tokens: int) -> float:
    """Of the cross products of what enters the layers that a cell prunes in some blocks."""
    return sum(
        2.0 * tokens * size * size
        for block in blocks
        for size in _inputs(block, cell.types_in(block)).values()
    )


class Bytes(NamedTuple):
    """Memory of a run, by what it is for; see `memory`."""

    weights: int  # on the host
    hidden: int  # of one cell, on the device or spilled to the host
    block: int
    around: int  # embeddings, head, norms
    logits: int  # of one window, with what the losses need beside them
    gram: int  # of one block's inputs, and what the solver makes of the widest

    @property
    def device(self) -> int:
        """What the device must hold while all hidden states are on the host."""
        return self.block + self.around + self.logits + self.gram

    @property
    def all(self) -> int:
        """Host and device together, for one cell."""
        return self.weights + self.hidden + self.device


def memory(model: nn.Module, cells: Sequence[Cell], setting: Setting) -> Bytes:
    """What the largest of the cells takes; the activations inside a block are left out.

    model: its dtype counts. StadeError as `operations` has it.
    """
    stack, width = architectures.blocks(model), model.dtype.itemsize
    # A tied head is one parameter with the embeddings, and is counted once.
    whole = width * sum(parameter.numel() for parameter in model.parameters())
    sizes = [width * sum(p.numel() for p in block.parameters()) for block in stack]
    hidden, logits, gram = 0, 0, 0
    if setting.evaluation:
        count, length = _size(setting.evaluation)
        hidden += count * length
        logits = length * model.config.vocab_size * (width + _LOSS_BYTES)
    if any(cell.needs_calibration for cell in cells):
        count, length = _size(setting.calibration)
        hidden += count * length
    for cell in (cell for cell in cells if cell.method.needs == Needs.GRAM):
        squares = [size * size for size in _inputs(stack[0], cell.types_in(stack[0])).values()]
        gram = max(gram, _GRAM_BYTES * (sum(squares) + _SOLVER * max(squares)))
    hidden *= model.config.hidden_size * width
    return Bytes(whole, hidden, max(sizes), whole - sum(sizes), logits, gram)


def seconds(found: Operations, rate: float, share: float, gram_rate: float | None = None) -> float:
    """`found` at `share` of the `rate` operations per second that the hardware can do at most.

    gram_rate: of float64, None for the same. StadeError for a rate that is none, and a share
    outside (0, 1].
    """
    if not rate > 0 or not 0 < share <= 1 or (gram_rate is not None and not gram_rate > 0):
        raise StadeError(
            f"rate {rate!r}, gram_rate {gram_rate!r} and share {share!r}: expected operations per "
            "second above 0, and a share above 0 and at most 1"
        )
    return ((found.total - found.gram) / rate + found.gram / (gram_rate or rate)) / share
