"""A column of Table 3 (10 cells) and Table 2 (126 cells), by the plain path and by the engine.

    python benchmarks/sweep.py --model opt-340k --tables 3 --windows 128 --evaluation-windows 128

Three ways to the same numbers on the same machine, one after the other, each in a process of its
own: every cell by itself (load, read, calibrate, prune, evaluate), the plain path with the model
loaded once, and the engine. Prints seconds, peak memory and where the time went, the ratios, what
the floating-point operations alone would take, and how far the results are apart.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

# The plain path is the tests' reference.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

import floor
import parts
import torch
from plain import run_cells

from stade_book.pages import provenance
from stade_nb.engine import plan
from stade_nb.engine import sweep as engine
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.engine.prepare import prepare
from stade_nb.errors import StadeError
from stade_nb.models import architectures, loading
from stade_nb.numerics.masks import parse_pattern

TABLE3_METHODS = ("magnitude", "wanda", "stade")
TABLE2_METHODS = ("wanda", "std")
PATTERNS = ("0.5", "4:8", "2:4")
SPARSITIES = tuple(f"0.{tenths}" for tenths in range(1, 10))
WAYS = ("each cell by itself", "plain, loaded once", "engine")


def table(number: int, types: list[str]) -> list[Cell]:
    """The cells of one model in the paper's Table 2 or 3."""
    if number == 2:
        rows = [(layer, method) for layer in types for method in TABLE2_METHODS]
        return [Cell(method, share, layer) for layer, method in rows for share in SPARSITIES]
    scopes = {("magnitude", "0.5"): "layer"}
    return [
        DENSE,
        *(
            Cell(method, parse_pattern(pattern, scopes.get((method, pattern), "row")))
            for method in TABLE3_METHODS
            for pattern in PATTERNS
        ),
    ]


def measure(way: str, model: str, cells: list[Cell], setting: Setting, threads: int) -> dict:
    """Compute `cells` one way, from nothing: seconds, peak memory (bytes), parts, perplexities.

    The records go to a folder of their own, whatever the setting says.
    """
    torch.set_num_threads(threads)
    device = loading.check_device(setting.device)
    # Importing an architecture takes longer than loading a small model, and belongs to no way.
    prepare(model, cells, setting)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder, parts.by_part(device) as seconds:
        setting = replace(setting, results_dir=folder)
        if way == "engine":
            found = engine.sweep(model, cells, setting)
        elif way == "plain, loaded once":
            found = run_cells(model, cells, setting)
        else:
            found = [run_cells(model, [cell], setting)[0] for cell in cells]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": sum(seconds.values()),
        "processor": time.process_time() - begin,  # on a busy machine the steadier number
        "parts": seconds,
        "host": peak * (1 if sys.platform == "darwin" else 1024),
        "device": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
        "perplexities": [result["perplexity"] for result in found],
    }


def in_own_process(*arguments) -> dict:
    """`measure` in a fresh process, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, *arguments).result()


def least(model: str, cells: list[Cell], setting: Setting) -> dict:
    """What the operations alone take, in seconds, and the bytes of all cells' hidden states."""
    inputs = prepare(model, cells, setting, home="cpu")
    calibration, evaluation = inputs.calibration_ids, inputs.evaluation_ids
    rows = setting.batch_size * evaluation.shape[1]
    operations = floor.operations(inputs.model, cells, calibration, evaluation)
    rate = floor.rate(inputs.model, rows, loading.check_device(setting.device))
    held = 0
    for cell in cells:
        read = [evaluation, *([calibration[cell.seed]] if cell.needs_calibration else [])]
        held += sum(plan.hidden_bytes(inputs.model, ids) for ids in read)
    return {"operations": operations, "rate": rate, "seconds": operations / rate, "held": held}


def about(chosen: argparse.Namespace) -> dict:
    """What the measurements were made with."""
    device = loading.check_device(chosen.device)
    hardware = processor_name()
    if device.type == "cuda":
        hardware = f"{torch.cuda.get_device_name(device)} beside {hardware}"
    length = chosen.window_length or "the model's own number of"
    return {
        "model": chosen.model,
        "windows": f"{chosen.windows} calibration and {chosen.evaluation_windows} evaluation "
        f"windows of {length} tokens, batches of {chosen.batch_size}, {chosen.dtype}",
        "machine": f"{hardware}, {os.cpu_count()} cores, threads: {chosen.threads}",
        "versions": provenance.versions(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": provenance.commit(),
    }


def processor_name() -> str:
    """The processor's name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report(number: int, cells: list[Cell], found: dict[str, dict], floor: dict) -> None:
    """Print a table's measurements, the engine's beside the others'."""
    print(f"\nTable {number}, {len(cells)} cells")
    engine = found["engine"]
    for way, result in found.items():
        memory = f"{result['host'] / 2**20:.0f} MiB"
        if result["device"]:
            memory += f" and {result['device'] / 2**20:.0f} MiB on the device"
        ratio = result["seconds"] / engine["seconds"]
        print(f"  {way}: {result['seconds']:.1f} s ({ratio:.2f} times the engine), {memory}")
        ratio = result["processor"] / engine["processor"]
        print(f"    of the processors: {result['processor']:.1f} s ({ratio:.2f} times the engine)")
        shares = sorted(result["parts"].items(), key=lambda part: -part[1])
        print("    " + ", ".join(f"{name} {spent:.1f} s" for name, spent in shares))
    print(
        f"  floor: {floor['operations']:.3g} operations at {floor['rate']:.3g} per second: "
        f"{floor['seconds']:.1f} s; the engine takes {engine['seconds'] / floor['seconds']:.1f} "
        f"times that"
    )
    print(f"  hidden states of all cells: {floor['held'] / 2**20:.0f} MiB")
    reference = next(iter(found.values()))["perplexities"]
    for way, result in found.items():
        pairs = zip(result["perplexities"], reference, strict=True)
        apart = max(abs(one - other) / other for one, other in pairs)
        print(f"  largest relative difference of a perplexity, {way}: {apart:.1e}")
        if apart > 1e-5:
            raise SystemExit(f"{way} and {next(iter(found))} differ by more than 1e-5")


def main() -> None:
    """Read the options, measure, print; and write everything measured where --out says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=(loading.embedded_models() or [None])[0])
    parser.add_argument("--tables", type=int, nargs="+", choices=(2, 3), default=[3, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--calibration", default="embedded")
    parser.add_argument("--evaluation", default="embedded")
    parser.add_argument("--windows", type=int, default=128)
    parser.add_argument("--evaluation-windows", type=int, default=128)
    parser.add_argument("--window-length", type=int)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--memory", type=int, help="bytes for the engine's hidden states")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.model is None:
        raise SystemExit("no embedded model is present: give --model a folder or a hub id")
    torch.set_num_threads(chosen.threads)
    length = chosen.window_length
    options = {name: getattr(chosen, name) for name in ("device", "dtype", "batch_size", "memory")}
    setting = Setting(
        Windows(chosen.calibration, chosen.windows, length),
        Windows(chosen.evaluation, chosen.evaluation_windows, length),
        "",
        **options,
    )
    types = architectures.layer_types(loading.load(chosen.model)[0])
    print(f"{chosen.model} on {chosen.device}, {chosen.dtype}, {chosen.threads} threads")
    everything = {"about": about(chosen)}
    for number in chosen.tables:
        cells = table(number, types)
        found = {
            way: in_own_process(way, chosen.model, cells, setting, chosen.threads)
            for way in WAYS
            if way in {*chosen.ways, "engine"}
        }
        least_time = least(chosen.model, cells, setting)
        report(number, cells, found, least_time)
        everything[f"table{number}"] = {"ways": found, "floor": least_time}
    if chosen.out:
        chosen.out.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except StadeError as error:
        raise SystemExit(str(error)) from None
