"""The paper's models and the packaged ones as shapes alone: what is known without their weights.

The configurations are in data/shapes.json, each with its source. A model built of one lies on
torch's "meta" device: every weight has a shape and no numbers, so that a model of 13 billion
parameters takes no memory, and what counts weights and operations is the same code as for a model
that is there.
"""

import copy
import functools
import json
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from stade_nb import paths
from stade_nb.errors import unknown

FILE = paths.DATA / "shapes.json"


@dataclass(frozen=True)
class Shape:
    """One published model.

    parameters: as published, shared ones once. evaluation_windows: whole windows of 2048 tokens
    that its tokenizer makes of WikiText-2's test set, None where no table has the model. config:
    the entries of its configuration that sizes depend on, by their names in transformers. source:
    where these are published.
    """

    title: str
    parameters: int
    evaluation_windows: int | None
    config: dict
    source: str


@functools.cache
def shapes() -> dict[str, Shape]:
    """The models of the paper's tables, as `PAPERS_MODELS` names them, and packaged ones.

    >>> shapes()["llama-7b"].parameters
    6738415616
    """
    entries = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Shape(**entry) for name, entry in entries.items()}


def shape(name: str) -> Shape:
    """The one of `shapes` that is called `name`; StadeError for an unknown one."""
    if name not in shapes():
        raise unknown("shape", name, shapes())
    return shapes()[name]


@functools.cache
def empty(name: str, dtype: str = "float16") -> nn.Module:
    """The model `name` without weights, on the device "meta". StadeError for an unknown one.

    >>> sum(parameter.numel() for parameter in empty("opt-125m").parameters())
    125239296
    """
    return _unfilled(AutoConfig.for_model(**shape(name).config), dtype).eval()


def empty_of(where: str, dtype: str = "float16") -> nn.Module:
    """As `empty`, of the model in a folder, or under the hub's id, that `loading.locate` names."""
    return _unfilled(AutoConfig.from_pretrained(where, trust_remote_code=False), dtype)


def _unfilled(config: PreTrainedConfig, dtype: str) -> nn.Module:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))


def filled(model: nn.Module, device: torch.device | str = "cpu") -> nn.Module:
    """A model of the device "meta" with random weights in the host's memory: for time alone.

    Vectors are ones, and all else is normal with the standard deviation 0.02, by torch's own seed.
    device: where they are drawn; billions of them are drawn on a GPU in seconds.
    """
    model = copy.deepcopy(model).to_empty(device=device)
    for module in model.modules():
        if hasattr(module, "inv_freq"):  # not among the weights
            module.__init__(model.config)
    for parameter in model.parameters():
        nn.init.ones_(parameter) if parameter.ndim == 1 else nn.init.normal_(parameter, std=0.02)
    return model.eval().requires_grad_(False).cpu()
