"""Sec. 3.4: one more weight pruned for each bias that is added, and what that changes."""

import pandas
from torch import Tensor, nn

from stade_nb.claims import paper
from stade_nb.engine import pruning
from stade_nb.engine.plain import restore, snapshot
from stade_nb.evaluation.perplexity import perplexity, window_losses


def compared(
    model: nn.Module,
    ids: Tensor,
    evaluation_ids: Tensor,
    method: str,
    sparsity: str | float,
    batch_size: int = 8,
) -> pandas.DataFrame:
    """A method with its biases on top of the weights that stay, and with as many weights fewer.

    ids and evaluation_ids: (windows, tokens). sparsity: a share; StadeError for N:M, which keeps
    a fixed number of weights. The model is left as it was.
    Columns method, additional ("kept" or "pruned": the weights), zeros, biases (added values), left
    (weights that are not zero and added biases, over all weights) and perplexity.
    """
    dense, rows = snapshot(model), []
    for counted in (False, True):
        try:
            reports = pruning.prune_model(
                model, ids, method, sparsity, batch_size=batch_size, count_biases=counted
            ).values()
            level = perplexity(window_losses(model, evaluation_ids, batch_size))
        finally:
            restore(model, dense)
        zeros, size = sum(r.zeros for r in reports), sum(r.size for r in reports)
        biases = sum(r.added_bias for r in reports)
        word = "pruned" if counted else "kept"
        rows.append(
            (paper.title(method), word, zeros, biases, (size - zeros + biases) / size, level)
        )
    columns = ["method", "additional", "zeros", "biases", "left", "perplexity"]
    return pandas.DataFrame(rows, columns=columns)
