"""The layer numerics give on a GPU what they give on a CPU."""

import pytest
import torch

from stade_nb import masks
from stade_nb.methods import METHODS, prune_layer
from stade_nb.moments import Moments

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("pattern", ["0.1", "0.5", "0.9", "2:4", "24:32"])
def test_ties_are_settled_alike(pattern, scope):
    score = torch.randint(0, 50, (64, 320), generator=torch.Generator().manual_seed(0)).float()
    got = masks.select(score.cuda(), pattern, scope)
    assert got.cpu().equal(masks.select(score, pattern, scope))


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
@pytest.mark.parametrize("name", METHODS)
def test_methods(golden, name, pattern):
    results = []
    for device in ("cpu", "cuda"):
        moments = Moments.zeros(golden["X"].shape[-1], device, gram=True)
        moments.update(golden["X"].to(device))
        layer = golden["W"].to(device), golden["b"].to(device), moments
        generator = torch.Generator().manual_seed(0)
        results.append(prune_layer(*layer, name, pattern, centred=False, generator=generator))
    cpu, gpu = results
    assert gpu.pruned.cpu().equal(cpu.pruned)
    torch.testing.assert_close(gpu.weight.cpu(), cpu.weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gpu.bias.cpu(), cpu.bias, rtol=1e-5, atol=1e-5)
