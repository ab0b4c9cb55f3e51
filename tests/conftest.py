"""What every test shares: one thread, repeatable hypothesis runs, golden vectors, ../shared."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared"
GOLDEN = Path(__file__).resolve().parent / "golden"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared beside the checkout")

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared with reference models, texts and golden vectors."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def golden() -> dict[str, torch.Tensor]:
    """One layer pruned by the public reference code; the keys are those of its README."""
    with np.load(GOLDEN / "layer.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}
