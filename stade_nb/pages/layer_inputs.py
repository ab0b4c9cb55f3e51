"""What reaches the linear layers of an unpruned model: the weights and moments that pages look at.

Pruning gathers behind blocks that are already pruned (see `pruning`); here nothing is pruned.
"""

from typing import NamedTuple

from torch import Tensor, nn

from stade_nb.engine.pruning import enter_all, gathering
from stade_nb.models import architectures
from stade_nb.numerics.moments import Moments


class LayerInputs(NamedTuple):
    """A linear layer: where it is, its `weight` (out, in) and the `moments` of its inputs."""

    block: int
    layer_type: str
    weight: Tensor
    moments: Moments

    @property
    def centred(self) -> bool:
        """Whether Sec. 3.2 counts the input as centred."""
        return architectures.is_centred(self.layer_type)

    @property
    def short(self) -> str:
        """The layer type as the paper writes it: "q_proj"."""
        return self.layer_type.rpartition(".")[2]


def gather(
    model: nn.Module, ids: Tensor, gram: bool = False, batch_size: int = 8
) -> list[LayerInputs]:
    """Every linear layer of the blocks, in module order, with Eqs. 5 and 8 of its inputs.

    ids: (windows, tokens), read once by the model as it is. gram: also gather cross products.
    Weights and moments are returned in float64 on the CPU; layers that read the same input share
    its moments.
    """
    needs = frozenset({"moments", "gram"} if gram else {"moments"})
    types, found = architectures.layer_types(model), []
    with architectures.evaluating(model):
        architectures.check_windows(model, ids)
        batches, arguments = enter_all(model, ids, batch_size)
        for index, block in enumerate(architectures.blocks(model)):
            with gathering(block, types, f"block {index}", needs) as statistics:
                for at, hidden in enumerate(batches):
                    batches[at] = architectures.run_block(
                        block, hidden, arguments[hidden.shape][index]
                    )
            known = {name: _on_cpu(moments) for name, moments in statistics.items()}
            for layer_type in types:
                weight = block.get_submodule(layer_type).weight.detach().double().cpu()
                moments = known[architectures.input_of(layer_type)]
                found.append(LayerInputs(index, layer_type, weight, moments))
    return found


def _on_cpu(moments: Moments) -> Moments:
    cross = None if moments.cross is None else moments.cross.cpu()
    return Moments(moments.count, moments.mean.cpu(), moments.m2.cpu(), cross)
