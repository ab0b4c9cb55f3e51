"""Table 2 as the paper prints it: its metrics, the order of its rows, and which metric it marks."""

from collections.abc import Sequence

import pandas

from stade_nb.claims import paper
from stade_nb.models import architectures

METRICS = ("wanda", "std")

# The paper's order of rows; OPT's block keeps its own three in another one.
ORDER = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "self_attn.out_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "fc1", "fc2",
)  # fmt: skip

PRINTED = "Llama-7B, printed"


def is_mlp(layer: str) -> bool:
    """Whether a layer type belongs to a block's MLP rather than to its attention."""
    return not layer.startswith("self_attn.")


def predicted(layer: str) -> str:
    """Table 2's †: the metric that Sec. 3 expects to do better on a layer type."""
    return "wanda" if architectures.is_centred(layer) else "std"


def printed(types: Sequence[str] | None = None) -> pandas.DataFrame:
    """The paper's Table 2 in the columns of `run`: model, layer, metric, sparsity, perplexity.

    types: only these layer types.
    """
    rows = paper.table(2)[["layer", "metric", "sparsity", "perplexity"]]
    rows = rows if types is None else rows[rows["layer"].isin(types)]
    dense = paper.table(3).query("method == 'dense' and model == 'llama-7b'")["perplexity"].item()
    return rows.assign(model=PRINTED, seed=0, relative=rows["perplexity"] / dense)
