"""Means of texts, gathered in one pass, against plain NumPy on the captured inputs."""

import numpy as np
import pytest
import torch
from tiny_models import build, windows

from stade_book.studies import text_means
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics.moments import Moments


def captured(model, ids):
    """Every linear layer's inputs in one forward pass, (tokens, in), by (block, layer type)."""
    found, hooks = {}, []
    for index, block in enumerate(architectures.blocks(model)):
        for layer_type, layer in architectures.linear_layers(block).items():

            def keep(_, inputs, key=(index, layer_type)):
                found[key] = inputs[0].reshape(-1, inputs[0].shape[-1]).double().numpy()

            hooks.append(layer.register_forward_pre_hook(keep))
    with torch.no_grad():
        model.eval()(input_ids=ids)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("family", ["llama", "opt"])
def test_the_moments_are_those_of_the_inputs(family):
    model = build(family)
    ids = windows(5)
    found, inputs = text_means.input_moments(model, ids, batch_size=2), captured(model, ids)
    assert {architectures.input_of(kind) for _, kind in inputs} == {kind for _, kind in found}
    for key, moments in found.items():
        assert moments.mean.numpy() == pytest.approx(inputs[key].mean(axis=0), abs=1e-6)
        assert moments.variance.numpy() == pytest.approx(inputs[key].var(axis=0, ddof=1), rel=1e-4)


def moments(mean, spread, tokens=5000, seed=0):
    x = np.random.default_rng(seed).normal(mean, spread, size=(tokens, len(mean)))
    return Moments.of(torch.tensor(x))


def test_distances_are_the_ones_put_in():
    at_e = {(0, "q_proj"): moments([1.0, 0.0, 2.0], 1.0)}
    near = {(0, "q_proj"): moments([1.5, 0.0, 2.0], 1.0, seed=1)}
    against = {(0, "q_proj"): moments([-1.0, 0.0, -2.0], 3.0, seed=2)}
    table = text_means.distances({"near": near, "against": against}, {"e": at_e})
    found = table.set_index("calibration")
    assert found.loc["near", "sigmas"] == pytest.approx(0.5 / np.sqrt(3), rel=0.1)
    assert found.loc["near", "missed"] == pytest.approx(0.25 / 5, rel=0.15)
    assert found.loc["against", "missed"] == pytest.approx(4, rel=0.1)  # twice the mean, squared


def test_two_samples_of_one_text_are_as_far_apart_as_chance_says():
    draws = [{(0, "q_proj"): moments(np.ones(400), 2.0, 1000, seed)} for seed in (5, 6)]
    table = text_means.distances({"a": draws[0]}, {"b": draws[1]})
    # Two means of 1000 tokens each: the variance of their difference is 2 sigma^2 / 1000.
    assert table["sigmas"][0] == pytest.approx(np.sqrt(2 / 1000), rel=0.1)


def test_the_median_of_the_blocks():
    at_e = {(block, "q_proj"): moments([1.0, 1.0], 1.0) for block in range(3)}
    shifted = {
        (block, "q_proj"): moments([1.0 + shift, 1.0 + shift], 1.0)
        for block, shift in enumerate([1.0, 2.0, 9.0])
    }
    table = text_means.by_layer_type(text_means.distances({"c": shifted}, {"e": at_e}))
    assert table["sigmas"].tolist() == pytest.approx([2.0], rel=0.05)


def test_moments_of_another_model_are_refused():
    ours, theirs = {(0, "q_proj"): moments([1.0], 1.0)}, {(0, "fc1"): moments([1.0], 1.0)}
    with pytest.raises(StadeError, match="the layers of 'a' and of 'b' differ"):
        text_means.distances({"a": ours}, {"b": theirs})


def test_the_record_that_comes_with_the_project_is_found_by_its_model(tmp_path):
    found = text_means.recorded("smollm2-135m")
    assert set(found["rows"]["calibration"]) > {"C4", "WikiText", "documentation"}
    at_home = found["rows"].query("calibration == evaluation")["sigmas"]
    # Two samples of one text, whose tokens are not independent, are further apart than chance.
    assert at_home.min() > np.sqrt(2 / found["tokens"])
    with pytest.raises(StadeError, match="no record of the study 'text means' of 'mine'"):
        text_means.recorded("mine", tmp_path)
