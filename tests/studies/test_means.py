"""Other means for the bias: each way against sums by hand, and the rule on made-up losses."""

import math

import pandas
import pytest
import torch
from tiny_models import build, windows

from stade_book.studies import means
from stade_nb.engine import pruning, weights
from stade_nb.models import architectures
from workflow import growing
from workflow import means as workflow_means

NAMES = ("llama", "gemma3")


def without(name, part):
    """A model without half of each row in the layers of a part, and the weights that went."""
    model, removed = build(name), {}
    for full, kind, layer in architectures.named_layers(model):
        gone = torch.zeros_like(layer.weight)
        if kind.endswith(means.PLACES[part]):
            gone[:, ::2] = layer.weight[:, ::2]
        layer.weight.data -= gone
        removed[full] = gone.detach()
    return model, removed


def entering(model, ids, kind, index=0):
    """What enters and leaves a layer of a block, from hooks by hand: (windows, tokens, ...)."""
    layer, seen = architectures.blocks(model)[index].get_submodule(kind), []
    hook = layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out.clone())))
    with torch.no_grad():
        model(ids)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("part", "kind"), [("v", "self_attn.v_proj"), ("down", "mlp.down_proj")])
@pytest.mark.parametrize("way", [means.MEAN, means.MEDIAN])
def test_the_bias_takes_what_went_times_the_mean_in_question(name, part, kind, way):
    model, removed = without(name, part)
    ids, full = windows(5), f"model.layers.0.{kind}"
    x, _ = entering(model, ids, kind)
    rows = x.flatten(0, 1).double()
    middle = rows.mean(0) if way == means.MEAN else rows.sort(0).values[(len(rows) - 1) // 2]
    layer = dict((f, one) for f, _, one in architectures.named_layers(model))[full]
    before = 0 if layer.bias is None else layer.bias.clone()
    undo = means.correct(model, removed, ids, part, way, batch_size=2)
    expected = removed[full].double() @ middle
    torch.testing.assert_close((layer.bias - before).double(), expected, rtol=1e-5, atol=1e-7)
    undo.close()
    assert (layer.bias is None) if isinstance(before, int) else layer.bias.equal(before)


def test_a_later_block_sees_what_the_corrected_ones_make():
    model, removed = without("llama", "v")
    ids, kind = windows(4), "self_attn.v_proj"
    with means.correct(model, removed, ids, "v", means.MEAN):
        x, _ = entering(model, ids, kind, index=2)
        gone = removed[f"model.layers.2.{kind}"]
        bias = architectures.blocks(model)[2].get_submodule(kind).bias
    dense = build("llama")
    before = architectures.blocks(dense)[2].get_submodule(kind).bias
    added = bias if before is None else bias - before
    torch.testing.assert_close(added, gone @ x.flatten(0, 1).mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_token_of_each_window_is_left_as_it_is(name):
    model, removed = without(name, "v")
    ids = windows(3)
    _, plain = entering(model, ids, "self_attn.v_proj")
    with means.correct(model, removed, ids, "v", means.REST):
        _, corrected = entering(model, ids, "self_attn.v_proj")
    torch.testing.assert_close(corrected[:, 0], plain[:, 0])
    change = corrected[:, 1:] - plain[:, 1:]
    torch.testing.assert_close(change, change[:1, :1].expand_as(change))
    assert change.abs().max() > 1e-4
    _, again = entering(model, ids, "self_attn.v_proj")
    assert again.equal(plain)


@pytest.mark.parametrize("name", NAMES)
def test_weighed_by_attention_what_a_head_makes_of_the_values_is_right_on_average(name):
    """Only the values of the first block are pruned: its attention weights are the dense ones."""
    dense, (model, removed) = build(name), without(name, "v")
    ids, kind = windows(6), "self_attn.o_proj"
    with means.correct(model, removed, ids, "v", means.ATTENDED, batch_size=4):
        assert model.config._attn_implementation == dense.config._attn_implementation
        ours, _ = entering(model, ids, kind)
    wanted, _ = entering(dense, ids, kind)
    plain, _ = entering(without(name, "v")[0], ids, kind)

    def by_value_head(x):  # two query heads share a value's
        return x.flatten(0, 1).mean(0).reshape(2, 2, -1).sum(1)

    torch.testing.assert_close(by_value_head(ours), by_value_head(wanted), rtol=1e-4, atol=1e-6)
    assert (by_value_head(plain) - by_value_head(wanted)).abs().max() > 1e-4


def test_lower_with_the_second_is_supported_and_what_is_missing_is_left_out():
    def cell(part, way, level):
        losses = [3 + 0.01 * k + level + 1e-4 * math.sin(k * len(way)) for k in range(20)]
        return {"model": "one", "part": part, "way": way, "pattern": "2:4", "losses": losses}

    cells = [cell("", means.NONE, 0), cell("v", means.MEAN, 0.1), cell("v", means.REST, 0.05),
             cell("down", means.MEAN, -0.1)]  # fmt: skip
    found = means.gains(pandas.DataFrame(cells)).set_index(["part", "plain", "way"])["verdict"]
    assert found.to_dict() == {
        ("v", means.NONE, means.MEAN): "contradicted",
        ("v", means.MEAN, means.REST): "supported",
        ("v", means.NONE, means.REST): "contradicted",
        ("down", means.NONE, means.MEAN): "supported",
    }


def test_what_another_process_has_added_stays(tmp_path):
    fields, about = {"study": "made up"}, {"model": "m", "versions": {}, "computed": {"date": "1"}}
    one, other = ({"way": way, "losses": [1.0]} for way in ("one", "other"))
    growing.add(tmp_path, fields, dict(about), one, {"way": "one"})
    # A process that had read the record before the first cell came.
    growing.add(tmp_path, fields, dict(about), other, {"way": "other"})
    growing.add(tmp_path, fields, dict(about), other | {"losses": [2.0]}, {"way": "other"})
    found = growing.cells_in(tmp_path, fields)
    assert [(cell["way"], cell["losses"]) for cell in found] == [("one", [1.0]), ("other", [2.0])]
    assert all(cell["computed"] == {"date": "1"} for cell in found)


def test_a_run_keeps_one_mask_leaves_the_model_and_goes_on(tmp_path, monkeypatch):
    for name, value in {"WINDOWS": 2, "EVALUATED": 3, "LENGTH": 32}.items():
        monkeypatch.setattr(growing, name, value)
    monkeypatch.setattr(means, "PATTERNS", ("2:4",))
    began, pruned = growing.begun, []
    prune, models = pruning.prune_model, []
    monkeypatch.setattr(pruning, "prune_model", lambda *a, **k: pruned.append(a) or prune(*a, **k))
    monkeypatch.setattr(growing, "begun", lambda *a: models.append(began(*a)) or models[-1])
    texts = ("embedded", "embedded")
    path = workflow_means.measure("llama-230k", texts, tmp_path)
    assert len(pruned) == 1
    cells = means.recorded(["llama-230k"], tmp_path)
    assert len(cells) == 1 + sum(map(len, means.WAYS.values()))
    assert len({tuple(losses) for losses in cells["losses"]}) == len(cells)
    left = weights.snapshot(models[0].model)
    fresh = weights.snapshot(began(means.STUDY, "llama-230k", texts, tmp_path, "cpu").model)
    for (_, ours, bias), (_, theirs, _) in zip(left, fresh, strict=True):
        assert ours.equal(theirs) and bias is None
    text = path.read_text()
    assert workflow_means.measure("llama-230k", texts, tmp_path) == path and len(pruned) == 1
    assert path.read_text() == text
