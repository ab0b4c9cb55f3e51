"""Which mean should the bias take? The rules, fixed before any number that they judge.

On SmolLM2 the correction of v and that of down raise the perplexity, although Eq. 7 lowers the
squared error of each of these layers. Two explanations are tried, each by a mean of its own:

- "v": most attention goes to a window's first token, whose value vector is nearly zero. A constant
  that is added to it enters every output. So the mean is added to all tokens "but first"; or it is
  the mean "attended", which weighs a token by the attention that it receives, for each of the
  heads that share a value: what attention makes of the values is then right on average.
- "down": its inputs have heavy tails, so that the mean may be that of a few tokens. So the "median"
  of each input takes its place.

The mask is Wanda's, found without any correction, and it stays the same: what a correction does to
the inputs of later layers changes no weight there, and nothing but the bias differs. In every layer
of one part the bias takes the removed weights times the mean in question; blocks are corrected one
after the other, so that a mean is of what reaches the layer. A comparison of two means is supported
where the second has the lower perplexity, by `verdicts.compared`; all comparisons of a model share
the 95 %. An explanation holds where its mean is supported against the plain one.

Noted when the first numbers were known, and no part of the rule: where the plain mean harms, less
of any correction harms less. So each mean stands against no correction as well; and the mean of an
input of down is here that of the block as it was pruned, in Eq. 7 elsewhere of the block before.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pandas
import torch
from torch import Tensor, nn
from tqdm import tqdm

from stade_book.studies import measured
from stade_book.studies.layer_inputs import passed
from stade_nb.beyond.methods import PLACES
from stade_nb.engine import pruning
from stade_nb.models import architectures, blockwise, token_ids
from stade_nb.numerics.moments import Moments

STUDY = "means for the bias"  # what the fields of its records say
COMMAND = "python -m workflow.means"
METHOD, PATTERNS = "wanda", ("2:4", "0.5")
NONE, MEAN, REST, ATTENDED, MEDIAN = "none", "mean", "but first", "attended", "median"
WAYS = {"v": (MEAN, REST, ATTENDED), "down": (MEAN, MEDIAN)}
# Of each part, what is compared with what.
PAIRS = [
    *(("v", *pair) for pair in ((NONE, MEAN), (MEAN, REST), (MEAN, ATTENDED))),
    *(("v", NONE, way) for way in (REST, ATTENDED)),
    *(("down", *pair) for pair in ((NONE, MEAN), (MEAN, MEDIAN), (NONE, MEDIAN))),
]


def correct(
    model: nn.Module, removed: dict[str, Tensor], ids: Tensor, part: str, way: str,
    batch_size: int = 8, progress: bool = False,
) -> ExitStack:  # fmt: skip
    """Give the layers of a part of a pruned model the bias that a way of taking the mean makes.

    removed: by a layer's full name the weights that went, (out, in), 0 elsewhere. ids: (windows,
    tokens), of calibration. Returns what undoes it, as a context. StadeError where the windows do
    not fit the model.
    """
    token_ids.check_windows(model, ids)
    names, plain = architectures.block_names(model), way != ATTENDED
    with ExitStack() as undo, blockwise.evaluating(model), showing_attention(model, plain):
        batches, arguments = pruning.enter_all(model, ids, batch_size)
        for index, name in enumerate(tqdm(names, desc=f"{part}, {way}", disable=not progress)):
            block = architectures.blocks(model)[index]
            run = partial(passed, block, index, batches, arguments)
            (kind,) = (k for k in architectures.linear_layers(block) if k.endswith(PLACES[part]))
            layer, gone = block.get_submodule(kind), removed[f"{name}.{kind}"].to(torch.float64)
            added = ADDED[way](block, layer, gone, run).to(layer.weight)
            undo.callback(setattr, layer, "bias", layer.bias)
            before = 0 if layer.bias is None else layer.bias
            layer.bias = nn.Parameter(before + added, requires_grad=False)
            if way == REST:
                undo.callback(layer.register_forward_hook(partial(_not_first, added)).remove)
            batches = list(run())
        return undo.pop_all()


def _not_first(added: Tensor, _: nn.Module, __: tuple, out: Tensor) -> Tensor:
    out[:, 0] -= added
    return out


@contextmanager
def showing_attention(model: nn.Module, plain: bool) -> Iterator[None]:
    """Attention returns its weights inside, unless it is left `plain`: only the slow kind does."""
    before = model.config._attn_implementation
    if plain:
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _inputs(layer: nn.Linear, run: Callable[[], Iterator]) -> Iterator[Tensor]:
    """What enters the layer, (..., in), batch by batch."""
    seen: list[Tensor] = []
    with layer.register_forward_pre_hook(lambda _, args: seen.append(args[0])):
        for _ in run():
            yield seen.pop()


def _of_mean(_: nn.Module, layer: nn.Linear, gone: Tensor, run: Callable) -> Tensor:
    moments = Moments.zeros(layer.in_features, layer.weight.device)
    for x in _inputs(layer, run):
        moments.update(x)
    return gone @ moments.mean


def _of_median(_: nn.Module, layer: nn.Linear, gone: Tensor, run: Callable) -> Tensor:
    rows = torch.cat([x.reshape(-1, layer.in_features) for x in _inputs(layer, run)])
    return gone @ rows.median(dim=0).values.to(torch.float64)


def _attended(block: nn.Module, layer: nn.Linear, gone: Tensor, run: Callable) -> Tensor:
    """Σ over tokens of attention received · x, over that of attention received, by value head."""
    module = architectures.attention(block)
    weights: list[Tensor] = []
    groups = layer.out_features // module.head_dim
    total = torch.zeros(groups, layer.in_features, dtype=torch.float64, device=gone.device)
    received = total.new_zeros(groups)
    with module.register_forward_hook(lambda *given: weights.append(given[-1][1])):
        for x in _inputs(layer, run):
            shown = weights.pop()  # (windows, heads, queries, keys)
            of = shown.unflatten(1, (groups, -1)).sum(dim=(2, 3)).to(torch.float64)
            total += torch.einsum("wgk,wki->gi", of, x.to(torch.float64))
            received += of.sum(dim=(0, 2))
    mean = total / received[:, None]
    return torch.einsum("ghi,gi->gh", gone.unflatten(0, (groups, -1)), mean).flatten()


# What a way adds to a layer's outputs, (out,) in float64, of the weights that went, (out, in).
ADDED = {MEAN: _of_mean, REST: _of_mean, ATTENDED: _attended, MEDIAN: _of_median}


def recorded(models: Sequence[str], folder: Path = measured.FOLDER) -> pandas.DataFrame:
    """What `gains` takes, of those of the models that have a record of the study."""
    return measured.cells(STUDY, models, "part way pattern", COMMAND, folder)


def gains(cells: pandas.DataFrame) -> pandas.DataFrame:
    """The rule at the head of this file, a row for each model, comparison of `PAIRS` and pattern.

    cells: columns model, part ("" without a correction), way, pattern, losses. Returns columns
    model, part, plain, way (the two that are compared), pattern, change, low, high, verdict.
    """
    sides = [
        cells[cells["part"].isin(["", part]) & (cells["way"] == way)].assign(
            part=part, plain=plain, other=other, side=side
        )
        for part, plain, other in PAIRS
        for side, way in (("before", plain), ("after", other))
    ]
    by = ["part", "plain", "other", "pattern"]
    found = measured.gains(pandas.concat(sides), by, "side", ("before", "after"), sort=False)
    return found.drop(columns=["before", "after"]).rename(columns={"other": "way"})
