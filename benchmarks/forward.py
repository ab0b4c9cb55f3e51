"""Passes and statistics beside the machine's own matrix rate.

    python benchmarks/forward.py --model smollm2-135m --windows 8 --window-length 512 --threads 1 \\
        --blocks 6 --out benchmarks/results/smollm2-135m-forward-cpu.json

Everything is measured in turns in one process, so that what else the machine does falls on all
alike, and in processor seconds, which other processes do not lengthen.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import sweep
import torch
from torch import Tensor, nn

from stade_nb.engine import arithmetic, effort, pruning
from stade_nb.evaluation.perplexity import losses_of
from stade_nb.models import architectures, blockwise, loading
from stade_nb.numerics.metrics import Needs

TURNS = 3


def measure(model: nn.Module, ids: Tensor, batch_size: int) -> dict[str, dict]:
    """Processor seconds and operations per second: a product, passes, with statistics, the head."""
    block, types = architectures.blocks(model)[0], architectures.layer_types(model)
    head = architectures.head(model)
    batches, arguments = pruning.enter_all(model, ids, batch_size)

    def run() -> None:
        for hidden in batches:
            blockwise.run_block(block, hidden, arguments[hidden.shape][0])

    def watched() -> None:
        with pruning.gathering(block, types, "block", Needs.MOMENTS):
            run()

    def score() -> None:
        losses_of(head(batches[0][:1]), ids[:1])

    layer = max(architectures.linear_layers(block).values(), key=lambda one: one.weight.numel())
    x = torch.randn(ids.numel(), layer.in_features)
    ways = {
        "a product alone": (lambda: nn.functional.linear(x, layer.weight),
                            2.0 * ids.numel() * layer.weight.numel()),
        "forward passes": (run, effort.of_block(block, ids)),
        "with statistics": (watched, effort.of_block(block, ids)),
        "head and losses": (score, arithmetic.of_head(model, ids[:1].numel())),
    }  # fmt: skip
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, (work, _) in ways.items():
            start = time.process_time()
            work()
            took[name].append(time.process_time() - start)
    return {
        name: {
            "seconds": statistics.median(took[name]),
            "least": min(took[name]),
            "rate": operations / statistics.median(took[name]),
        }
        for name, (_, operations) in ways.items()
    }


def main() -> None:
    """Measure, show and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--window-length", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, help="the first of the model's; default: all")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    chosen.device, chosen.dtype, chosen.evaluation_windows = "cpu", "float32", chosen.windows
    torch.set_num_threads(chosen.threads)
    model, _ = loading.load(chosen.model)
    stack = architectures.blocks(model)
    about = sweep.about(chosen) | {"blocks": f"{chosen.blocks or len(stack)} of {len(stack)}"}
    del stack[chosen.blocks or len(stack) :]
    generator = torch.Generator().manual_seed(0)
    size = (chosen.windows, chosen.window_length)
    ids = torch.randint(0, model.config.vocab_size, size, generator=generator)
    with blockwise.evaluating(model):
        passes = measure(model, ids, chosen.batch_size)
    found = {"about": about, "passes": passes}
    print(json.dumps(found, indent=1))
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
