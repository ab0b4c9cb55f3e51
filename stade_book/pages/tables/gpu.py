"""What one GPU did, computed earlier: kernels, whole shapes, and cells that a CPU computed too."""

import functools
import json
from collections.abc import Sequence

import pandas

from stade_book.claims import paper
from stade_book.studies import shipped
from stade_book.studies.shipped import TOLERANCE
from stade_nb import paths

FILE = paths.DATA / "gpu.json"


@functools.cache
def recorded() -> dict:
    """What `benchmarks/gpu.py` wrote, put together: about, cuda_tests, kernels, shapes."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def about() -> str:
    """With what it was measured, in a line."""
    made = recorded()["about"]
    return f"{made['device']}, {made['processor']}; {made['versions']}; {made['date']}"


def kernels() -> pandas.DataFrame:
    """Each sparse product beside the dense one: way, layers, tokens, ratio, microseconds, error.

    A product that torch does not have in half precision says so in place of numbers.
    """
    rows = []
    for row in recorded()["kernels"]:
        about = {"way": row["way"], "layers": row["layers"], "tokens": row["tokens"]}
        if "failed" in row:
            rows.append(about | {"said": row["failed"]})
            continue
        times = {name: 1e6 * row[name] for name in ("seconds", "dense", "setup")}
        rows.append(about | times | {"ratio": row["ratio"], "error": row["error"], "said": ""})
    return pandas.DataFrame(rows)


def by_tokens() -> pandas.DataFrame:
    """The ratios to dense over the layer shapes: way, tokens, lowest, median, highest."""
    ran = kernels().dropna(subset="ratio")
    found = ran.groupby(["way", "tokens"], sort=False)["ratio"]
    return found.agg(lowest="min", median="median", highest="max").reset_index()


def shapes() -> pandas.DataFrame:
    """Engine and plain path on published shapes with random weights, of which time is all."""
    rows = []
    for title, found in recorded()["shapes"].items():
        pruned = len(found["cells"]) - 1  # the first is the dense one
        rows.append(
            {
                "shape": title,
                "cells": ", ".join(found["cells"]),
                "engine": found["engine_seconds"],
                "a cell": found["engine_seconds"] / pruned,
                "plain": found["plain_seconds_of_the_last"],
                "share": found["share_of_gemm_rate"],
                "teraflops": found["operations"] / found["engine_seconds"] / 1e12,
                "peak": found["peak_bytes"] / 1e9,
                "block": found["block_bytes"] / 1e9,
            }
        )
    return pandas.DataFrame(rows)


def on_both(names: Sequence[str]) -> pandas.DataFrame:
    """Cells that a CPU and a GPU have computed from the same windows: how far they are apart."""
    rows = [
        {
            "model": name,
            "method": paper.title(cpu["method"]),
            "pattern": paper.sparsity(cpu["pattern"]),
            "calibration": cpu["calibration_corpus"]["source"],
            "evaluation": cpu["evaluation_corpus"]["source"],
            "cpu": cpu["perplexity"],
            "gpu": gpu["perplexity"],
            "apart": gpu["perplexity"] / cpu["perplexity"] - 1,
        }
        for name in names
        for cpu, gpu in shipped.on_both(name)
    ]
    found = pandas.DataFrame(rows)
    order = found["apart"].abs().sort_values(ascending=False, kind="stable").index
    return found.loc[order].reset_index(drop=True)


def agreement(found: pandas.DataFrame) -> str:
    """`on_both` in a sentence."""
    apart = found["apart"].abs()
    return (
        f"{int((apart < TOLERANCE).sum())} of {len(apart)} perplexities within {TOLERANCE:.1%}, "
        f"median difference {apart.median():.2%}, largest {apart.max():.1%}"
    )
