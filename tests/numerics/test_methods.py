"""Table 1 as data, and one layer pruned by every method."""

import pytest
import torch
from conftest import PATTERNS

from stade_nb.errors import StadeError
from stade_nb.numerics import bias, masks, metrics, sparsegpt
from stade_nb.numerics.methods import ALIASES, METHODS, method, prune_layer
from stade_nb.numerics.moments import Moments


@pytest.fixture(scope="module")
def pruned_layer(golden, golden_moments):
    def prune(name, pattern="0.5", centred=False, **options):
        options = {"weight": golden["W"], "bias": golden["b"], "moments": golden_moments} | options
        generator = torch.Generator().manual_seed(0)
        return prune_layer(
            method=name, pattern=pattern, centred=centred, generator=generator, **options
        )

    return prune


def test_table_1():
    centred = {name: row.centred for name, row in METHODS.items()}
    uncentred = {name: row.uncentred for name, row in METHODS.items()}
    split = {"stade", "stade_without_bias", "stade_without_bias_as_printed"}
    assert {name for name in METHODS if centred[name] != uncentred[name]} == split
    assert {centred[name] for name in split} == {"wanda"}
    assert [name for name, row in METHODS.items() if row.updates_weights] == ["sparsegpt"]
    corrected = {name: set(row.corrects_bias) for name, row in METHODS.items() if row.corrects_bias}
    both = {"centred", "uncentred"}
    assert corrected == {"std": both, "stade": {"uncentred"}, "wanda_with_bias": both}
    assert [name for name, row in METHODS.items() if not row.needs] == ["magnitude", "random"]
    gram = [name for name, row in METHODS.items() if "gram" in row.needs]
    assert gram == ["sparsegpt", "sparsegpt_without_update"]
    for name, row in METHODS.items():
        assert row.name == name and row.title and row.reference and row.needs <= metrics.GRAM
        assert {row.centred, row.uncentred} <= metrics.METRICS.keys()
        assert row.formula(True) == metrics.METRICS[row.centred].formula
        assert row.corrects(True) == ("centred" in row.corrects_bias)
        assert row.corrects(False) == ("uncentred" in row.corrects_bias)
    assert METHODS["stade"].formula(centred=True) == METHODS["wanda"].formula(centred=False)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_golden(golden, pruned_layer, pattern):
    for name in ("wanda", "std", "stade_without_bias", "sparsegpt_without_update", "sparsegpt"):
        result = pruned_layer(name, pattern)
        assert result.pruned.equal(golden[f"{name}/{pattern}/pruned"])
        expected = golden.get(f"{name}/{pattern}/bias", golden["b"])
        torch.testing.assert_close(result.bias, expected, rtol=0, atol=1e-4)
        if name == "sparsegpt":
            expected = golden["sparsegpt/" + pattern + "/weight"]
            assert (result.weight - expected).abs().max() < 1e-4 * expected.abs().max()
        else:
            assert result.weight.equal(golden["W"].masked_fill(result.pruned, 0))


def assert_equal(one, other):
    assert one.weight.equal(other.weight) and one.pruned.equal(other.pruned)
    assert one.bias.equal(other.bias)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_stade_is_wanda_where_centred_and_std_elsewhere(pruned_layer, pattern):
    assert_equal(pruned_layer("stade", pattern, True), pruned_layer("wanda", pattern, True))
    assert_equal(pruned_layer("stade", pattern, False), pruned_layer("std", pattern, False))
    for name in ("stade_without_bias", "stade_without_bias_as_printed"):
        assert_equal(pruned_layer(name, pattern, True), pruned_layer("wanda", pattern, True))


def test_wanda_with_bias_is_wandas_mask_and_equation_7(golden, golden_moments, pruned_layer):
    for centred in (True, False):
        plain = pruned_layer("wanda", centred=centred)
        result = pruned_layer("wanda_with_bias", centred=centred)
        assert result.pruned.equal(plain.pruned) and result.weight.equal(plain.weight)
        expected = bias.corrected(golden["b"], golden["W"], plain.pruned, golden_moments.mean)
        assert result.bias.equal(expected) and not result.bias.equal(golden["b"])


def test_std_without_bias_is_wandas_mask_on_every_layer(golden, pruned_layer):
    for centred in (True, False):
        result = pruned_layer("std_without_bias", centred=centred)
        wanda = pruned_layer("wanda", centred=centred)
        assert (result.pruned != wanda.pruned).double().mean() < 1e-3
        assert torch.equal(result.bias, wanda.bias)


def test_std_without_correction_is_stds_mask_and_the_bias_as_it_was(golden, pruned_layer):
    for centred in (True, False):
        corrected = pruned_layer("std", centred=centred)
        result = pruned_layer("std_without_correction", centred=centred)
        assert result.pruned.equal(corrected.pruned) and result.weight.equal(corrected.weight)
        assert result.bias.equal(golden["b"]) and not result.bias.equal(corrected.bias)


def test_methods_without_statistics(golden, pruned_layer):
    result = pruned_layer("magnitude", moments=None)
    assert result.pruned.equal(masks.unstructured(golden["W"].abs(), 0.5))
    layer = pruned_layer("magnitude", moments=None, scope="layer")
    assert layer.pruned.equal(masks.unstructured(golden["W"].abs(), 0.5, "layer"))
    assert not layer.pruned.equal(result.pruned)
    random = pruned_layer("random", moments=None)
    assert (random.pruned.sum(dim=1) == 192).all()
    assert random.pruned.equal(pruned_layer("random", moments=None).pruned)


@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("name", ["std", "stade", "wanda_with_bias"])
def test_one_more_weight_for_each_added_bias(golden, golden_moments, pruned_layer, name, scope):
    """Sec. 3.4: with its new biases the layer has as many parameters as without them."""
    outputs, inputs = golden["W"].shape
    plain = pruned_layer(name, "0.37", bias=None, scope=scope)
    equal = pruned_layer(name, "0.37", bias=None, scope=scope, count_biases=True)
    assert len(plain.bias) == outputs and equal.pruned.sum() == plain.pruned.sum() + outputs
    assert (equal.pruned >= plain.pruned).all()
    if scope == "row":
        assert (equal.pruned.sum(dim=1) == int(inputs * 0.37) + 1).all()
    # Eq. 7 makes up for the weights that went, the last ones included.
    expected = bias.corrected(None, golden["W"], equal.pruned, golden_moments.mean)
    assert equal.bias.equal(expected) and not equal.bias.equal(plain.bias)


def test_biases_that_were_there_or_are_not_added_cost_nothing(pruned_layer):
    for name, options in (("std", {}), ("wanda", {"bias": None}), ("sparsegpt", {"bias": None})):
        plain = pruned_layer(name, **options)
        assert pruned_layer(name, count_biases=True, **options).pruned.equal(plain.pruned)
    centred = pruned_layer("stade", bias=None, centred=True, count_biases=True)
    assert centred.pruned.equal(pruned_layer("wanda", bias=None).pruned) and centred.bias is None


def test_sparsegpt_is_the_solver(golden, golden_moments, pruned_layer):
    hessian = sparsegpt.hessian(golden_moments)
    for name, update in (("sparsegpt", True), ("sparsegpt_without_update", False)):
        weight, pruned = sparsegpt.solve(golden["W"], hessian, "2:4", update=update)
        result = pruned_layer(name, "2:4")
        assert result.weight.equal(weight) and result.pruned.equal(pruned)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_pure_and_in_the_dtype_of_the_layer(golden, pruned_layer, name, centred):
    weight, b = golden["W"][:4].half(), golden["b"][:4].clone()
    before = weight.clone(), b.clone()
    result = pruned_layer(name, "2:4", centred, weight=weight, bias=b)
    assert weight.equal(before[0]) and b.equal(before[1])
    assert result.weight.dtype == torch.float16 and result.bias.dtype == torch.float32
    assert result.pruned.shape == weight.shape and (result.weight[result.pruned] == 0).all()
    assert result.bias.data_ptr() != b.data_ptr()
    bare = pruned_layer(name, "2:4", centred, weight=weight, bias=None)
    assert bare.weight.equal(result.weight)
    if METHODS[name].corrects(centred):
        assert bare.bias.dtype == torch.float16
    else:
        assert bare.bias is None


@pytest.mark.parametrize("name", METHODS)
def test_nothing_pruned_changes_nothing(golden, pruned_layer, name):
    result = pruned_layer(name, 0)
    assert result.weight.equal(golden["W"]) and result.bias.equal(golden["b"])
    assert not result.pruned.any()


@pytest.mark.parametrize("name", METHODS)
def test_everything_pruned_leaves_the_mean_at_most(golden, golden_moments, pruned_layer, name):
    result = pruned_layer(name, 1)
    assert result.pruned.all() and not result.weight.any()
    if METHODS[name].corrects(False):
        mean_output = golden["W"].double() @ golden_moments.mean + golden["b"]
        torch.testing.assert_close(result.bias.double(), mean_output, rtol=1e-5, atol=1e-6)


def test_names_of_the_authors_command_lines():
    for alias, name in ALIASES.items():
        assert method(alias) is METHODS[name]
    assert method("stade").name == "stade"
    with pytest.raises(StadeError, match="README lists it, but no published code has it"):
        method("stade_plus")
    with pytest.raises(StadeError, match="unknown method 'wnda': did you mean 'wanda'"):
        method("wnda")


def test_bad_input(pruned_layer):
    with pytest.raises(StadeError, match="method 'wanda' without statistics of the layer's inputs"):
        pruned_layer("wanda", moments=None)
    with pytest.raises(StadeError, match="method 'random' without a generator"):
        prune_layer(torch.ones(2, 4), None, None, "random", 0.5, centred=True)
    with pytest.raises(StadeError, match=r"statistics \(384,\) for a weight \(2, 4\)"):
        pruned_layer("stade", weight=torch.ones(2, 4))
    with pytest.raises(StadeError, match="pattern 2:5 on layer 'fc2' with 384 input features"):
        pruned_layer("stade", "2:5", layer="fc2")
    with pytest.raises(StadeError, match="unknown scope 'block'"):
        pruned_layer("sparsegpt", scope="block")
    with pytest.raises(StadeError, match="cross products were not gathered"):
        pruned_layer("sparsegpt", moments=Moments.zeros(384))
