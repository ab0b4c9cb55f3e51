"""Where the paper's text and its equations part: each reading against a literal computation."""

import pytest
import torch

from stade_book.theory import correlated_inputs, misprints, synthetic
from stade_nb.errors import StadeError
from stade_nb.numerics import sparsegpt
from stade_nb.numerics.moments import Moments


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


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
