"""What a job must be given: memory, minutes and GPUs, estimated from its model's shape."""

import math

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from stade_nb.claims import paper
from stade_nb.engine import arithmetic
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.plan import LARGEST_GROUP
from stade_nb.models import architectures, loading
from stade_nb.models.shapes import empty, shapes

# A Python process with torch, transformers and a kernel beside it.
BASE = {"mem_mb": 4000, "runtime": 30, "gpu": 0}
# Operations per second that are reached: 40 % of an H100 in half precision, and one CPU core. A job
# may take so many times what they say.
RATES, PATIENCE = {"cuda": 0.4 * 989e12, "cpu": 2e10}, 4
# Where a text's windows are not numbered: WikiText-2 by the tokenizer that makes most of it.
ALL_WINDOWS = 166


def shape(model: str, dtype: str) -> nn.Module | None:
    """The model without its weights, where its shape is known without asking the hub."""
    known = paper.model_of(model) or (model if model in shapes() else None)
    if known:
        return empty(known, dtype)
    if model not in loading.embedded_models():
        return None
    config = AutoConfig.from_pretrained(loading.locate(model))
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))


def cells(values: dict, types: int) -> int:
    """How many cells a page of Tables 2 to 6 has for one model and seed, by its parameters."""
    if "sparsities" in values:  # one layer type at a time, by two methods
        return 2 * types * len(_several(values["sparsities"])) + 1
    return len(_several(values["methods"])) * len(_several(values["patterns"])) + 1


def needed(values: dict) -> dict[str, int]:
    """mem_mb, runtime (minutes) and gpu of a job, for the parameters that its notebook runs with.

    A job without a model of its own, or with one whose shape is not known here, gets what any
    notebook needs.
    """
    device = str(values.get("device", "cpu")).partition(":")[0]
    found = BASE | {"gpu": int(device == "cuda")}
    models = _several(values.get("models") or [])
    if len(models) != 1 or not {"methods", "sparsities"} & values.keys():
        return found
    model = shape(models[0], values["dtype"])
    if model is None:
        return found
    length = values["window_length"] or min(2048, model.config.max_position_embeddings)
    windows = Windows("evaluation", values["evaluation_windows"] or ALL_WINDOWS, length)
    calibration = Windows("calibration", values["windows"], length)
    setting = Setting(calibration, windows, None, batch_size=values["batch_size"])
    # SparseGPT takes most of all methods.
    widest = "sparsegpt" if "sparsegpt" in _several(values.get("methods", [])) else "stade"
    cell = Cell(widest, "0.5")
    size = arithmetic.memory(model, [cell], setting)
    count = cells(values, len(architectures.layer_types(model)))
    work = arithmetic.operations(model, [cell], setting).total * count
    minutes = PATIENCE * work / RATES.get(device, RATES["cpu"]) / 60
    # Up to as many cells as travel together have hidden states of their own.
    together = min(count, LARGEST_GROUP) * size.hidden
    host = size.weights + together + (0 if found["gpu"] else size.device)
    return found | {
        "mem_mb": BASE["mem_mb"] + math.ceil(host / 1e6),
        "runtime": BASE["runtime"] + math.ceil(minutes),
    }


def _several(value: object) -> list:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",")]
    return list(value) if isinstance(value, list | tuple) else [value]
