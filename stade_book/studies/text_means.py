"""How far apart the means of two texts are, layer by layer, in a model that nothing was pruned of.

The bias correction of a text c moves a layer's outputs by what c's mean would have given through
the removed weights. On another text e it repairs what is lost as far as the two means agree.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pandas
from torch import Tensor, nn

from stade_book.studies import measured
from stade_nb.engine import pruning
from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise, token_ids
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

STUDY = "text means"  # what the fields of its records say

ByLayer = dict[tuple[int, str], Moments]  # by the block's number and the layer type


def input_moments(model: nn.Module, ids: Tensor, batch_size: int = 8) -> ByLayer:
    """`Moments` of what enters each linear layer while the model reads `ids`, (windows, tokens).

    Layers that read the same input, such as q, k and v, share an entry, that of
    `architectures.input_of`. StadeError where the windows do not fit the model.
    """
    token_ids.check_windows(model, ids)
    names = architectures.block_names(model)
    with blockwise.evaluating(model), ExitStack() as hooks:
        found = [
            hooks.enter_context(
                pruning.gathering(block, architectures.chosen_in(block, "all"), name, Needs.MOMENTS)
            )
            for block, name in zip(architectures.blocks(model), names, strict=True)
        ]
        for part in ids.split(batch_size):
            model.base_model(input_ids=part.to(model.device), use_cache=False)
    return {
        (index, kind): each for index, kinds in enumerate(found) for kind, each in kinds.items()
    }


def distances(
    calibrated: Mapping[str, ByLayer], evaluated: Mapping[str, ByLayer]
) -> pandas.DataFrame:
    """How far the mean of each calibration text is from that of each evaluated one.

    Returns a row for each pair and layer with columns calibration, evaluation, block, layer_type;
    sigmas, sqrt(mean_j of ((mu_c - mu_e) / sigma_e)^2), over the inputs j that vary; and missed,
    |mu_c - mu_e|^2 / |mu_e|^2: the part of the squared mean that a correction made of c leaves
    unrepaired on e, if weights are alike in all directions; above 1 it does harm. StadeError where
    two texts were not read by the same model.
    """
    rows = []
    for calibration, ours in calibrated.items():
        for evaluation, theirs in evaluated.items():
            if ours.keys() != theirs.keys():
                raise StadeError(
                    f"the layers of {calibration!r} and of {evaluation!r} differ: expected "
                    "moments of one model"
                )
            for (block, layer_type), at in theirs.items():
                gap = ours[block, layer_type].mean - at.mean
                varies = at.variance > 0
                share = (gap[varies].square() / at.variance[varies]).mean().sqrt()
                missed = gap.square().sum() / at.mean.square().sum()
                about = (calibration, evaluation, block, layer_type)
                rows.append((*about, share.item(), missed.item()))
    columns = ["calibration", "evaluation", "block", "layer_type", "sigmas", "missed"]
    return pandas.DataFrame(rows, columns=columns)


def by_layer_type(table: pandas.DataFrame) -> pandas.DataFrame:
    """`distances` with a median over the blocks in place of each block."""
    keys = ["calibration", "evaluation", "layer_type"]
    return table.groupby(keys, sort=False)[["sigmas", "missed"]].median().reset_index()


def recorded(model: str, folder: Path = measured.FOLDER) -> dict:
    """The record of a model's distances that comes with the project, as `measured.of` has it.

    rows is a frame, from `by_layer_type`. StadeError where there is none.
    """
    found = measured.of(STUDY, model, "python -m workflow.text_means", folder)
    return found | {"rows": pandas.DataFrame(found["rows"])}
