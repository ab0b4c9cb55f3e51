"""The audit: the paper's tables recounted, and re-statements of what the public code does."""

import pandas
import pytest
import tiny_models
import torch

from stade_nb.engine import pruning
from stade_nb.errors import StadeError
from stade_nb.evaluation import perplexity
from stade_nb.numerics import masks, sparsegpt
from stade_nb.numerics.moments import Moments
from stade_nb.pages import audit
from stade_nb.theory import correlated_inputs, misprints, other_work, synthetic


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# What the public code does ----------------------------------------------------------------------


def test_correction_after_zeroing_is_exactly_nothing():
    weight = torch.tensor([[1.0, -2, 3], [4, 5, -6]])
    pruned = torch.tensor([[True, True, False], [False, False, True]])
    found = other_work.corrections(weight, pruned, torch.tensor([2.0, 1, -1]))
    assert found["before zeroing"].tolist() == [1 * 2 - 2 * 1, -6 * -1]
    assert found["after zeroing"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "rule", [other_work.variance_by_squared_sums, other_work.variance_by_merging]
)
def test_both_running_variances_are_exact_on_small_whole_numbers(rule):
    # Counts, sums and quotients are all exact in float32 here.
    x = torch.tensor([[0.0, 4], [2, 4], [4, 8], [2, 8]])
    assert rule([x], torch.float32).tolist() == x.double().var(dim=0).float().tolist()
    assert rule([x[:2], x[2:]], torch.float32).tolist() == rule([x], torch.float32).tolist()


def test_squared_sums_lose_the_variance_and_merging_keeps_it():
    dtypes = [torch.float32, torch.float16]
    found = other_work.variance_errors([0, 100, 1000, 3000], dtypes, generator(), features=32)
    found = found.set_index(["dtype", "rule", "ratio"]).sort_index()
    wide, merged = found.loc["float32", "squared sums"], found.loc["float32", "merging"]
    assert wide.loc[0, "error"] < 1e-6 and merged["error"].max() < 1e-5
    assert 0.02 < wide.loc[1000, "error"] < 0.5 < wide.loc[3000, "error"]
    half = found.loc["float16"]
    assert half.loc[("squared sums", 1000), "not_finite"] == 1
    assert (half.loc["merging", "error"] < 0.01).all()


def test_squares_of_small_weights_are_lost_in_float16():
    edge = 2.0**-12.5  # the square of anything smaller rounds to nothing, 2⁻²⁴ being the least
    weight = torch.tensor([1.0, 1e-2, 2 * edge, 0.9 * edge, 1e-4, 0.0])
    assert other_work.squares_in(weight)["lost"] == 2 / 6
    assert other_work.squares_in(weight, torch.float32) == {"lost": 0, "distinct": 1}


def test_partial_groups_lose_all_their_columns():
    score = torch.rand(5, 12, generator=generator())
    pruned = other_work.pruned_by_slices(score, 4, 8)
    assert (pruned[:, :8].sum(dim=1) == 4).all() and pruned[:, 8:].all()
    assert torch.equal(other_work.pruned_by_slices(score, 2, 4), masks.select(score, "2:4"))
    with pytest.raises(StadeError, match="4:8 with 12 input features"):
        masks.select(score, "4:8")


def test_ties_are_settled_here_and_a_matter_of_chance_in_topk():
    assert other_work.ours_takes(4, 2) == [0, 1]
    taken = other_work.topk_takes(4, 2)
    assert len(taken) == 2 and set(taken) <= set(range(4))


def test_added_biases_are_four_hundred_thousandths_of_a_block():
    found = other_work.added_biases()
    assert found["weights"] == 202_375_168 and found["biases"] == 8192
    assert round(100 * found["share"], 3) == 0.004


def test_parameters_that_stade_adds_are_counted():
    cell = {"method": "stade", "pattern": "0.5", "zeros": {"o": 8, "q": 8}, "seed": 0}
    cell |= {"sizes": {"o": 16, "q": 16}, "added_bias": {"o": 4, "q": 0}, "model": "m"}
    ran = pandas.DataFrame([cell, cell | {"method": "wanda"}, cell | {"pattern": "2:4"}])
    found = other_work.parameters_added(ran, "0.5")
    assert found.values.tolist() == [["m", 32, 16, 4, 4 / 32]]


def test_a_plain_save_drops_corrected_biases_and_ours_keeps_them():
    model = tiny_models.build("llama")
    ids = torch.randint(tiny_models.VOCABULARY, (2, 16), generator=generator())
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
    losses = perplexity.window_losses(model, ids)
    assert found.loc["not yet", "perplexity"] == pytest.approx(perplexity.perplexity_of(losses))


# Where text and equations part ------------------------------------------------------------------


@pytest.fixture(scope="module")
def layer():
    drawn = synthetic.random_layers((64, 32), (-2, 2), (0.1, 2), generator())
    inputs = correlated_inputs.gaussian(
        drawn.mean, correlated_inputs.equicorrelated(drawn.std, 0.3)
    )
    x = inputs.draw(synthetic.normal((20_000, 32), generator(1)))
    return drawn.weight, Moments.of(x, gram=True)


@pytest.mark.parametrize("pattern", [0.5, "2:4"])
def test_eq12_as_printed_is_std_and_consistent_is_wanda(layer, pattern):
    weight, statistics = layer
    found = misprints.eq12_differences(weight, statistics, pattern)
    printed, consistent = found.loc["printed"], found.loc["consistent"]
    assert printed["std"] < 1e-3 and consistent["wanda"] < 1e-3
    assert printed["wanda"] > 0.05 and consistent["std"] > 0.05


def test_normalising_a_token_centres_no_feature():
    found = misprints.off_centre_after(1.35, generator(), tokens=2048, features=64)
    found = found.set_index("inputs")["median"]
    assert found["after LayerNorm"] > 0.5 and found["after RMSNorm"] > 0.5
    centred = misprints.off_centre_after(0, generator(), tokens=2048, features=64)
    assert (centred["median"] < 0.05).all()
    with pytest.raises(StadeError, match="unknown normalisation"):
        misprints.normalise(torch.ones(2, 2), "batch")


def test_off_centre_is_mean_over_std():
    x = torch.tensor([[1.0, -3], [3, -5], [2, -4]])
    assert misprints.off_centre(x).tolist() == [2, 4]


def test_algorithm_uses_the_inverse_without_the_columns_before(layer):
    weight, statistics = layer
    scores = misprints.sparsegpt_scores(weight, statistics, damping=0)
    hessian = sparsegpt.hessian(statistics)
    for j in (0, 5, 31):
        conditional = torch.linalg.inv(hessian[j:, j:])[0, 0]
        torch.testing.assert_close(scores["algorithm"][:, j], weight[:, j] ** 2 / conditional / 2)
        full = torch.linalg.inv(hessian)[j, j]
        torch.testing.assert_close(scores["printed"][:, j], weight[:, j] ** 2 / full / 2)
        alone = weight[:, j] ** 2 * hessian[j, j] / 2
        torch.testing.assert_close(scores["nothing refitted"][:, j], alone)
    # Refitting more weights never costs more: full inverse <= conditional <= nothing refitted.
    assert (scores["printed"] <= scores["algorithm"] * (1 + 1e-9)).all()
    assert (scores["algorithm"] <= scores["nothing refitted"] * (1 + 1e-9)).all()


def test_without_update_sparsegpt_pays_for_what_its_score_does_not_count(layer):
    found = misprints.sparsegpt_without_update(*layer, 0.5).set_index("score")
    assert found.loc["nothing refitted", "relative"] == 1
    assert found.loc["algorithm", "relative"] > 1.1
    assert found.loc["nothing refitted", "differs"] == 0
