"""The audit's points on a model's layers: each against a slower or more literal computation."""

import math
from types import SimpleNamespace

import pandas
import pytest
import tiny_models
import torch

from stade_book import claims
from stade_book.claims import paper
from stade_book.pages import audit
from stade_book.pages import models as page_models
from stade_book.pages.audit import v_proj
from stade_book.pages.models import LayerInputs
from stade_book.theory import other_work
from stade_nb.engine import pruning
from stade_nb.evaluation.perplexity import perplexity, perplexity_of, window_losses
from stade_nb.models import architectures
from stade_nb.numerics import bias, metrics
from stade_nb.numerics.moments import Moments


@pytest.fixture(scope="module", params=["llama", "opt"])
def model(request):
    return tiny_models.build(request.param)


@pytest.fixture(scope="module")
def layers(model):
    return page_models.gather(model, tiny_models.windows(6), gram=True, batch_size=4)


def literal_inputs(model, ids):
    """What enters each linear layer, (tokens, in), when the model simply runs."""
    seen, hooks = {}, []
    for index, block in enumerate(architectures.blocks(model)):
        for name, layer in architectures.linear_layers(block).items():

            def keep(_, args, key=(index, name)):
                seen[key] = args[0].detach().flatten(0, -2).double()

            hooks.append(layer.register_forward_pre_hook(keep))
    with torch.no_grad():
        model(ids)
    for hook in hooks:
        hook.remove()
    return seen


def test_gathered_inputs_are_those_of_the_running_model(model, layers):
    seen = literal_inputs(model, tiny_models.windows(6))
    assert {(layer.block, layer.layer_type) for layer in layers} == seen.keys()
    for layer in layers:
        x = seen[layer.block, layer.layer_type]
        assert layer.weight.dtype == torch.float64 and layer.moments.count == len(x)
        torch.testing.assert_close(layer.moments.mean, x.mean(dim=0), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(layer.moments.variance, x.var(dim=0), rtol=1e-4, atol=1e-8)
        torch.testing.assert_close(layer.moments.gram, x.T @ x, rtol=1e-4, atol=1e-4)
    assert layers[0].moments is layers[1].moments


def test_off_centre_counts_every_input_once(model, layers):
    table = audit.layers.off_centre({"one": layers})
    inputs = table.drop_duplicates(["block", "layer"])
    assert len(inputs) == 4 * len(architectures.blocks(model))
    assert inputs["centred"].sum() == len(inputs) / 2
    row = table.iloc[3]
    moments = layers[0].moments
    assert row["ratio"] == abs(moments.mean[3]) / moments.variance[3].sqrt()
    short = audit.layers.summary(table)
    assert len(short) == 4 and (short["median"] <= short["largest"]).all()


def of(mean, std, layer_type="fc1"):
    """A layer whose inputs have these means and standard deviations, to rounding."""
    noise = torch.tensor([[-1.0], [1.0]], dtype=torch.float64) / math.sqrt(2)
    x = torch.tensor(mean) + noise * torch.tensor(std)
    return LayerInputs(0, layer_type, torch.ones(2, len(mean), dtype=torch.float64), Moments.of(x))


def test_verdict_on_centring_looks_behind_norms_only():
    centred, other = of([0.0] * 20, [1.0] * 20), of([5.0] * 20, [1.0] * 20, "fc2")
    table = audit.layers.off_centre({"m": [centred, other]})
    found = claims.theory.normalised_is_centred(table)
    assert (found.word, found.count.note) == ("supported", "100 % of them have")
    one_off = of([0.2, 0.0, 0.0, 0.0], [1.0] * 4)
    table = audit.layers.off_centre({"m": [one_off]})
    found = claims.theory.normalised_is_centred(table)
    assert (found.word, found.count.note) == ("contradicted", "75 % of them have")
    constant = of([3.0, 1.0], [0.0, 2.0])
    assert list(audit.layers.off_centre({"m": [constant]})["feature"]) == [1]


def test_the_right_loop_is_prune_model_and_the_other_sees_the_first_input(model):
    ids, dense = tiny_models.windows(6), tiny_models.build(model.config.model_type)
    pruning.prune_model(dense, ids, "stade", 0.5)
    evaluation = tiny_models.windows(5, seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = audit.models.compared(model, ids, evaluation, "stade", 0.5)
    after = model.state_dict()
    assert before.keys() == after.keys() and all(before[k].equal(after[k]) for k in before)
    assert found.right == perplexity(dense, evaluation)
    assert found.nothing_handed_on != found.right
    first = found.statistics[found.statistics["block"] == 0]
    assert (first["ratio"] == 1).all() and (first["correlation"] > 1 - 1e-9).all()
    later = found.statistics[found.statistics["block"] > 0]
    assert (later["correlation"] < 0.999).any()

    entering = pruning.enter_all(model, ids, 8)[0][0]
    seen = audit.models.prune(
        tiny_models.build(model.config.model_type), ids, "wanda", 0.5, hand_on=False
    )
    for index, name in enumerate(architectures.block_names(model)):
        norm = architectures.blocks(model)[index]
        norm = getattr(norm, "input_layernorm", None) or norm.self_attn_layer_norm
        mean = norm(entering).detach().double().mean(dim=(0, 1))
        torch.testing.assert_close(
            seen[f"{name}.self_attn.q_proj"].mean, mean, rtol=1e-5, atol=1e-6
        )


def test_a_plain_save_drops_corrected_biases_and_ours_keeps_them():
    model = tiny_models.build("llama")
    ids = torch.randint(tiny_models.VOCABULARY, (2, 16), generator=torch.Generator().manual_seed(0))
    pruning.prune_model(model, ids, "stade", "0.5")

    class Tokenizer:
        def save_pretrained(self, folder):
            """Nothing to save."""

    found = audit.models.reloaded(model, Tokenizer(), ids).set_index("saved")
    layers = 2 * model.config.num_hidden_layers
    assert (found["of"] == layers).all()
    assert found.loc["plain", "biases"] == 0 and found.loc["plain", "unexpected"] == layers
    assert found.loc["plain", "difference"] > 1e-4
    assert found.loc["announced", "biases"] == layers
    assert found.loc["announced", "difference"] == found.loc["announced", "unexpected"] == 0
    assert found.loc["announced", "perplexity"] == found.loc["not yet", "perplexity"]
    assert found.loc["plain", "perplexity"] != found.loc["not yet", "perplexity"]
    losses = window_losses(model, ids)
    assert found.loc["not yet", "perplexity"] == pytest.approx(perplexity_of(losses))


def test_exact_losses_are_those_of_running_the_layer(model, layers):
    seen = literal_inputs(model, tiny_models.windows(6))
    found = audit.layers.additivity(layers, 0.5).set_index("layer")
    ratios = []
    for layer in layers:
        if layer.short != "v_proj":
            continue
        x, w = seen[layer.block, layer.layer_type], layer.weight
        order = metrics.wanda(w, layer.moments.norm).argsort(dim=1, stable=True)
        gone = torch.zeros_like(w, dtype=torch.bool).scatter_(1, order[:, : w.shape[1] // 2], True)
        change = x @ torch.where(gone, w, 0).T
        singles = (x.square().mean(dim=0) * torch.where(gone, w, 0).square()).sum()
        ratios.append(float(change.square().mean(dim=0).sum() / singles))
    assert found.loc["v_proj", "kept"] == pytest.approx(sum(ratios) / len(ratios), rel=1e-3)


def test_flaps_compensation_is_equation_7(model, layers):
    seen = literal_inputs(model, tiny_models.windows(6))
    layer = layers[-1]
    found = other_work.compared(layer.weight, layer.moments)
    assert found["score"] < 1e-12 and found["bias"] < 1e-12
    assert found["compensated"] <= found["plain"]
    # The compensation is what the removed channels give on average, by running the layer.
    x = seen[layer.block, layer.layer_type]
    score = x.var(dim=0) * layer.weight.square().sum(dim=0)
    removed = torch.zeros(len(score), dtype=torch.bool)
    removed[score.argsort(stable=True)[: len(score) // 2]] = True
    given = (x @ layer.weight.T - (x * ~removed) @ layer.weight.T).mean(dim=0)
    ours = bias.correction(layer.weight, removed.expand_as(layer.weight), layer.moments.mean)
    torch.testing.assert_close(given, ours, rtol=1e-4, atol=1e-6)


def test_tables_by_layer_type(layers):
    orders = audit.layers.correction_orders(layers, 0.5)
    assert (orders["before"] > 0).all() and (orders["after"] == 0).all()
    literal = audit.layers.eq1(layers, 0.5)
    assert (literal["channels"] == 0.5).all() and (literal["differs"] > 0).all()
    assert (literal["wanda_channels"] < 0.5).all()
    cost = audit.layers.without_update(layers, "2:4")
    assert (cost[["algorithm", "printed"]] > 0).all(axis=None)
    flap = audit.layers.flap(layers)
    assert (flap[["score", "bias"]] < 1e-9).all(axis=None)
    assert list(flap["layer"]) == list(dict.fromkeys(layer.short for layer in layers))


def test_cells_are_chosen_by_their_layers():
    rows = [("wanda", "all"), ("wanda", ["a"]), ("dense", "all"), ("std", ["a", "b"])]
    ran = pandas.DataFrame(rows, columns=["method", "layers"])
    assert list(audit.layers.chosen(ran, "all").index) == [0, 2]
    assert list(audit.layers.chosen(ran, ["a"]).index) == [1, 2]


def test_two_metrics_must_beat_either_of_them_alone():
    pairs = audit.layers.everywhere(["0.5", "2:4"])
    assert {(c.below, c.above) for c in pairs} == {("stade", "std"), ("stade", "wanda")}
    assert all(c.patterns == ("0.5", "2:4") for c in pairs)
    assert {c.id for c in pairs} <= set(paper.claims()["id"])


def test_models_of_a_page_come_with_the_windows_of_its_cells(workplace):
    p = SimpleNamespace(
        models=[str(workplace / "model")], example=str(workplace / "model"), device="cpu",
        calibration=str(workplace / "calibration.npy"), windows=6, window_length=16,
        evaluation=str(workplace / "evaluation.npy"), evaluation_windows=9, seeds=[0],
        dtype="float32", batch_size=4,
    )  # fmt: skip
    one = page_models.load(p)
    assert one.calibration_ids.equal(tiny_models.windows(6, seed=1))
    assert one.evaluation_ids.equal(tiny_models.windows(9, seed=2))
    ((label, found),) = page_models.inputs(p, p.seeds[0]).items()
    assert label == "model" and found[0].moments.count == 6 * 16
    again = page_models.gather(one.model, one.calibration_ids, batch_size=2)
    torch.testing.assert_close(found[-1].moments.mean, again[-1].moments.mean)


# v_proj -----------------------------------------------------------------------------------------


def ran(losses, sparsities=("0.5", "0.9")):
    """Cells of one model; `losses`: method -> mean loss at the highest sparsity."""
    noise = torch.randn(32, generator=torch.Generator().manual_seed(0)) * 0.01
    return pandas.DataFrame(
        [
            ("m", method, s, 0, (noise + losses[method] * (s == sparsities[-1])).tolist())
            for s in sparsities
            for method in v_proj.METHODS
        ],
        columns=["model", "method", "pattern", "seed", "losses"],
    )


@pytest.mark.parametrize(
    ("corrected", "bare", "word"),
    [
        (0.5, 2.0, claims.verdicts.SUPPORTED),  # worse than Wanda only without the correction
        (1.5, 2.0, claims.verdicts.MIXED),  # worse with it too
        (0.5, 0.9, claims.verdicts.MIXED),  # better even without
        (1.0, 2.0, claims.verdicts.OPEN),  # with it no different
    ],
)
def test_rule_of_the_v_proj_explanation(corrected, bare, word):
    losses = {"wanda": 1, "std": corrected, "std_without_correction": bare, "wanda_with_bias": 1}
    predicted = v_proj.predictions(["0.5", "0.9"])
    found = claims.verdicts.judge(ran(losses), predicted)
    assert len(found) == 2 and set(found["pattern"]) == {"0.9"}
    (verdict,) = claims.perplexity.decide(predicted, found)
    assert verdict.word == word and "only uncorrected" in str(verdict)


def test_cells_and_print_of_v_proj():
    cells = v_proj.cells(["0.5", "0.9"])
    assert len(cells) == 8 and {cell.layers for cell in cells} == {v_proj.LAYER}
    printed = v_proj.printed().set_index(["method", "pattern"])["perplexity"]
    assert printed["std", "0.9"] == 2105.53 and printed["wanda", "0.9"] == 32.09
    assert v_proj.printed()["relative"].min() >= 1
