"""Whole models pruned by the public reference code: masks, biases and perplexities on disk."""

import numpy as np
import torch

from workflow import ROOT

GOLDEN = ROOT / "tests" / "golden"
E2E = {"e2e_stories260K": "stories260K", "e2e_babygpt_opt": "babygpt-shakespeare-opt"}


def golden_file(name: str) -> dict[str, torch.Tensor]:
    """The arrays of one file; the keys are those of its README."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def _results():
    for name in E2E:
        with np.load(GOLDEN / f"{name}.npz") as file:
            keys = [key for key in file.files if key.endswith("/perplexity")]
        yield from ((name, key.removesuffix("/perplexity")) for key in keys if key[:5] != "dense")


RESULTS = list(_results())
