"""Whole models pruned: golden vectors, an obvious reference in float64, and every architecture."""

import copy

import pytest
import torch
from conftest import needs_shared
from golden_models import RESULTS
from tiny_models import CONFIGS, build, windows
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as torch_prune

from stade_nb.engine import pruning, weights
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.engine.pruning import prune_model
from stade_nb.engine.streams import Room
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.models import architectures, blockwise, loading
from stade_nb.numerics import masks, methods
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.moments import Moments


def masks_of(model, layers="all"):
    return {
        f"{name}.{layer_type}": block.get_submodule(layer_type).weight == 0
        for name, block in zip(
            architectures.block_names(model), architectures.blocks(model), strict=True
        )
        for layer_type in architectures.chosen_in(block, layers)
    }


@pytest.mark.parametrize(("length", "expected"), [(16, 8), (1365, 8), (1366, 7), (9999, 1)])
def test_on_a_cpu_no_more_windows_go_together_than_its_cache_holds(monkeypatch, length, expected):
    model, ids = build("llama"), torch.zeros(9, length, dtype=torch.long)
    monkeypatch.setattr(pruning, "CACHED", 8 * 1365 * 48)  # 48: the widest layer
    assert pruning.at_once(model, ids, 8) == expected
    assert pruning.at_once(model, ids, 1) == 1
    assert pruning.at_once(model.to("meta"), ids, 8) == 8


@pytest.mark.parametrize(("length", "expected"), [(16, 8), (1365, 8), (1366, 7), (9999, 1)])
def test_on_a_gpu_no_more_windows_go_together_than_its_memory_holds(monkeypatch, length, expected):
    """By a card of the test's own: a quarter of it, 32 numbers for each token and widest one."""
    model, ids = build("llama"), torch.zeros(9, length, dtype=torch.long)
    card = 4 * 8 * 1365 * 48 * 32 * 4  # 48: the widest layer; 4: the bytes of float32
    monkeypatch.setattr(pruning.plan, "card_memory", lambda device: card)
    assert pruning.at_once(model, ids, 8) == expected
    assert pruning.at_once(model, ids, 1) == 1
    assert pruning.at_once(model.half(), ids, 16) == min(16, 2 * 8 * 1365 // length)


def test_batches_of_a_small_card_give_what_those_of_a_large_one_do(monkeypatch):
    """The engine takes them as they come: of one window where no more fit, the same losses."""
    model, ids, cells = build("llama"), windows(5), [Cell("stade", "2:4"), Cell("sparsegpt", "0.5")]

    def losses(card):
        monkeypatch.setattr(pruning.plan, "card_memory", lambda device: card)
        found = traverse(build("llama"), cells, {0: ids}, ids, batch_size=4, room=Room("cpu"))
        return torch.tensor([one["losses"] for one in found])

    torch.testing.assert_close(losses(1), losses(10**12), rtol=1e-5, atol=0)
    assert pruning.at_once(model, ids, 4) == 4
    monkeypatch.setattr(pruning.plan, "card_memory", lambda device: 1)
    assert pruning.at_once(model, ids, 4) == 1


@pytest.mark.slow
@needs_shared
def test_the_golden_runs_are_met_at_every_method_pattern_and_layer_type(real):
    """The public loops with caches off, every window its own context, and the default path here.

    SparseGPT's were made with its Hessian and solver in float64. Measured: all zeros are equal, and
    perplexities differ by 1.1e-7 at most, SparseGPT's too. On another processor a sum rounded
    differently may flip an entry of a mask.
    """
    name, golden, dense = real
    for key in (key for file, key in RESULTS if file == name):
        *only, method, pattern = key.split("/")
        model = copy.deepcopy(dense)
        # The golden runs have every share by rows.
        cell = Cell(method, parse_pattern(pattern), only[1] if only else "all")
        reports = prune_model(model, golden["calibration_ids"], cell)
        if not only:
            assert [report.zeros for report in reports.values()] == golden[f"{key}/zeros"].tolist()
        measured = perplexity(model, golden["evaluation_ids"])
        expected = golden[f"{key}/perplexity"].item()
        assert measured == pytest.approx(expected, rel=1e-5), key


@needs_shared
def test_golden_without_statistics(real):
    """The dense model, and magnitude, which looks at no data."""
    _, golden, dense = real
    measured = perplexity(dense, golden["evaluation_ids"])
    assert measured == pytest.approx(golden["dense/perplexity"].item(), rel=1e-6)
    for pattern in ("0.5", "2:4"):
        model = copy.deepcopy(dense)
        # REFERENCE has every share by rows.
        reports = prune_model(model, None, "magnitude", parse_pattern(pattern))
        zeros = golden[f"magnitude/{pattern}/zeros"].tolist()
        assert [report.zeros for report in reports.values()] == zeros
        measured = perplexity(model, golden["evaluation_ids"])
        expected = golden[f"magnitude/{pattern}/perplexity"].item()
        assert measured == pytest.approx(expected, rel=1e-6)


def obvious_prune(model, ids, method, pattern):
    """The loop of REFERENCE, section 2, with nothing shared: each layer's inputs come from whole
    forward passes of the model, one window at a time, and are kept in full."""
    for block in architectures.blocks(model):
        layers, inputs, hooks = architectures.linear_layers(block), {}, []
        for layer_type, layer in layers.items():
            rows = inputs.setdefault(layer_type, [])
            hooks.append(
                layer.register_forward_pre_hook(
                    lambda _, args, rows=rows: rows.append(args[0].double().flatten(0, -2))
                )
            )
        with blockwise.evaluating(model):
            for window in ids:
                model(input_ids=window[None])
        for hook in hooks:
            hook.remove()
        for layer_type, layer in layers.items():
            x = torch.cat(inputs[layer_type])
            mean, centred = x.mean(0), x - x.mean(0)
            moments = Moments(len(x), mean, centred.square().sum(0), centred.T @ centred)
            result = methods.prune_layer(
                layer.weight,
                layer.bias,
                moments,
                method,
                pattern,
                centred=architectures.is_centred(layer_type),
            )
            weights.replace(layer, result)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("method", ["std", "stade", "sparsegpt"])
def test_against_the_obvious_way(name, method):
    ids = windows(5)
    model, reference = build(name), build(name)
    prune_model(model, ids, method, "2:4", batch_size=2)
    obvious_prune(reference, ids, method, "2:4")
    expected = masks_of(reference)
    for layer, pruned in masks_of(model).items():
        assert pruned.equal(expected[layer]), layer
    for key, value in reference.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=1e-4, atol=1e-5)


@needs_shared
def test_real_models_against_the_obvious_way(real):
    _, golden, dense = real
    ids = golden["calibration_ids"][:6]
    model, reference = copy.deepcopy(dense), copy.deepcopy(dense)
    prune_model(model, ids, "stade", "0.5", batch_size=4)
    obvious_prune(reference, ids, "stade", "0.5")
    expected = masks_of(reference)
    differing = sum(int((mask ^ expected[name]).sum()) for name, mask in masks_of(model).items())
    assert differing <= 1e-3 * sum(mask.numel() for mask in expected.values())


@pytest.mark.parametrize("name", CONFIGS)
def test_counts(name):
    model = build(name)
    reports = prune_model(model, windows(3), "wanda", "50%")
    assert list(reports) == list(masks_of(model))
    assert len(reports) == 3 * len(architectures.layer_types(model))
    for layer, report in reports.items():
        weight = model.get_submodule(layer).weight
        assert report.size == weight.numel()
        assert report.zeros == int((weight == 0).sum()) == weight.numel() // 2
        assert report.added_bias == 0


@pytest.mark.parametrize("name", ["llama", "opt"])
@pytest.mark.parametrize("method", ["stade", "std"])
def test_added_biases_are_paid_for_by_as_many_weights_in_those_layers_alone(name, method):
    plain, equal = build(name), build(name)
    before = prune_model(plain, windows(3), method, "0.37")
    after = prune_model(equal, windows(3), f"{method}_equal_parameters", "0.37")
    for layer, report in after.items():
        assert report.zeros - report.added_bias == before[layer].zeros
        assert report.added_bias == before[layer].added_bias
    added = {layer.rpartition(".")[2] for layer, report in after.items() if report.added_bias}
    if name == "opt":
        assert not added  # OPT has a bias on every layer
    else:
        assert added == {"o_proj", "down_proj"} if method == "stade" else len(added) == 7


@pytest.mark.parametrize("name", ["llama", "opt_350m", "gemma"])
@pytest.mark.parametrize("method", ["stade", "random", "sparsegpt"])
def test_chosen_layers_only(name, method):
    model = build(name)
    chosen = architectures.layer_types(model)[3]
    before = copy.deepcopy(model.state_dict())
    reports = prune_model(model, windows(3), Cell(method, "0.5", chosen))
    assert all(layer.endswith(chosen) for layer in reports) and len(reports) == 3
    for key, value in model.state_dict().items():
        changed = key not in before or not value.equal(before[key])
        assert changed <= (key.rpartition(".")[0] in reports), key


def test_order_and_batches_of_windows_do_not_matter():
    ids = windows(7)
    reference = build("llama")
    prune_model(reference, ids, "stade", "0.5")
    for other, batch_size in ((ids, 1), (ids, 3), (ids.flip(0), 7)):
        model = build("llama")
        prune_model(model, other, "stade", "0.5", batch_size=batch_size)
        for layer, pruned in masks_of(reference).items():
            assert pruned.equal(masks_of(model)[layer])


def test_shared_inputs_change_nothing():
    """k_proj alone reads the statistics gathered at q_proj."""
    alone, together = build("llama"), build("llama")
    prune_model(alone, windows(3), Cell("std", "0.5", "self_attn.k_proj"))
    prune_model(together, windows(3), "std", "0.5")
    first = "model.layers.0.self_attn.k_proj"
    assert alone.get_submodule(first).weight.equal(together.get_submodule(first).weight)
    assert alone.get_submodule(first).bias.equal(together.get_submodule(first).bias)


def test_random():
    first, again, other = (build("llama") for _ in range(3))
    for model, seed in ((first, 1), (again, 1), (other, 2)):
        prune_model(model, None, Cell("random", "0.5", seed=seed))
    layer = "model.layers.1.mlp.up_proj"
    assert masks_of(first)[layer].equal(masks_of(again)[layer])
    assert not masks_of(first)[layer].equal(masks_of(other)[layer])
    # A layer's mask is its own: it depends neither on the other layers nor on their order.
    alone = build("llama")
    prune_model(alone, None, Cell("random", "0.5", "mlp.up_proj", seed=1))
    assert masks_of(first)[layer].equal(masks_of(alone)[layer])


def test_scope_of_a_layer():
    model, default = build("llama"), build("llama")
    pattern = parse_pattern("0.5", "layer")
    prune_model(model, None, "magnitude", pattern)
    prune_model(default, None, "magnitude", "0.5")
    assert loading.fingerprint(model) == loading.fingerprint(default)
    weight = build("llama").model.layers[0].mlp.up_proj.weight
    assert masks_of(model)["model.layers.0.mlp.up_proj"].equal(
        masks.select(weight.detach().abs(), pattern)
    )


def test_a_dense_cell_changes_nothing_and_has_nothing_to_report():
    model = build("llama")
    before = loading.fingerprint(model)
    assert prune_model(model, None, DENSE) == {} and loading.fingerprint(model) == before


def test_a_method_and_a_pattern_are_short_for_their_cell_and_the_report_is_a_table():
    model, other = build("llama"), build("llama")
    report = prune_model(model, windows(3), "stade", "2:4")
    assert report == prune_model(other, windows(3), Cell("stade", "2:4"))
    assert loading.fingerprint(model) == loading.fingerprint(other)
    lines = str(report).splitlines()
    assert lines[0].split()[:3] == ["layers", "weights", "zeros"] and len(lines) == 1 + 7 + 1
    assert "self_attn.o_proj" in lines[4] and lines[-1].startswith("all of these")


def test_training_mode_and_hooks_are_left_alone():
    model = build("opt").train()
    assert model.config.dropout > 0
    prune_model(model, windows(3), "wanda", "0.5")
    assert model.training
    reference = build("opt")
    prune_model(reference, windows(3), "wanda", "0.5")
    assert loading.fingerprint(model) == loading.fingerprint(reference)
    assert not any(part._forward_pre_hooks for part in model.modules())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((windows(2), "wnda", "0.5"), "did you mean 'wanda'"),
        ((windows(2), "wanda", "5"), "sparsity 5"),
        ((None, "wanda", "0.5"), "without calibration windows"),
        ((windows(2, 40), "wanda", "0.5"), "has 32 positions"),
        (
            (windows(2), "wanda", "3:7"),
            "layer 'model.layers.0.self_attn.q_proj': pattern 3:7 with 32 input features",
        ),
        ((windows(2), "stade"), "'stade' with pattern None: expected a cell alone, or a method"),
        ((windows(2), Cell("stade", "0.5"), "0.5"), "'stade 0.5' with pattern '0.5': expected"),
        ((windows(2), "stade_equal_parameters", "2:4"), "pattern 2:4 with one more weight"),
        ((windows(2), Cell("wanda", "0.5", "fc1")), "unknown layer type 'fc1'"),
        ((windows(2), "stade_plus", "0.5"), "no published code"),
    ],
)
def test_errors_before_anything_is_pruned(arguments, message):
    model = build("llama")
    before = loading.fingerprint(model)
    with pytest.raises(StadeError, match=message):
        prune_model(model, *arguments)
    assert loading.fingerprint(model) == before


def masked(layer):
    """What torch itself offers for pruning: the weight is made of two tensors at each pass."""
    torch_prune.random_unstructured(layer, "weight", 0.25)


def doubled(layer):
    class Double(nn.Module):
        def forward(self, weight):
            return 2 * weight

    parametrize.register_parametrization(layer, "weight", Double())


def whole_numbers(layer):
    layer.weight = nn.Parameter((10 * layer.weight).to(torch.int8), requires_grad=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (masked, "what is pruned would come back"),
        (doubled, "what is pruned would come back"),
        (whole_numbers, r"weight of torch\.int8: expected a float dtype"),
    ],
)
def test_a_weight_in_which_zeros_would_not_stay(change, message):
    model = build("llama")
    layer = model.model.layers[1].mlp.up_proj
    change(layer)
    before = model.model.layers[0].mlp.up_proj.weight.clone()
    with pytest.raises(StadeError, match=f"layer 'model.layers.1.mlp.up_proj': .*{message}"):
        prune_model(model, None, "magnitude", "0.5")
    assert model.model.layers[0].mlp.up_proj.weight.equal(before)
    prune_model(model, None, Cell("magnitude", "0.5", "q_proj"))
    if change is masked:
        torch_prune.remove(layer, "weight")
        assert prune_model(model, None, "magnitude", "0.5")["model.layers.1.mlp.up_proj"].zeros


def test_a_model_without_numbers_is_refused():
    with pytest.raises(StadeError, match="on the device 'meta'"):
        prune_model(build("llama").to("meta"), None, "magnitude", "0.5")


def test_a_bias_that_was_added_in_inference_mode_can_be_trained_and_pruned_again():
    model, other = build("llama").requires_grad_(True), build("llama")
    with torch.inference_mode():
        prune_model(model, windows(3), "stade", "0.5")
    prune_model(other, windows(3), "stade", "0.5")
    assert loading.fingerprint(model) == loading.fingerprint(other)
    model(input_ids=windows(2)).logits.sum().backward()
    bias = model.model.layers[0].mlp.down_proj.bias
    before = bias.detach().clone()
    torch.optim.SGD(model.parameters(), 0.1).step()
    assert not bias.equal(before)
    prune_model(model, windows(3), "stade", "0.6")


@needs_shared
def test_groups_that_do_not_fit(shared):
    model, _ = loading.load(str(shared / "reality" / "models" / "stories260K"))
    before = loading.fingerprint(model)
    with pytest.raises(StadeError, match=r"layers.0.mlp.down_proj': pattern 4:8 with 172"):
        prune_model(model, None, "magnitude", "4:8")
    assert loading.fingerprint(model) == before


def test_inputs_that_overflow_name_the_layer():
    model = build("llama")
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = torch.inf
    with pytest.raises(StadeError, match=r"layer 'model.layers.1.mlp.down_proj': .*not finite"):
        prune_model(model, windows(2), "wanda", "0.5")
    assert not any(part._forward_pre_hooks for part in model.modules())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("method", ["stade", "random", "sparsegpt"])
def test_cuda_is_the_cpu(name, method):
    cpu, gpu = build(name), build(name).cuda()
    for model in (cpu, gpu):
        prune_model(model, windows(5), method, "2:4", batch_size=2)
    expected = masks_of(cpu)
    differing = sum(int((mask.cpu() ^ expected[key]).sum()) for key, mask in masks_of(gpu).items())
    assert differing <= 1e-3 * sum(mask.numel() for mask in expected.values())
    measured = perplexity(gpu, windows(4))
    assert measured == pytest.approx(perplexity(cpu, windows(4)), rel=1e-2)
