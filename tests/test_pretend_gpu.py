"""Notebooks with device "cuda" keep their tensors on one device: on a pretend GPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SMALL = {
    "models": ["llama-230k", "opt-340k"],
    "seeds": [0],
    "windows": 4,
    "window_length": 32,
    "evaluation_windows": 4,
}
# Table 2's and Fig. 1's ways through the engine are Table 3's; the other pages' are too long here.
CHOSEN = {
    "problem": {},
    "wanda": {},
    "bias": {},
    "many_weights": {},
    "table3_perplexity": SMALL | {"patterns": ["0.5", "2:4"]},
    "table6_weight_update": SMALL | {"patterns": ["0.5"]},
}


def on_pretend_gpu(*words):
    return subprocess.run(
        [sys.executable, *words], cwd=TESTS.parent, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("notebook", CHOSEN)
def test_a_notebook_on_the_pretend_gpu(notebook, tmp_path, elsewhere):
    given = CHOSEN[notebook]
    if given:
        given = given | {"results_dir": str(tmp_path)}
    done = on_pretend_gpu(str(TESTS / "pretend_gpu.py"), notebook, json.dumps(given))
    assert done.returncode == 0, done.stderr[-2000:]
    if given:
        records = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
        assert records and all(one["fields"]["device"] == "cuda" for one in records)
    if notebook.startswith("table"):
        # What so few windows say is not for the scorecard of the book.
        assert any(elsewhere.glob(f"{notebook}.json"))


LOSSES_GO_ON = """
import sys
import torch
from pathlib import Path
from stade_nb.engine.kept import KeptLosses
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import loading
import pretend_gpu

pretend_gpu.installed()

class Killed(KeptLosses):
    def left(self, losses):
        super().left(losses)
        raise KeyboardInterrupt

model, _ = loading.load("llama-230k", "cuda")
ids, folder = torch.arange(64).reshape(4, 16), Path(sys.argv[1])
try:
    window_losses(model, ids, 1, keep=Killed(folder, 4, 0))
except KeyboardInterrupt:
    pass
kept = KeptLosses(folder, 4, 0)
assert len(kept.begun()[0]) == 1
assert window_losses(model, ids, 1, keep=kept).equal(window_losses(model, ids, 1))
"""


def test_losses_kept_of_a_gpu_go_on(tmp_path):
    path = f"import sys; sys.path.insert(0, {str(TESTS)!r})"
    done = on_pretend_gpu("-c", path + LOSSES_GO_ON, str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]


SAME_MODEL = """
import torch
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import loading
import pretend_gpu

ids = torch.arange(64).reshape(4, 16)
cpu = window_losses(loading.load("llama-230k")[0], ids)
pretend_gpu.installed()
model, _ = loading.load("llama-230k", "cuda")
assert model.device.type == "cuda" and window_losses(model, ids).equal(cpu)
"""


SNAPSHOT = """
import torch
from stade_nb.engine import pruning, weights
from stade_nb.models import loading
import pretend_gpu

pretend_gpu.installed()
for name in ("llama-230k", "opt-340k"):
    model, _ = loading.load(name, "cuda")
    before, dense = loading.fingerprint(model), weights.snapshot(model)
    kept = [tensor for _, *both in dense for tensor in both if tensor is not None]
    assert {tensor.device.type for tensor in kept} == {"cpu"}
    for restored in (True, False):
        pruning.prune_model(model, torch.arange(64).reshape(4, 16), "std", "2:4")
        assert loading.fingerprint(model) != before
        if restored:
            weights.restore(dense)
            assert loading.fingerprint(model) == before
    weights.drop_biases(dense)
    for layer, _, bias in dense:
        assert layer.bias is None if bias is None else layer.bias.cpu().equal(bias)
"""


def test_of_a_model_on_a_gpu_what_it_was_waits_on_the_host():
    path = f"import sys; sys.path.insert(0, {str(TESTS)!r})"
    done = on_pretend_gpu("-c", path + SNAPSHOT)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_model_on_the_pretend_gpu_is_the_one_of_the_cpu():
    path = f"import sys; sys.path.insert(0, {str(TESTS)!r})"
    done = on_pretend_gpu("-c", path + SAME_MODEL)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("torch.ones(3, device='cuda') + torch.ones(3)", "tensors of cuda:0 and of the CPU"),
        ("torch.where(torch.ones(3) > 0, torch.ones(3, device='cuda'), 0)", "of the CPU"),
        ("torch.ones(3)[torch.ones(3, device='cuda') > 0]", "by one of cuda:0"),
        ("torch.nn.Linear(3, 2).to('cuda')(torch.ones(3))", "tensors of cuda:0 and of the CPU"),
        ("torch.ones(3, device='cuda').numpy()", "can't convert cuda:0"),
        ("torch.rand(3, device='cuda', generator=torch.Generator())", "of another device"),
    ],
)
def test_the_pretend_gpu_refuses_what_a_real_one_refuses(code, message):
    words = f"import torch, pretend_gpu; pretend_gpu.installed(); {code}"
    done = on_pretend_gpu("-c", f"import sys; sys.path.insert(0, {str(TESTS)!r}); {words}")
    assert done.returncode == 1 and message in done.stderr
