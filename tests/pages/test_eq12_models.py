"""Eq. 12 on layers of models: its two forms, layer by layer, and the table beside it."""

import io

import pytest
import tiny_models
import torch

from stade_nb.pages import audit, plots
from stade_nb.pages import models as page_models
from stade_nb.pages.parameters import SCHEMAS
from stade_nb.theory import misprints


@pytest.fixture(scope="module", params=["llama", "opt"])
def found(request):
    layers = page_models.gather(tiny_models.build(request.param), tiny_models.windows(6))
    return {"tiny": [layer for layer in layers if not layer.centred]}


def test_each_layer_has_both_forms_at_each_pattern(found):
    table = audit.layers.differences(found, [0.5, "2:4"])
    layers = found["tiny"]
    assert len(table) == len(layers) * 2 * 2
    last = layers[-1]
    expected = misprints.eq12_differences(last.weight.float(), last.moments, "2:4")
    rows = table[(table["block"] == last.block) & (table["layer"] == last.short)]
    rows = rows[rows["pattern"] == "2:4"].set_index("form")
    for column in expected:
        assert rows[column].tolist() == expected[column].tolist()
    means = audit.layers.by_layer(table)
    first = table[(table["layer"] == last.short) & (table["pattern"] == "2:4")]
    first = first[first["form"] == "printed"]["wanda"].mean()
    found_mean = means[(means["layer"] == last.short) & (means["pattern"] == "2:4")]
    assert found_mean.set_index("form").loc["printed", "wanda"] == first


def test_forms_lie_on_their_axes_where_means_matter(found):
    # An untrained model's inputs hardly have means: give them some, one standard deviation wide.
    for layer in found["tiny"]:
        spread = torch.linspace(-2, 2, len(layer.moments.mean), dtype=torch.float64)
        layer.moments.mean = spread * layer.moments.variance.sqrt()
        # As after many tokens: the printed form tends to STD's masks as N grows.
        layer.moments.count, layer.moments.m2 = 10**6, layer.moments.variance * (10**6 - 1)
    table = audit.layers.differences(found, [0.5]).set_index("form")
    printed, consistent = table.loc["printed"], table.loc["consistent"]
    assert printed["std"].max() < 1e-3 and consistent["wanda"].max() < 1e-3
    assert printed["wanda"].min() > 0.05 and consistent["std"].min() > 0.05
    file = io.BytesIO()
    plots.theory.eq12(audit.layers.differences(found, [0.5, "2:4"])).savefig(file, format="svg")
    assert file.getvalue()


def test_gathered_are_the_uncentred_layers_of_each_model(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 400, "utf-8")
    given = {"models": ["opt-340k", "llama-230k"], "calibration": str(text), "windows": 2}
    given |= {"window_length": 16, "seed": 0, "device": "cpu", "dtype": "float32", "batch_size": 2}
    p = type("Parameters", (), {k: SCHEMAS["stade"][k].accept(v) for k, v in given.items()})
    found = audit.layers.gathered(p)
    assert list(found) == given["models"]
    assert {layer.short for layer in found["opt-340k"]} == {"out_proj", "fc2"}
    assert {layer.short for layer in found["llama-230k"]} == {"o_proj", "down_proj"}
    assert found["opt-340k"][0].moments.count == 32
