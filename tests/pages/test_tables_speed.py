"""The speed page's rows: every distinct shape of the model, each pattern, way and token count."""

import copy
from types import SimpleNamespace

import pandas
import pytest
import torch
from figures import marks, ticks
from tiny_models import build

from stade_book.pages import plots
from stade_book.pages.tables import speed
from stade_nb.models import architectures, shapes

P = SimpleNamespace(
    model="smollm2-135m",
    patterns=["2:4", "0.9"],
    whole_patterns=["0.9"],
    tokens=[1, 2],
    repetitions=1,
    device="cpu",
)


def test_shapes_are_those_of_the_models_block():
    assert speed.layer_shapes("smollm2-135m") == {
        (576, 576): "q_proj, o_proj",
        (192, 576): "k_proj, v_proj",
        (1536, 576): "gate_proj, up_proj",
        (576, 1536): "down_proj",
    }


def test_all_is_measured_and_right_and_summed_up_over_shapes():
    found = speed.measured(P)
    assert len(found) == 4 * 2 * 2 * 2 and (found["error"] < 1e-5).all()
    table = speed.summary(found).set_index(["way", "pattern", "tokens"])
    one = found.query("way == 'CSR' and pattern == '2:4' and tokens == 1")
    assert table.loc[("CSR", "2:4", 1), "lowest"] == one["ratio"].min()
    assert table.loc[("CSR", "2:4", 1), "highest"] == one["ratio"].max()


@pytest.fixture
def small(monkeypatch):
    """A small model in place of a published shape."""
    made = copy.deepcopy(build("llama")).to("meta")
    monkeypatch.setattr(speed, "empty", lambda name, dtype="float16": made)
    return made


def test_a_model_of_a_shape_is_filled_pruned_and_has_biases(small):
    model = speed.pruned_model("smollm2-135m", "2:4", "cpu")
    assert all(parameter.device.type == "meta" for parameter in small.parameters())
    for block in architectures.blocks(model):
        for layer in architectures.linear_layers(block).values():
            groups = layer.weight.unflatten(1, (-1, 4)) == 0
            assert (groups.sum(-1) == 2).all() and layer.bias.abs().min() > 0


def test_a_filled_model_is_finite_and_differs_by_torchs_seed(small):
    logits = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        logits.append(shapes.filled(small)(input_ids=torch.arange(8)[None]).logits)
    assert torch.isfinite(logits[0]).all()
    assert torch.equal(logits[0], logits[1]) and not torch.equal(logits[0], logits[2])


def test_the_whole_model_is_computed_in_the_fastest_format_of_its_pattern(small):
    ratios = {("CSR", "0.9"): 1.0, ("COO", "0.9"): 2.0, ("CSR", "2:4"): 3.0, ("COO", "2:4"): 1.0}
    found = pandas.DataFrame([(*key, ratio) for key, ratio in ratios.items()])
    found.columns = ["way", "pattern", "ratio"]
    table = speed.whole(P, found)
    assert list(table["way"]) == ["COO"] and list(table["tokens"]) == [1]
    assert (table["error"] < 1e-5).all() and (table["dense"] > 0).all()


def test_the_figure_has_every_format_at_its_ratio_and_grey_where_it_is_faster():
    columns = ["way", "pattern", "tokens", "lowest", "median", "highest"]
    rows = [("CSR", "0.9", 1, 0.5, 0.8, 1.1), ("CSR", "2:4", 64, 0.6, 0.7, 0.8)]
    here = pandas.DataFrame(rows, columns=columns)
    there = pandas.DataFrame([("semi-structured", "2:4", 64, 0.1, 0.14, 0.2)], columns=columns)
    figure = plots.speed.against_dense({"here": here, "there": there})
    one, many = figure.axes
    assert ticks(one.get_yticklabels()) == ["90 %, CSR", "2:4, CSR", "2:4, semi-structured"]
    assert marks(one, "o")[0].tolist() == [0.8, 0]
    assert marks(many, "v")[0].tolist() == [0.14, -2]
    (grey,) = one.patches
    assert grey.get_x() == 1 and one.get_xscale() == "log"
