"""Everything that ten minutes of a GPU allow, in order of worth; records are written as it goes.

    python benchmarks/gpu.py --device cuda --minutes 10
    python benchmarks/gpu.py --device cpu --tiny    # the same path, small

Each step is a JSON file in --out (build/gpu) with what was measured and with which hardware and
versions. A step that has one is not done again, so that a run that was cut off goes on; a step that
fails says so in its file, is tried again the next time, and does not stop the others. No step
begins when the minutes are over.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# The plain path is the tests' reference.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

import floor
import public
import torch
from plain import compute
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from stade_book.pages import provenance
from stade_book.pages.tables.speed import layer_shapes
from stade_book.studies import speed
from stade_nb.engine import arithmetic
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows, cells
from stade_nb.engine.streams import Room
from stade_nb.engine.sweep import sweep
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError
from stade_nb.files import write_at_once
from stade_nb.models import architectures, loading
from stade_nb.models.shapes import filled, shapes

ROOT = Path(__file__).parents[1]
# Tables 3, 5 and 6 of one model, and the methods of each.
METHODS = ("dense", "magnitude", "wanda", "std", "stade", "stade_without_bias")
UPDATING = ("sparsegpt", "sparsegpt_without_update")
PATTERNS = ("0.5", "2:4", "4:8")


@dataclass(frozen=True)
class Asked:
    """What a run is asked for. tiny: models and texts of seconds on a CPU."""

    device: str
    out: Path
    tiny: bool = False
    model: str = "smollm2-135m"
    calibration: str = "embedded"
    evaluation: str = "embedded"

    @property
    def setting(self) -> Setting:
        """The paper's protocol, 128 windows of 2048 tokens; tiny: 4 of 32."""
        windows, length = (4, 32) if self.tiny else (128, 2048)
        return Setting(
            Windows(self.calibration, windows, length),
            Windows(self.evaluation, windows, length),
            self.out / "results",
            device=self.device,
            batch_size=4,
        )


def agreement(asked: Asked) -> dict:
    """CPU and GPU on one small model: perplexities within 0.5 %, and zeros in the same places."""
    chosen = cells(["dense", "magnitude", "wanda", "stade"], ["0.5", "2:4"])
    windows = Windows(asked.calibration, 8, 32 if asked.tiny else 128)
    found = {}
    for device in ("cpu", asked.device):
        setting = Setting(windows, windows, asked.out / "agreement", device=device)
        found[device] = sweep("llama-390k", chosen, setting)
    pairs = list(zip(found["cpu"], found[asked.device], strict=True))
    apart = [abs(gpu["perplexity"] / cpu["perplexity"] - 1) for cpu, gpu in pairs]
    same = all(cpu["zeros"] == gpu["zeros"] for cpu, gpu in pairs)
    return {"largest": max(apart), "within": max(apart) < 0.005, "zeros": same}


def cuda_tests(asked: Asked) -> dict:
    """The project's own tests of CUDA."""
    words = [sys.executable, "-m", "pytest", "-q", "-k", "cuda", "tests/engine"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise StadeError(done.stdout[-500:])
    return {"said": done.stdout.strip().splitlines()[-1]}


def beside_public(asked: Asked) -> dict:
    """Cells of Table 3 by the engine and by the public loop, with the sizes of the records."""
    given = argparse.Namespace(
        model="llama-230k" if asked.tiny else asked.model,
        device=asked.device,
        blocks=None,
        batch_size=8,
        windows=4 if asked.tiny else 32,
        evaluation_windows=4 if asked.tiny else 64,
        window_length=32 if asked.tiny else 512,
    )
    found = public.measured(given)
    return found | {"said": public.shown(found)}


def notebooks(asked: Asked) -> dict:
    """Every notebook of the embedded profile that has a device, on this one, by papermill."""
    from papermill import execute_notebook, inspect_notebook

    found = {}
    chosen = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in [ROOT / "notebooks" / "problem.ipynb"] if asked.tiny else chosen:
        if "device" not in inspect_notebook(path):
            continue
        start, target = time.perf_counter(), asked.out / "notebooks" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        given = {"device": asked.device}
        execute_notebook(path, target, given, kernel_name="python3", cwd=ROOT, progress_bar=False)
        found[path.stem] = round(time.perf_counter() - start, 1)
    return {"seconds": found}


def _table(asked: Asked, methods: tuple[str, ...]) -> dict:
    name = "llama-230k" if asked.tiny else asked.model
    chosen = cells(methods, ["2:4"] if asked.tiny else PATTERNS)
    start = time.perf_counter()
    found = sweep(name, chosen, asked.setting)
    return {
        "model": name,
        "seconds": time.perf_counter() - start,
        "perplexities": {f"{r['method']} {r['pattern']}": r["perplexity"] for r in found},
    }


def tables_3_and_5(asked: Asked) -> dict:
    """All cells of Tables 3 and 5 of one model, at 128 windows of 2048 tokens."""
    return _table(asked, METHODS)


def table_6(asked: Asked) -> dict:
    """SparseGPT's cells of Table 6."""
    return _table(asked, UPDATING)


def _random(name: str, asked: Asked) -> nn.Module:
    """A model of a published shape with random weights, in the host's memory: for time alone."""
    config = AutoConfig.for_model(**shapes()[name].config)
    if asked.tiny:
        config.num_hidden_layers, config.hidden_size, config.intermediate_size = 2, 64, 128
        config.num_attention_heads = config.num_key_value_heads = 4
        config.vocab_size, config.head_dim = 256, 16
    dtype = torch.float32 if asked.device == "cpu" else torch.float16
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return filled(model, asked.device)


def _against_plain(name: str, asked: Asked) -> dict:
    """The engine on a few cells of a shape, one of them by the plain path where it fits."""
    model, place = _random(name, asked), torch.device(asked.device)
    count, length = (4, 32) if asked.tiny else (16, 2048)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, model.config.vocab_size, (count, length), generator=draw)
    chosen = [DENSE, Cell("magnitude", "2:4"), Cell("wanda", "2:4"), Cell("stade", "2:4")]
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    start = time.perf_counter()
    room = Room(place, float("inf"))
    traverse(model, chosen, {0: ids}, ids, batch_size=4, room=room)
    engine = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated(place) if place.type == "cuda" else 0
    rate = floor.rate(model, min(4 * length, 8192), place, 0.05 if asked.tiny else 1.0)
    windows = Windows("random", count, length)
    work = arithmetic.operations(model, chosen, Setting(windows, windows, None)).total
    blocks = sum(p.numel() for p in architectures.blocks(model)[0].parameters())
    model = model.to(place)
    start = time.perf_counter()
    compute(chosen[-1], model, ids.to(place), ids.to(place), 4)
    return {
        "weights": "random: only time and memory mean anything",
        "cells": [str(cell) for cell in chosen],
        "engine_seconds": engine,
        "plain_seconds_of_the_last": time.perf_counter() - start,
        "operations": work,
        "gemm_rate": rate,
        "share_of_gemm_rate": work / engine / rate,
        "peak_bytes": peak,
        "block_bytes": blocks * model.dtype.itemsize,
    }


def small_shape(asked: Asked) -> dict:
    """Engine and plain path on the shape of Llama 3.2 1B."""
    return _against_plain("llama-3.2-1b", asked)


def large_shape(asked: Asked) -> dict:
    """Engine and plain path on the shape of LLaMA 7B."""
    return _against_plain("llama-7b", asked)


def kernels(asked: Asked) -> dict:
    """Sparse products beside dense ones, for the layer shapes of LLaMA 7B, biases included."""
    rows = []
    layers = {(32, 64): "tiny"} if asked.tiny else layer_shapes("llama-7b")
    dtype = torch.float32 if asked.device == "cpu" else torch.float16
    for shape, names in layers.items():
        weight = speed.pruned_weight(shape, "2:4").to(asked.device, dtype)
        bias = torch.randn(shape[0]).to(weight)
        for way in (w for w in speed.WAYS if speed.possible(w, "2:4", asked.device)):
            for tokens in (1, 64) if asked.tiny else (1, 64, 512, 8192):
                about = {"layers": names, "way": way, "tokens": tokens}
                repetitions = 3 if asked.tiny or way != "semi-structured" else 50
                try:
                    found = speed.timed(way, weight, bias, tokens, repetitions)._asdict()
                # Not every kernel takes every shape and type: that is a result, too.
                except RuntimeError as error:
                    found = {"failed": str(error).splitlines()[0]}
                rows.append(about | found)
    return {"rows": rows}


# In order of worth.
STEPS: dict[str, Callable[[Asked], dict]] = {
    each.__name__: each
    for each in (
        *(cuda_tests, agreement, beside_public, tables_3_and_5, small_shape, kernels),
        *(large_shape, table_6, notebooks),
    )
}


def about(asked: Asked) -> dict:
    """With what a step was measured."""
    device = loading.check_device(asked.device)
    return {
        "device": provenance.processor(str(device)),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tiny": asked.tiny,
    }


def run(asked: Asked, minutes: float, only: list[str] | None = None) -> dict[str, str]:
    """Do the steps that have no record yet, until the minutes are over; what became of each."""
    began, became = time.perf_counter(), {}
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, step in STEPS.items():
        if only and name not in only:
            continue
        file = asked.out / f"{name}.json"
        if file.exists() and "failed" not in json.loads(file.read_text("utf-8")):
            became[name] = "there already"
            continue
        if time.perf_counter() - began > 60 * minutes:
            became[name] = "no time left"
            continue
        start = time.perf_counter()
        try:
            found = {"found": step(asked)}
        # One step that fails must not cost the minutes of the others.
        except Exception as error:
            found = {"failed": f"{type(error).__name__}: {error}"}
        found |= {"seconds": round(time.perf_counter() - start, 1), "about": about(asked)}
        write_at_once(file, json.dumps(found, indent=1) + "\n")
        became[name] = found.get("failed", "done")
        print(f"{name}: {became[name]} ({found['seconds']} s)", flush=True)
    return became


def main() -> None:
    """Read the options and do the steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="models and texts of seconds")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", nargs="*", choices=STEPS)
    parser.add_argument("--model", default="smollm2-135m", help="of Tables 3, 5 and 6")
    parser.add_argument("--calibration", default="embedded")
    parser.add_argument("--evaluation", default="embedded")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu")
    chosen = parser.parse_args()
    loading.check_device(chosen.device)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    texts = chosen.calibration, chosen.evaluation
    asked = Asked(chosen.device, chosen.out, chosen.tiny, chosen.model, *texts)
    became = run(asked, chosen.minutes, chosen.only)
    if any(word not in ("done", "there already") for word in became.values()):
        raise SystemExit("not all steps are done: the same command goes on with them")


if __name__ == "__main__":
    try:
        main()
    except StadeError as error:
        raise SystemExit(str(error)) from None
