"""Layer numerics give on a GPU what they give on a CPU, and the theory holds there."""

import pytest
import torch
from tiny_models import build, windows

from stade_book.theory import brute_force, equalities, synthetic, variance_estimates
from stade_nb.engine import pruning
from stade_nb.models import architectures, blockwise
from stade_nb.numerics import masks
from stade_nb.numerics.methods import METHODS, prune_layer
from stade_nb.numerics.metrics import Needs
from stade_nb.numerics.moments import Moments

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("pattern", ["0.1", "0.5", "0.9", "2:4", "24:32"])
def test_ties_are_settled_alike(pattern, scope):
    score = torch.randint(0, 50, (64, 320), generator=torch.Generator().manual_seed(0)).float()
    chosen = masks.parse_pattern(pattern, scope)
    got = masks.select(score.cuda(), chosen)
    assert got.cpu().equal(masks.select(score, chosen))


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


def test_theory():
    """What the theory pages compute, by generators and tensors of the GPU."""
    generator = torch.Generator("cuda").manual_seed(0)
    spans = (-2, 2), (0.1, 2)
    layer = synthetic.random_layers((1, 16), *spans, generator)
    assert layer.weight.is_cuda
    new_bias = synthetic.normal(layer.weight.shape, generator)
    assert equalities.exact(layer, new_bias)["holds"].all()
    assert equalities.eq3(layer, new_bias)["holds"].all()
    centred = synthetic.random_layers((1, 16), (0, 0), spans[1], generator)
    x = centred.std * synthetic.normal((500, 16), generator)
    assert equalities.eqs_4_to_6(centred, x)["holds"].all()
    many = synthetic.random_layers((50, 4, 16), *spans, generator)
    found = {(each.metric, each.refit): each for each in brute_force.agreements(many)}
    for best in (("std", True), ("without_bias", False)):
        assert found[best].agree == found[best].outputs
    estimated = variance_estimates.simulated([4, 64], 0.5, 1.0, 2000, generator)
    assert estimated["errors"].max() < 6


def test_windows_pass_a_block_without_making_the_host_wait():
    model = build("llama").cuda()
    with blockwise.evaluating(model):
        batches, arguments = pruning.enter_all(model, windows(6), 2)
        block = architectures.blocks(model)[0]
        types = architectures.chosen_in(block, "all")
        with pruning.gathering(block, types, "0", Needs.GRAM):
            torch.cuda.set_sync_debug_mode("error")
            try:
                for hidden in batches:
                    blockwise.run_block(block, hidden, arguments[hidden.shape][0])
            finally:
                torch.cuda.set_sync_debug_mode("default")
