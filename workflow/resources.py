"""What a job must be given: memory, minutes and GPUs, estimated from its model's shape."""

import math

from torch import nn

from stade_nb.engine import arithmetic
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.plan import LARGEST_GROUP
from stade_nb.models import architectures, loading, papers_model
from stade_nb.models.shapes import empty, empty_of, shapes

# A Python process with torch, transformers and a kernel beside it.
BASE = {"mem_mb": 4000, "runtime": 30, "gpu": 0}
# Operations per second that are reached: 40 % of an H100 in half precision, and one CPU core. A job
# may take so many times what they say.
RATES, PATIENCE = {"cuda": 0.4 * 989e12, "cpu": 2e10}, 4
# Bytes of a model that are read and looked through in a second.
LOADED = 2e8
# The seven official tasks have some six million tokens, a cell of the paper's protocol 0.9 million;
# and where biases were corrected, the questions are asked without these as well.
ASKED = 10
# What a notebook's parameters must say for its job to be estimated.
SIZED = {"models", "dtype", "windows", "window_length", "evaluation_windows", "batch_size"}
# Where a text's windows are not numbered: WikiText-2 by the tokenizer that makes most of it.
ALL_WINDOWS = 166


def shape(model: str, dtype: str) -> nn.Module | None:
    """The model without its weights, where its shape is known without asking the hub."""
    known = papers_model(model) or (model if model in shapes() else None)
    if known:
        return empty(known, dtype)
    if model not in loading.embedded_models():
        return None
    return empty_of(loading.locate(model), dtype)


def cells(values: dict, types: int) -> int:
    """How many cells a page of Tables 2 to 6 has for one model and seed, by its parameters."""
    if "sparsities" in values:  # one layer type at a time, by two methods
        return 2 * types * len(values["sparsities"]) + 1
    return len(values["methods"]) * len(values["patterns"]) + 1


def needed(values: dict, computed: bool = False) -> dict[str, int]:
    """mem_mb, runtime (minutes) and gpu of a job, for the parameters that its notebook runs with.

    values: as `profiles.resolved` has them.

    Of several models, which a notebook takes one after the other: the memory of the largest and the
    minutes of all. computed: all cells have their records already, but a model is loaded before
    they are looked for. A job without models of its own gets what any notebook needs, as does one
    with models whose shapes are not known here.
    """
    device = str(values.get("device", "cpu")).partition(":")[0]
    found = BASE | {"gpu": int(device == "cuda")}
    if not values.keys() >= SIZED or not {"methods", "sparsities"} & values.keys():
        return found
    models = loading.named(values["models"])
    each = [_of(model, values, device, computed) for model in models]
    return found | {
        "mem_mb": BASE["mem_mb"] + math.ceil(max((host for host, _ in each), default=0) / 1e6),
        "runtime": BASE["runtime"] + math.ceil(sum(minutes for _, minutes in each)),
    }


def _of(name: str, values: dict, device: str, computed: bool) -> tuple[float, float]:
    """Bytes of the host's memory and minutes that one model takes; nothing if it is not known."""
    model = shape(name, values["dtype"])
    if model is None:
        return 0, 0
    length = values["window_length"] or min(2048, model.config.max_position_embeddings)
    windows = Windows("evaluation", values["evaluation_windows"] or ALL_WINDOWS, length)
    calibration = Windows("calibration", values["windows"], length)
    setting = Setting(calibration, windows, None, batch_size=values["batch_size"])
    # SparseGPT takes most of all methods.
    widest = "sparsegpt" if "sparsegpt" in values.get("methods", []) else "stade"
    cell = Cell(widest, "0.5")
    size = arithmetic.memory(model, [cell], setting)
    loads = PATIENCE * size.weights / LOADED / 60
    if computed:
        return size.weights, loads
    count = cells(values, len(architectures.layer_types(model)))
    work = arithmetic.operations(model, [cell], setting).total * count
    if "tasks" in values:
        work *= ASKED
    # Up to as many cells as travel together have hidden states of their own.
    together = min(count, LARGEST_GROUP) * size.hidden
    host = size.weights + together + (0 if device == "cuda" else size.device)
    return host, loads + PATIENCE * work / RATES.get(device, RATES["cpu"]) / 60
