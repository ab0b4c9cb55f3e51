"""What enters each layer, against the plain definitions in float64 on the inputs themselves."""

import pytest
import torch
from tiny_models import CONFIGS, build, windows

from stade_book.studies import layer_inputs, measured
from stade_nb.engine import records
from stade_nb.engine.cell import Cell, cells
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics.methods import prune_layer
from stade_nb.numerics.moments import Moments
from workflow import layers


def inputs_of(model, ids):
    """What reaches every linear layer, (windows, tokens, in), by block and type."""
    seen, hooks = {}, []
    for index, block in enumerate(architectures.blocks(model)):
        for kind, layer in architectures.linear_layers(block).items():
            key = index, kind
            hooks.append(
                layer.register_forward_pre_hook(
                    lambda _, args, key=key: seen.update({key: args[0]})
                )
            )
    with torch.no_grad():
        model.eval()(input_ids=ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    return {key: x.double().view(*ids.shape, -1) for key, x in seen.items()}


@pytest.mark.parametrize("name", CONFIGS)
def test_inputs_are_described_as_they_are(name):
    model, ids = build(name), windows(5)
    seen = inputs_of(model, ids)
    levels = torch.tensor(layer_inputs.SHARES, dtype=torch.float64)
    for index, (found, _) in enumerate(layer_inputs.by_block(model, ids, batch_size=2)):
        for kind, both in found.items():
            for use, x in (("all", seen[index, kind]), ("rest", seen[index, kind][:, 1:])):
                x = x.flatten(0, 1)
                numbers, varies = x.numel(), x.std(0) > 0  # a dead unit's output is constant
                assert both[use]["constant"] == int((~varies).sum())
                x = x[:, varies]
                mean, sigma = x.mean(0), x.std(0)
                z = (x - mean) / sigma
                expected = {
                    "ratio": mean.abs() / sigma,
                    "kurtosis": z.pow(4).mean(0),
                    "variance": sigma.square(),
                }
                for word, values in expected.items():
                    want = torch.quantile(values, levels)
                    got = torch.tensor(both[use][word], dtype=torch.float64)
                    torch.testing.assert_close(got, want, rtol=2e-3, atol=1e-9)
                assert both[use]["tail"] == pytest.approx(int((z.abs() > 6).sum()) / numbers)


@pytest.mark.parametrize("name", CONFIGS)
def test_errors_are_those_of_the_layers_outputs(name):
    """Of each layer alone, on the inputs that the dense model has there."""
    model, ids = build(name), windows(5)
    seen = inputs_of(model, ids)
    chosen = [*cells(["wanda", "std", "wanda_with_bias"], ["0.5", "2:4"]), Cell("magnitude", "0.3")]
    for index, (_, errors) in enumerate(layer_inputs.by_block(model, ids, chosen, batch_size=2)):
        for at, cell in enumerate(chosen):
            for kind, lost in errors.items():
                layer = architectures.blocks(model)[index].get_submodule(kind)
                x = seen[index, kind].flatten(0, 1)
                new = prune_layer(
                    layer.weight.detach(), layer.bias, Moments.of(x, gram=True), cell.method,
                    cell.pattern, centred=architectures.is_centred(kind),
                )  # fmt: skip
                change = (layer.weight.double() - new.weight.double()) @ x.T
                if new.bias is not None:
                    old = 0 if layer.bias is None else layer.bias.double()
                    change -= (new.bias.double() - old)[:, None]
                want = change.square().sum() / (layer.weight.double() @ x.T).square().sum()
                assert lost[at] == pytest.approx(want.item(), rel=2e-3)


def test_a_quick_run_does_not_take_the_place_of_a_longer_record(tmp_path):
    def measure(slow):
        return layers.measure("llama-230k", "embedded", (2, 16), "cpu", tmp_path, slow=slow)

    path = measure(slow=True)
    before = path.read_bytes()
    with pytest.raises(StadeError, match=r"124 cells, this run would put 112 in their place"):
        measure(slow=False)
    assert path.read_bytes() == before


def test_two_records_of_a_study_are_refused_with_both_names(tmp_path):
    for number in (2, 3):
        fields = {"study": "s", "calibration": number}
        records.write(tmp_path, fields, {"model": "m", "text": {}})
    with pytest.raises(StadeError, match="2 records of the study 's' of 'm'") as refused:
        measured.of("s", "m", "python -m s", tmp_path)
    assert all(path.stem[:12] in str(refused.value) for path in tmp_path.glob("*.json"))


def test_a_record_of_a_study_that_names_no_model_is_named(tmp_path):
    path = records.write(tmp_path, {"study": "s"}, {"text": {}})
    records.write(tmp_path, {"method": "wanda"}, {"perplexity": 2.0})  # of no study
    with pytest.raises(StadeError, match=f"record {path.name} in .* names no model: remove it"):
        measured.of("s", "m", "", tmp_path)
    with pytest.raises(StadeError, match=f"record {path.name} in .* names no model: remove it"):
        measured.there("s", ["m"], tmp_path)
    assert measured.there("other", ["m"], tmp_path) == []
