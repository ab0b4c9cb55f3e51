"""Statistics without each window's first token: it draws attention and has extreme activations.

The rule for what leaving it out does, in the code before any number of it: it helps a method where
the perplexity is lower than with the statistics of all tokens, by `verdicts.compared`; all
comparisons of a model share the 95 %.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas
from torch import Tensor, nn
from tqdm import tqdm

from stade_book.studies import measured
from stade_book.studies.layer_inputs import passed, rest_moments, watched
from stade_nb.engine import pruning, weights
from stade_nb.engine.cell import Cell
from stade_nb.engine.report import Report
from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

STUDY = "statistics without first tokens"  # what the fields of its records say
COMMAND = "python -m workflow.first_tokens"
METHODS = ("wanda", "wanda_with_bias", "stade", "std", "std_without_correction")
PATTERN = "0.5"
ALL, REST = "all", "rest"


def prune_apart(
    model: nn.Module, ids: Tensor, cell: Cell, batch_size: int = 8, progress: bool = False
) -> Report:
    """`pruning.prune_model`, with statistics that leave out the first token of each window.

    The first token still passes through the model. ids: (windows, tokens). Returns a report for
    each pruned layer by its full name. StadeError where cell and windows do not fit the model, and
    for a method that needs more than moments, or windows of a single token.
    """
    pruning.check(model, ids, cell)
    if cell.method.needs != Needs.MOMENTS or ids.shape[1] < 2:
        raise StadeError(
            f"method {cell.method.name!r} and windows of {ids.shape[1]} tokens without their first "
            "one: expected a method that needs means and variances, and 2 tokens or more"
        )
    report, names = Report(), architectures.block_names(model)
    with blockwise.evaluating(model):
        batches, arguments = pruning.enter_all(model, ids, batch_size)
        progressing = tqdm(names, desc=cell.method.name, disable=not progress)
        for index, name in enumerate(progressing):
            block = architectures.blocks(model)[index]
            run = partial(passed, block, index, batches, arguments)
            inputs = {architectures.input_of(kind) for kind in cell.types_in(block)}
            nothing = {kind: _none(block.get_submodule(kind)) for kind in inputs}
            found, _ = watched(block, nothing, ids.shape[1], rest_moments, run)
            statistics = {kind: one.moments for kind, one in found.items()}
            for layer, full, result in pruning.block_results(block, name, statistics, cell):
                report[full] = weights.replace(layer, result)
            batches = list(run())
    return report


def _none(layer: nn.Linear) -> Moments:
    return Moments.zeros(layer.in_features, layer.weight.device)


def recorded(models: Sequence[str], folder: Path = measured.FOLDER) -> pandas.DataFrame:
    """What `gains` takes, of those of the models that have a record of the study."""
    return measured.cells(STUDY, models, "method pattern tokens", COMMAND, folder)


def gains(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The rule at the head of this file, a row for each model and method.

    cells: columns model, method, tokens, losses. Returns columns model, method, all and rest
    (perplexities), change, low, high, verdict.
    """
    return measured.gains(cells, ["method"], "tokens", (ALL, REST), sort=False)
