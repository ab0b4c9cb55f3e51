"""Our values beside those that the paper's Table 2 prints, where the model is its Llama-7B."""

from types import SimpleNamespace

import pandas

from stade_nb.claims import paper, reproduction
from stade_nb.claims.table2 import ORDER

MODEL = "llama-7b"


def beside(ran: pandas.DataFrame, p: SimpleNamespace) -> pandas.DataFrame:
    """Each value of Table 2 whose cells ran, by the rules of `reproduction`; else empty.

    ran: from `layer_types.run`. p: the notebook's checked parameters. Returns columns model, layer,
    metric, sparsity, printed, ours (mean over the seeds), difference (relative), verdict.
    """
    printed = paper.table(2).set_index(["layer", "metric", "sparsity"])["perplexity"]
    own = ran[(ran["paper_model"] == MODEL) & ran["layer"].isin(ORDER)]
    rows = []
    keys = ["layer", "metric", "sparsity"]
    for key, ours in own.groupby(keys, sort=False)["perplexity"].mean().items():
        if key in printed.index:
            layer, metric, sparsity = key
            head = {"model": MODEL, "layer": layer, "metric": paper.title(metric)}
            head["sparsity"] = paper.sparsity(str(sparsity))
            rows.append(head | reproduction.row(ours, printed[key], p))
    return pandas.DataFrame(rows)
