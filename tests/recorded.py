"""Cells run on the small saved model of `workplace`, the records they leave, and a run killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from plain import run_cells

from stade_nb.engine import records
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.numerics.masks import parse_pattern
from workflow import ROOT

CELLS = [
    DENSE,
    Cell("stade", "0.5"),
    Cell("wanda", "2:4"),
    Cell("std", "0.7", "self_attn.v_proj"),
    Cell("random", "0.5", seed=3),
    Cell("magnitude", parse_pattern("0.5", "layer")),
    Cell("sparsegpt", "0.5"),
]
BEFORE_THE_KILL = 3
PROGRAM = """
import json, sys
from pathlib import Path
import torch
import recorded
from {module} import {name} as path
torch.set_num_threads(1)
workplace, results_dir, count, options = sys.argv[1:]
cells, options = recorded.many(int(count)), json.loads(options)
recorded.run(Path(workplace), cells, Path(results_dir), path, **options)
"""


def run(workplace, chosen, results_dir, path=run_cells, progress=False, **options) -> list[dict]:
    """The results of `chosen` cells by `path`: `run_cells`, or the engine's `sweep`."""
    calibration = Windows(str(workplace / "calibration.npy"), 6, 16)
    evaluation = Windows(str(workplace / "evaluation.npy"), None, 16)
    setting = Setting(calibration, evaluation, results_dir, **options)
    return path(str(workplace / "model"), chosen, setting, progress)


def all_records(folder) -> list[dict]:
    """Fields and result of each record in one dict; a damaged one is an error."""
    contents = [records.checked(path) for path in sorted(Path(folder).glob("*.json"))]
    return [content["fields"] | content["result"] for content in contents]


def times(folder) -> dict[Path, int]:
    """When each record was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def many(count: int) -> list[Cell]:
    """So many cells with records of their own."""
    return [Cell("stade", f"0.{number}") for number in range(20, 20 + count)]


def killed(workplace, folder: Path, path: Callable, count: int, **options) -> Path:
    """Where a run of `many(count)` cells by `path` left its records: killed with some of them."""
    results_dir, log = folder / "results", folder / "log"
    program = PROGRAM.format(module=path.__module__, name=path.__name__)
    words = [str(workplace), str(results_dir), str(count), json.dumps(options)]
    paths = os.pathsep.join(map(str, (ROOT / "tests", ROOT)))
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env=os.environ | {"PYTHONPATH": paths},
            stderr=file,
            cwd=folder,
        )
        deadline = time.monotonic() + 240
        while len(times(results_dir)) < BEFORE_THE_KILL and process.poll() is None:
            if time.monotonic() > deadline:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, log.read_text()
    return results_dir


def assert_resumed(workplace, results_dir: Path, path: Callable, count: int) -> None:
    """What a killed run had finished is whole and stays; the rest is as if never interrupted."""
    finished = times(results_dir)
    assert BEFORE_THE_KILL <= len(finished) < count
    assert len(all_records(results_dir)) == len(finished)
    cells = many(count)
    results = run(workplace, cells, results_dir, path)
    after = times(results_dir)
    assert len(after) == count and {name: after[name] for name in finished} == finished
    assert [result["pattern"] for result in results] == [cell.pattern_name for cell in cells]
    uninterrupted = run(workplace, cells, results_dir.with_name("fresh"), path)
    assert [each["losses"] for each in results] == [each["losses"] for each in uninterrupted]
