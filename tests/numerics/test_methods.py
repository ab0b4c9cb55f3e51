"""Table 1 as data, and one layer pruned by every method."""

from dataclasses import replace

import pytest
import torch
from conftest import PATTERNS

from stade_nb.errors import StadeError
from stade_nb.numerics import bias, masks, metrics, sparsegpt
from stade_nb.numerics.masks import parse_pattern
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


def test_table_1_gives_stade_wandas_score_behind_norms_and_stds_elsewhere():
    stade, wanda, std = METHODS["stade"], METHODS["wanda"], METHODS["std"]
    assert (stade.centred, stade.uncentred) == (wanda.centred, std.uncentred)
    assert wanda.centred == wanda.uncentred and std.centred == std.uncentred
    assert std.corrects and not wanda.corrects


def test_what_a_method_needs_is_what_its_scores_and_equation_7_read():
    order = [METHODS[name].needs for name in ("magnitude", "wanda", "sparsegpt")]
    assert order == sorted(order) == list(metrics.Needs)
    for row in METHODS.values():
        read = max(row.centred.metric.needs, row.uncentred.metric.needs)
        assert row.needs == max(read, metrics.Needs.MOMENTS if row.corrects else read)


def test_names_and_titles_of_methods_are_their_own():
    assert list(METHODS) == [row.name for row in METHODS.values()]
    assert len({row.title for row in METHODS.values()}) == len(METHODS)
    assert "dense" not in METHODS  # of cells, the unpruned model


def test_every_method_that_adds_biases_has_one_with_equal_parameters():
    for name, row in METHODS.items():
        assert (f"{name}_equal_parameters" in METHODS) == (
            row.corrects and not row.equal_parameters
        )
        if row.equal_parameters:
            other = METHODS[name.removesuffix("_equal_parameters")]
            assert replace(row, name="", title="") == replace(
                other, name="", title="", equal_parameters=True
            )


def test_a_pattern_is_parsed_once(golden, golden_moments, monkeypatch):
    """The solver selects group by group, and has the pattern at hand."""
    parse, parsed = masks.parse_pattern, []
    monkeypatch.setattr(masks, "parse_pattern", lambda *a: parsed.append(a) or parse(*a))
    prune_layer(golden["W"], golden["b"], golden_moments, "sparsegpt", "2:4", centred=False)
    assert len(parsed) == 1


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
    by_row = pruned_layer("magnitude", parse_pattern(0.5, "row"), moments=None)
    assert by_row.pruned.equal(masks.select(golden["W"].abs(), 0.5))
    of_layer = parse_pattern(0.5, "layer")
    layer = pruned_layer("magnitude", of_layer, moments=None)
    assert layer.pruned.equal(masks.select(golden["W"].abs(), of_layer))
    assert not layer.pruned.equal(by_row.pruned)
    random = pruned_layer("random", moments=None)
    assert (random.pruned.sum(dim=1) == 192).all()
    assert random.pruned.equal(pruned_layer("random", moments=None).pruned)


@pytest.mark.parametrize("scope", masks.SCOPES)
@pytest.mark.parametrize("name", ["std", "stade", "wanda_with_bias"])
def test_one_more_weight_for_each_added_bias(golden, golden_moments, pruned_layer, name, scope):
    """Sec. 3.4: with its new biases the layer has as many parameters as without them."""
    outputs, inputs = golden["W"].shape
    pattern = parse_pattern("0.37", scope)
    plain = pruned_layer(name, pattern, bias=None)
    equal = pruned_layer(f"{name}_equal_parameters", pattern, bias=None)
    assert len(plain.bias) == outputs and equal.pruned.sum() == plain.pruned.sum() + outputs
    assert (equal.pruned >= plain.pruned).all()
    if scope == "row":
        assert (equal.pruned.sum(dim=1) == int(inputs * 0.37) + 1).all()
    # Eq. 7 makes up for the weights that went, the last ones included.
    expected = bias.corrected(None, golden["W"], equal.pruned, golden_moments.mean)
    assert equal.bias.equal(expected) and not equal.bias.equal(plain.bias)


def test_biases_that_were_there_or_are_not_added_cost_nothing(pruned_layer):
    equal = pruned_layer("std_equal_parameters", "2:4")
    assert equal.pruned.equal(pruned_layer("std", "2:4").pruned)
    centred = pruned_layer("stade_equal_parameters", bias=None, centred=True)
    assert centred.pruned.equal(pruned_layer("wanda", bias=None).pruned) and centred.bias is None


def test_groups_have_no_place_for_one_more_weight(pruned_layer):
    with pytest.raises(StadeError, match=r"pattern 2:4 with one more .* stores M - N values"):
        pruned_layer("stade_equal_parameters", "2:4", bias=None)


def test_sparsegpt_is_the_solver(golden, golden_moments, pruned_layer):
    hessian = sparsegpt.hessian(golden_moments)
    for name, update in (("sparsegpt", True), ("sparsegpt_without_update", False)):
        weight, pruned = sparsegpt.solve(golden["W"], hessian, parse_pattern("2:4"), update=update)
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
    if METHODS[name].equal_parameters:
        return  # another mask, where there is no bias
    bare = pruned_layer(name, "2:4", centred, weight=weight, bias=None)
    assert bare.weight.equal(result.weight)
    if METHODS[name].treatment(centred).corrects:
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
    if METHODS[name].uncentred.corrects:
        mean_output = golden["W"].double() @ golden_moments.mean + golden["b"]
        torch.testing.assert_close(result.bias.double(), mean_output, rtol=1e-5, atol=1e-6)


def test_names_of_the_authors_command_lines():
    for alias, name in ALIASES.items():
        assert method(alias) is METHODS[name] is method(METHODS[name])
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
    with pytest.raises(StadeError, match="pattern 2:5 with 384 input features"):
        pruned_layer("stade", "2:5")
    with pytest.raises(StadeError, match=r"weight of torch\.int32: expected a float dtype"):
        pruned_layer("wanda", weight=torch.ones(2, 384, dtype=torch.int32))
    with pytest.raises(StadeError, match=r"weight of torch\.bool: expected a float dtype"):
        pruned_layer("random", weight=torch.ones(2, 384) > 0)
    with pytest.raises(StadeError, match="cross products were not gathered"):
        pruned_layer("sparsegpt", moments=Moments.zeros(384))


def test_by_magnitude_the_whole_matrix_competes_unless_another_scope_is_given(golden, pruned_layer):
    """Written out from the public rule: the smallest half of all weights of the matrix goes."""
    size = golden["W"].abs()
    smallest = size.flatten().sort().values[: size.numel() // 2].max()
    assert (size == smallest).sum() == 1
    assert pruned_layer("magnitude", moments=None).pruned.equal(size <= smallest)
    scopes = {
        name: {one.pattern(share).scope for share in (0.5, "50%")} for name, one in METHODS.items()
    }
    assert scopes.pop("magnitude") == {"layer"} and set.union(*scopes.values()) == {"row"}
    assert METHODS["magnitude"].pattern("50%", "row").scope == "row"
    assert METHODS["magnitude"].pattern(parse_pattern("50%")).scope == "row"
    assert METHODS["magnitude"].pattern("2:4") == parse_pattern("2:4")
