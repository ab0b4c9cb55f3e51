"""Which runtime keeps corrected biases of which architecture: recorded with llama.cpp, and here."""

import copy
import json
import tempfile
from pathlib import Path

import pandas
import torch

from stade_book.pages.notebooks import Anywhere
from stade_book.studies import conformance
from stade_book.studies.conformance import KEPT
from stade_nb import paths
from stade_nb.engine.pruning import prune_model
from stade_nb.models import gguf_export, loading
from stade_nb.models.saving import save
from stade_nb.numerics.methods import METHODS

FILE = paths.DATA / "conformance.json"
TOKENS = 64  # of which log-probabilities are compared


def recorded() -> dict:
    """What benchmarks/conformance.py found: date, versions, pattern and cases."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def fates(found: dict) -> pandas.DataFrame:
    """A row for each case of `recorded`, a column for each runtime: kept, lost, refused, neither.

    The last column is what llama.cpp said where it refused.
    """
    rows = [
        {"model": case["model"], "method": case["method"]}
        | {runtime: one["biases"] for runtime, one in case["runtimes"].items()}
        | {"says": case["llama_cpp_says"]}
        for case in found["cases"]
    ]
    return pandas.DataFrame(rows)


def counts(rows: pandas.DataFrame) -> dict[str, str]:
    """{runtime: "8 of 14"}: of `fates`, the models with added biases that come back with them."""
    added = rows[[METHODS[method].corrects for method in rows["method"]]]
    runtimes = added.columns.drop(["model", "method", "says"])
    return {name: f"{(added[name] == KEPT).sum()} of {len(added)}" for name in runtimes}


def here(p: Anywhere) -> pandas.DataFrame:
    """The models of a page pruned, handed on and loaded again, in this run; without llama.cpp.

    Columns model, method, runtime, biases (see `conformance.fate`), from_kept and from_lost (the
    largest differences of log-probabilities from the pruned model and from the one without its
    biases) and megabytes of what was written.
    """
    rows = []
    for name in p.models:
        dense, tokenizer = loading.load(name)
        generator = torch.Generator().manual_seed(p.seed)
        length = min(TOKENS, dense.config.max_position_embeddings)
        draw = (p.windows + 1, length)
        ids = torch.randint(0, len(tokenizer), draw, generator=generator)
        for method in p.methods:
            model = copy.deepcopy(dense)
            prune_model(model, ids[1:], method, p.pattern)
            bare = conformance.without(model, dense)
            both = [conformance.log_probabilities(one, ids[0]) for one in (model, bare)]
            for runtime, rows_found, size in _handed_on(model, tokenizer, ids[0]):
                near = [
                    float("nan") if rows_found is None else conformance.furthest(rows_found, one)
                    for one in both
                ]
                fate = conformance.fate(rows_found, *both)
                rows.append((name, method, runtime, fate, *near, size / 1e6))
    columns = ["model", "method", "runtime", "biases", "from_kept", "from_lost", "megabytes"]
    return pandas.DataFrame(rows, columns=columns)


def _handed_on(model: object, tokenizer: object, ids: torch.Tensor) -> list[tuple]:
    """(runtime, log-probabilities, bytes) for each way that needs no other program."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "gguf").mkdir()
        save(model, tokenizer, folder / "saved")
        file = gguf_export.write(model, tokenizer, folder / "gguf" / "model.gguf")
        sizes = [sum(f.stat().st_size for f in (folder / "saved").iterdir()), file.stat().st_size]
        found = [
            conformance.from_folder(model, tokenizer, ids, folder / "saved"),
            conformance.from_gguf(file, ids),
            conformance.from_gguf_here(file, ids, folder / "written"),
        ]
    names = ["transformers, folder", "transformers, GGUF", "this package, GGUF"]
    return list(zip(names, found, [*sizes, sizes[1]], strict=True))
