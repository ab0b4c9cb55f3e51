"""Cells of Table 3 by the engine and by the public procedure, restated here, in the same run.

    python benchmarks/public.py --model smollm2-135m --windows 32 --window-length 512 \\
        --evaluation-windows 64 --device cuda --out benchmarks/results/mine-public.json

The public procedure is the loop of Wanda's authors: a window at a time, every layer watched, each
block run twice for all windows, every cell by itself. It is timed with the model loaded and the
windows at hand, as the engine is: what is compared is the work on the model alone. STADE's cells
are Wanda's with another statistic and are left out. On a CPU processor seconds are taken, which
other processes do not lengthen; on a GPU time on the clock, the device's own included.
"""

import argparse
import copy
import json
import math
from collections.abc import Callable
from pathlib import Path

import sweep
import torch
from torch import Tensor, nn

from stade_book.studies.speed import clocked
from stade_nb.engine import pruning
from stade_nb.engine.cell import Cell, cells
from stade_nb.engine.streams import Room
from stade_nb.engine.traversal import traverse
from stade_nb.models import architectures, blockwise, loading, windows

METHODS, PATTERNS = ("dense", "magnitude", "wanda"), ("0.5", "2:4", "4:8")
GOAL = 2.0


def smallest(score: Tensor, cell: Cell) -> Tensor:
    """Which weights go: by a whole sort, or group by group, as the public code has it."""
    pattern, mask = cell.pattern, torch.zeros_like(score, dtype=torch.bool)
    if pattern.m:
        for at in range(0, score.shape[1], pattern.m):
            group = score[:, at : at + pattern.m]
            mask.scatter_(1, at + torch.topk(group, pattern.n, dim=1, largest=False)[1], True)
        return mask
    if pattern.scope == "layer":
        return score <= torch.sort(score.flatten())[0][int(score.numel() * pattern.sparsity)]
    order = torch.sort(score, dim=-1, stable=True)[1]
    return mask.scatter_(1, order[:, : int(score.shape[1] * pattern.sparsity)], True)


def public_wanda(model: nn.Module, calibration: Tensor, cell: Cell) -> None:
    """Prune the model as Wanda's loop does: the last block is run twice as well."""
    inputs, arguments = pruning.enter_all(model, calibration, 1)
    given = next(iter(arguments.values()))
    outputs: list[Tensor] = list(inputs)
    for index, block in enumerate(architectures.blocks(model)):
        layers = architectures.linear_layers(block)
        rows = {
            name: torch.zeros(layer.in_features, device=layer.weight.device)
            for name, layer in layers.items()
        }
        seen = dict.fromkeys(layers, 0)

        def watcher(name: str, rows: dict = rows, seen: dict = seen) -> Callable:
            def add(_, args, __) -> None:
                x = args[0].reshape(-1, args[0].shape[-1]).t().float()
                rows[name] *= seen[name] / (seen[name] + 1)
                seen[name] += 1
                rows[name] += torch.norm(x, p=2, dim=1) ** 2 / seen[name]

            return add

        hooks = [layer.register_forward_hook(watcher(name)) for name, layer in layers.items()]
        for at, hidden in enumerate(inputs):
            outputs[at] = blockwise.run_block(block, hidden, given[index])
        for hook in hooks:
            hook.remove()
        for name, layer in layers.items():
            layer.weight[smallest(layer.weight.abs() * rows[name].sqrt()[None], cell)] = 0
        for at, hidden in enumerate(inputs):
            outputs[at] = blockwise.run_block(block, hidden, given[index])
        inputs, outputs = outputs, list(inputs)


def public(model: nn.Module, calibration: Tensor, evaluation: Tensor, cell: Cell) -> float:
    """One cell by the public procedure, which prunes the model; its perplexity."""
    if cell.needs_calibration:
        public_wanda(model, calibration, cell)
    elif not cell.is_dense:
        for _, _, layer in architectures.named_layers(model):
            layer.weight[smallest(layer.weight.abs(), cell)] = 0
    losses = []
    for one in evaluation.split(1):
        logits = model(input_ids=one, use_cache=False).logits[0, :-1]
        losses.append(nn.functional.cross_entropy(logits.float(), one[0, 1:]))
    return torch.stack(losses).mean().exp().item()


def beside(model: nn.Module, calibration: Tensor, evaluation: Tensor, batch_size: int) -> dict:
    """Seconds of all cells together and perplexities, cell by cell, by either way.

    calibration, evaluation: (windows, tokens), where the model is.
    """
    chosen, device = cells(METHODS, PATTERNS), calibration.device
    room, ids = Room(device, float("inf")), {0: calibration}
    with blockwise.evaluating(model):
        # The first calls choose kernels.
        public(copy.deepcopy(model), calibration[:1], evaluation[:1], Cell("wanda", "0.5"))

        def engine() -> list[float]:
            found = traverse(model, chosen, ids, evaluation, batch_size=batch_size, room=room)
            return [one["perplexity"] for one in found]

        def loop() -> list[float]:
            return [public(copy.deepcopy(model), calibration, evaluation, cell) for cell in chosen]

        found = {"cells": [str(cell) for cell in chosen]}
        for name, way in (("engine", engine), ("public", loop)):
            seconds, perplexities = clocked(way, device)
            found[name] = {"seconds": seconds, "perplexities": perplexities}
    return found


def shown(found: dict) -> str:
    """The two ways in one sentence."""
    engine, loop = found["engine"], found["public"]
    ratio = loop["seconds"] / engine["seconds"]
    reached = "reached" if ratio >= GOAL else "not reached"
    apart = {
        cell: abs(math.log(one / other))
        for cell, one, other in zip(
            found["cells"], loop["perplexities"], engine["perplexities"], strict=True
        )
    }
    furthest = max(apart, key=apart.get)
    wanda = max(value for cell, value in apart.items() if cell.startswith("wanda"))
    return (
        f"{len(apart)} cells of Table 3 take {engine['seconds']:.1f} {found['unit']} by the "
        f"engine, {loop['seconds']:.1f} by the public loop, {ratio:.2f} times as many: goal of "
        f"{GOAL:g} times {reached}. Mean losses differ by at most {wanda:.1e} nats in Wanda's "
        f"cells, and by {apart[furthest]:.1e} where they are furthest apart ({furthest})."
    )


def measured(asked: argparse.Namespace) -> dict:
    """What the options ask for: a model of the first `blocks` on the project's own text."""
    model, tokenizer = loading.load(asked.model, asked.device)
    stack = architectures.blocks(model)
    about = {"blocks": f"{asked.blocks or len(stack)} of {len(stack)}"}
    del stack[asked.blocks or len(stack) :]
    count, length = asked.evaluation_windows, asked.window_length
    calibration = windows.calibration_windows("embedded", tokenizer, asked.windows, length, 0)
    evaluation = windows.evaluation_windows("embedded", tokenizer, count, length)
    ids = calibration.to(asked.device), evaluation.to(asked.device)
    about["unit"] = "processor s" if ids[0].device.type == "cpu" else "s"
    return about | beside(model, *ids, asked.batch_size)


def main() -> None:
    """Measure, show and keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--evaluation-windows", type=int, default=64)
    parser.add_argument("--window-length", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, help="the first of the model's; default: all")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    chosen.dtype = "float32"
    torch.set_num_threads(chosen.threads)
    found = {"public": measured(chosen), "about": sweep.about(chosen)}
    print(shown(found["public"]))
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
