"""Which runtime keeps corrected biases of which architecture: data/conformance.json.

    python benchmarks/conformance.py --llama-cpp PYTHON [--models llama-390k]

PYTHON is the interpreter of an environment with xllamacpp, see llama_cpp.py. Each case is a model
that is pruned at 2:4 and handed on four ways; what comes back is judged by the rule of
`stade_book.studies.conformance`.
"""

import argparse
import copy
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

# The untrained models of all architectures are the tests'.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

import torch
from tiny_models import CONFIGS
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from stade_book.studies import conformance
from stade_nb import paths
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError
from stade_nb.files import write_at_once
from stade_nb.models import gguf_export, loading

FILE = paths.DATA / "conformance.json"
TOKENIZER = "llama-390k"
# Wanda adds no biases, STADE adds some to o_proj and down_proj, STD to all layers.
METHODS = ("wanda", "stade", "std")
TRAINED = (TOKENIZER, "smollm2-135m")
TINY = ("llama", "llama, scaled positions", "mistral", "qwen2", "qwen3")
TOKENS = 24


def tiny(name: str) -> nn.Module:
    """An untrained model of an architecture, with the vocabulary of an embedded one."""
    config = copy.deepcopy(CONFIGS[name.partition(",")[0]])
    config.vocab_size, config.max_position_embeddings = 1024, 64
    if name == "llama, scaled positions":
        scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        scaling |= {"original_max_position_embeddings": 32, "rope_theta": 500000.0}
        config.rope_parameters = scaling | {"rope_type": "llama3"}
    if name == "mistral":
        config.sliding_window = None
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        parameter.data += (0.2 if parameter.ndim == 2 else 0.1) * torch.randn(parameter.shape)
    return model.eval().requires_grad_(False)


def in_llama_cpp(python: str, file: Path, ids: Tensor, vocabulary: int) -> dict:
    """What benchmarks/llama_cpp.py prints: "version" and "rows", or what made it refuse."""
    words = [python, str(Path(__file__).with_name("llama_cpp.py")), str(file)]
    question = json.dumps({"ids": ids.tolist(), "vocabulary": vocabulary})
    done = subprocess.run(words, input=question, capture_output=True, text=True)
    if done.returncode:
        raise StadeError(f"{python}: {done.stderr.strip().splitlines()[-1]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "refused" in answer:
        why = [line for line in done.stderr.splitlines() if "error loading model" in line]
        answer["refused"] = (
            why[0].partition("error loading model: ")[2] if why else answer["refused"]
        )
    return answer


def case(name: str, dense: nn.Module, tokenizer: object, method: str, python: str | None) -> dict:
    """One model pruned by one method and handed on: for each runtime the fate of its biases."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = dense.config.vocab_size
    calibration = torch.randint(0, vocabulary, (8, 32), generator=generator)
    ids = torch.randint(0, vocabulary, (TOKENS,), generator=generator)
    model = copy.deepcopy(dense)
    prune_model(model, calibration, method, "2:4")
    bare = conformance.without(model, dense)
    kept, dropped = (conformance.log_probabilities(one, ids) for one in (model, bare))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = folder / "gguf" / "model.gguf"
        file.parent.mkdir()
        gguf_export.write(model, tokenizer, file, refuse=False)
        found = {
            "transformers, folder": conformance.from_folder(
                model, tokenizer, ids, folder / "saved"
            ),
            "transformers, GGUF": conformance.from_gguf(file, ids),
            "this package, GGUF": conformance.from_gguf_here(file, ids, folder / "written"),
        }
        why = ""
        if python:
            answer = in_llama_cpp(python, file, ids, vocabulary)
            why = answer.get("refused", "")
            found["llama.cpp, GGUF"] = torch.tensor(answer["rows"]) if "rows" in answer else None
    fates = {
        runtime: {
            "biases": conformance.fate(rows, kept, dropped),
            "from_kept": None if rows is None else conformance.furthest(rows, kept),
            "from_lost": None if rows is None else conformance.furthest(rows, dropped),
        }
        for runtime, rows in found.items()
    }
    return {"model": name, "method": method, "runtimes": fates, "llama_cpp_says": why}


def main() -> None:
    """Read the options, run all cases, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--llama-cpp", metavar="PYTHON", help="without it llama.cpp is left out")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--untrained", nargs="*", choices=TINY, default=list(TINY))
    parser.add_argument("--models", nargs="*", default=list(TRAINED), help="trained ones, by name")
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()
    tokenizer = loading.load(TOKENIZER)[1]
    models = {name: (tiny(name), tokenizer) for name in asked.untrained}
    models |= {name: loading.load(name) for name in asked.models}
    cases = []
    for name, pair in models.items():
        for method in asked.methods:
            cases.append(case(name, *pair, method, asked.llama_cpp))
            fates = {k: v["biases"] for k, v in cases[-1]["runtimes"].items()}
            print(name, method, fates, cases[-1]["llama_cpp_says"], flush=True)
    versions = {name: version(name) for name in ("torch", "transformers", "gguf")}
    if asked.llama_cpp:
        code = "import importlib.metadata as m; print(m.version('xllamacpp'))"
        done = subprocess.run([asked.llama_cpp, "-c", code], capture_output=True, text=True)
        versions["xllamacpp"] = done.stdout.strip()
    about = {"date": datetime.now(UTC).date().isoformat(), "versions": versions}
    text = json.dumps(about | {"pattern": "2:4", "cases": cases}, indent=1)
    write_at_once(asked.out, text + "\n")


if __name__ == "__main__":
    try:
        main()
    except StadeError as error:
        raise SystemExit(str(error)) from None
