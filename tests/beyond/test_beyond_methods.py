"""Methods beyond the paper run wherever methods do: alone, in a sweep, from the command line."""

import copy

import pytest
import torch
from tiny_models import build, windows

from stade_nb.beyond.methods import LADDER, PLACES, RUNGS
from stade_nb.cli import program
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.engine.pruning import prune_model
from stade_nb.engine.streams import Room
from stade_nb.engine.traversal import traverse
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import architectures
from stade_nb.numerics.methods import BEYOND, METHODS, method
from stade_nb.numerics.metrics import Needs

CALIBRATION, EVALUATION = windows(6), windows(5, seed=2)


def test_names_are_new_and_none_is_used_twice():
    everything = METHODS | BEYOND
    assert not set(METHODS) & set(BEYOND) and list(BEYOND) == [m.name for m in BEYOND.values()]
    assert len({one.title for one in everything.values()}) == len(everything)
    assert set().union(*LADDER.values()) <= set(everything)
    with pytest.raises(ValueError, match="unknown method 'wanda_linaer': did you mean 'wanda_lin"):
        method("wanda_linaer")


def test_each_metric_has_every_rung_and_the_same_mask_on_all():
    for metric, names in LADDER.items():
        assert len(names) == len(RUNGS)
        model = build("opt")
        masks = []
        for name in names:
            pruned = copy.deepcopy(model)
            prune_model(pruned, CALIBRATION, name, "2:4")
            first = architectures.linear_layers(architectures.blocks(pruned)[0])
            masks.append(first["self_attn.q_proj"].weight == 0)
        assert all(mask.equal(masks[0]) for mask in masks), metric


@pytest.mark.parametrize("name", ["llama", "opt"])
def test_a_sweep_gives_what_the_plain_path_gives(name):
    model = build(name)
    cells = [DENSE, *(Cell(one, p) for one in BEYOND for p in ("0.5", "2:4"))]
    found = traverse(model, cells, {0: CALIBRATION}, EVALUATION, batch_size=2, room=Room("cpu"))
    for cell, result in zip(cells, found, strict=True):
        plain = copy.deepcopy(model)
        report = prune_model(plain, CALIBRATION, cell, batch_size=2)
        losses = window_losses(plain, EVALUATION, 2)
        assert result["losses"] == pytest.approx(losses.tolist(), rel=1e-5), str(cell)
        assert result["zeros"] == {layer: one.zeros for layer, one in report.items()}
        assert result["added_bias"] == {layer: one.added_bias for layer, one in report.items()}


@pytest.mark.parametrize("metric", LADDER)
def test_the_first_layers_loss_falls_from_rung_to_rung(metric):
    """On the calibration tokens themselves, where the least losses of the ladder are ordered."""
    model = build("llama")
    first = architectures.blocks(model)[0]
    seen = []
    layer = first.self_attn.q_proj
    hook = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    with torch.no_grad():
        model(input_ids=CALIBRATION, use_cache=False)
    hook.remove()
    x = seen[0].reshape(-1, layer.in_features).double()
    losses = []
    for name in LADDER[metric]:
        pruned = copy.deepcopy(model)
        prune_model(pruned, CALIBRATION, name, "0.5")
        new = architectures.blocks(pruned)[0].self_attn.q_proj
        error = x @ (layer.weight - new.weight).double().T
        if new.bias is not None:
            error = error - new.bias.double()
        losses.append(error.square().mean().item())
    none, bias, linear, affine = losses
    assert affine < bias < none and affine < linear < none


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["llama", "opt"])
def test_the_bias_is_corrected_in_the_named_layers_alone(name, place):
    model = build(name)
    types = [
        each for each in architectures.layer_types(model) if each.split(".")[-1] in PLACES[place]
    ]
    assert types
    plain, there = copy.deepcopy(model), copy.deepcopy(model)
    prune_model(plain, CALIBRATION, Cell("wanda", "2:4"))
    prune_model(there, CALIBRATION, Cell(f"wanda_bias_{place}", "2:4"))
    blocks = [architectures.linear_layers(architectures.blocks(m)[0]) for m in (plain, there)]
    for each, layer in blocks[1].items():
        assert layer.weight.equal(blocks[0][each].weight), each
        same = layer.bias is None or (
            blocks[0][each].bias is not None and layer.bias.equal(blocks[0][each].bias)
        )
        assert same != (each in types), each


def test_on_other_layers_a_place_is_wanda_and_travels_with_it():
    types = ["self_attn.q_proj", "self_attn.v_proj"]
    somewhere, wanda = Cell("wanda_bias_v", "2:4"), Cell("wanda", "2:4")
    assert somewhere.treatment(types[:1]) == wanda.treatment(types[:1])
    assert somewhere.treatment(types) != wanda.treatment(types)
    whole = Cell("wanda_with_bias", "2:4")
    assert somewhere.treatment(types[1:]) == whole.treatment(types[1:])
    assert BEYOND["wanda_linear"].needs is Needs.GRAM and METHODS["wanda"].needs is Needs.MOMENTS


def test_the_command_line_knows_them(workplace, capsys):
    folder = str(workplace / "results-beyond")
    words = ["sweep", "--model", str(workplace / "model"), "--methods", "wanda,wanda_affine",
             "--patterns", "2:4", "--calibration", str(workplace / "calibration.npy"),
             "--evaluation", str(workplace / "evaluation.npy"), "--nsamples", "4",
             "--window-length", "16", "--results-dir", folder, "--quiet"]  # fmt: skip
    assert program.main(words) == 0
    assert "wanda_affine" in capsys.readouterr().out
    assert program.main(["sweep", "--help"]) == 0
    program.main(["prune", "--help"])
    assert "beyond the paper: magnitude_with_bias" in " ".join(capsys.readouterr().out.split())
