"""Eq. 12 on layers of models: its two forms, layer by layer, and the table beside it."""

from types import SimpleNamespace

import pytest
import tiny_models
import torch

from stade_book.pages import audit
from stade_book.pages import models as page_models
from stade_book.theory import misprints


@pytest.fixture(scope="module", params=["llama", "opt"])
def found(request):
    layers = page_models.gather(tiny_models.build(request.param), tiny_models.windows(6))
    return {"tiny": layers}


def test_each_layer_has_both_forms_at_each_pattern(found):
    table = audit.layers.eq12(found, [0.5, "2:4"])
    layers = [layer for layer in found["tiny"] if not layer.centred]
    assert len(table) == len(layers) * 2 * 2
    last = layers[-1]
    expected = misprints.eq12_differences(last.weight.float(), last.moments, "2:4")
    rows = table[(table["block"] == last.block) & (table["layer"] == last.short)]
    rows = rows[rows["pattern"] == "2:4"].set_index("form")
    for column in expected:
        assert rows[column].tolist() == expected[column].tolist()
    means = audit.layers.over_blocks(table)
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
    table = audit.layers.eq12(found, [0.5]).set_index("form")
    printed, consistent = table.loc["printed"], table.loc["consistent"]
    assert printed["std"].max() < 1e-3 and consistent["wanda"].max() < 1e-3
    assert printed["wanda"].min() > 0.05 and consistent["std"].min() > 0.05


def test_it_is_asked_of_the_uncentred_layers_of_each_model(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 400, "utf-8")
    given = {"models": ["opt-340k", "llama-230k"], "calibration": str(text), "windows": 2}
    given |= {"window_length": 16, "seed": 0, "device": "cpu", "dtype": "float32", "batch_size": 2}
    p = SimpleNamespace(**given)
    found = page_models.inputs(p, p.seed)
    assert list(found) == given["models"]
    table = audit.layers.eq12(found, ["2:4"]).groupby("model")["layer"].agg(set)
    assert table["opt-340k"] == {"out_proj", "fc2"}
    assert table["llama-230k"] == {"o_proj", "down_proj"}
    assert found["opt-340k"][0].moments.count == 32
