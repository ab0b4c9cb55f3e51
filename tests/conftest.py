"""What every test shares: one thread, repeatable hypothesis runs, golden vectors, ../shared."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from golden_models import E2E, golden_file
from hypothesis import settings
from made_records import there  # noqa: F401
from tiny_models import build, windows
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from stade_book.claims import paper
from stade_nb.models import loading, saving
from stade_nb.numerics.moments import Moments
from workflow import ROOT

SHARED = ROOT.parent / "shared"
PATTERNS = ["0.5", "0.37", "2:4", "4:8"]  # of the golden layer
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared beside the checkout")

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory) -> Path:
    """Where a notebook that a test runs writes its verdicts."""
    return tmp_path_factory.mktemp("verdicts")


@pytest.fixture(autouse=True)
def the_scorecard_is_of_the_book(elsewhere, monkeypatch) -> None:
    """Another process that a test begins leaves the verdicts of the book's own pages alone."""
    monkeypatch.setenv("STADE_NB_VERDICTS", str(elsewhere))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared with reference models, texts and golden vectors."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def pins() -> dict[str, str]:
    """The packages of requirements.lock and the versions that it pins."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.fixture(scope="session")
def golden() -> dict[str, torch.Tensor]:
    """One layer pruned by the public reference code; the keys are those of its README."""
    return golden_file("layer")


@pytest.fixture(scope="module", params=E2E)
def real(request):
    """A golden file's name and content, and the model it was made with."""
    model, _ = loading.load(str(SHARED / "reality" / "models" / E2E[request.param]))
    return request.param, golden_file(request.param), model


@pytest.fixture(scope="session")
def golden_moments(golden) -> Moments:
    """Statistics of the golden layer's inputs, cross products included."""
    moments = Moments.zeros(golden["X"].shape[-1], gram=True)
    moments.update(golden["X"])
    return moments


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Path:
    """A saved model and token windows."""
    folder = tmp_path_factory.mktemp("workplace")
    words = {f"w{number}": number for number in range(64)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0"))
    )
    saving.save(build("llama"), tokenizer, folder / "model")
    np.save(folder / "calibration.npy", windows(6, seed=1).numpy())
    np.save(folder / "evaluation.npy", windows(9, seed=2).numpy())
    (folder / "text.txt").write_text("\n\n".join("w1 w2 w3" for _ in range(40)))
    return folder


@pytest.fixture
def ran():
    """Two models, dense and three methods at two patterns; stade is lowest on the first model.

    Two calibration seeds, with the second 0.02 higher.
    """
    rows = []
    for model, gain in (("one", -0.1), ("two", 0.1)):
        rows.append((model, "dense", "dense", 0, 2.0, None))
        for pattern in ("0.5", "2:4"):
            rows.append((model, "magnitude", pattern, 0, 3.0, None))
            for method, loss in (("wanda", 2.5), ("stade", 2.5 + gain)):
                rows.append((model, method, pattern, 0, loss, "c" * 64))
                rows.append((model, method, pattern, 1, loss + 0.02, "d" * 64))
    columns = ["model", "method", "pattern", "seed", "loss", "calibration"]
    frame = pandas.DataFrame(rows, columns=columns)
    noise = [0.001 * (-1) ** i for i in range(20)]
    return paper.with_relative(
        frame.assign(
            losses=[[loss + n for n in noise] for loss in frame["loss"]],
            perplexity=2 ** frame["loss"],
            fingerprint=["f" * 64] * len(frame),
            evaluation=["e" * 64] * len(frame),
            family=["llama"] * len(frame),
            paper_model=[None] * len(frame),
            seconds=[{"prune": 1.0, "evaluate": 0.5}] * len(frame),
            layers="all",
            record=[f"{number:064x}" for number in range(len(frame))],
        )
    )
