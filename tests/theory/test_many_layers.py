"""Sets of weights on many layers: pooled as by hand, orders that theory guarantees."""

import pandas
import pytest
import torch

from stade_book.theory import correlated_inputs, many_layers, many_weights, synthetic


@pytest.fixture
def layers():
    generator = torch.Generator().manual_seed(0)
    return synthetic.random_layers((4, 5, 8), (-2, 2), (0.3, 2), generator)


def test_layers_are_pooled_as_one_sum(layers):
    table = many_layers.over_correlations(layers, [0.0, 0.5], [0.5, "2:4"])
    assert len(table) == 2 * 2 * 2 * 5
    row = table[(table["correlation"] == 0.5) & (table["pattern"] == "2:4") & ~table["refit"]]
    loss = least = optimal = 0.0
    for weight, mean, std in zip(layers.weight, layers.mean, layers.std, strict=True):
        covariance = correlated_inputs.equicorrelated(std, 0.5)
        inputs = correlated_inputs.gaussian(mean, covariance)
        found = many_weights.compared(weight, inputs, "2:4", False).set_index("choice")
        loss += found.loc["wanda", "loss"] / 4
        least += found.loc["cheapest set", "loss"] / 4
        optimal += found.loc["wanda", "optimal"] / 4
    row = row.set_index("choice").loc["wanda"]
    expected = (loss, loss / least - 1, optimal)
    assert (row["loss"], row["excess"], row["optimal"]) == pytest.approx(expected, rel=1e-12)


def test_orders_that_theory_guarantees(layers):
    table = many_layers.over_correlations(layers, [0.0, 0.6], [0.5])
    index = ["refit", "correlation", "choice"]
    optimal = table.set_index(index)["optimal"]
    assert optimal[True, 0.0, "std"] == 1 > optimal[True, 0.6, "std"]
    assert optimal[False, 0.0, "wanda"] < 1
    centred = layers._replace(mean=0 * layers.mean)
    table = many_layers.over_correlations(centred, [0.0], [0.5])
    assert table.set_index(index)["optimal"][False, 0.0, "wanda"] == 1


def test_after_a_relu_std_alone_is_optimal_and_only_without_correlation(layers):
    table = many_layers.over_correlations(layers, [0.0, 0.6], [0.5], correlated_inputs.relu)
    optimal = table[(table["optimal"] == 1) & table["choice"].isin(["magnitude", "wanda", "std"])]
    found = optimal[["refit", "correlation", "choice"]]
    assert list(found.itertuples(index=False, name=None)) == [(True, 0.0, "std")]


@pytest.mark.parametrize("family", many_layers.FAMILIES)
def test_single_losses_add_up_where_nothing_is_correlated(layers, family):
    # Independent inputs stay independent under max(·, 0); Student's t is uncorrelated only.
    none = many_layers.relative_error(many_layers.single_and_exact(layers, 0.0, 0.5, family))
    some, much = (
        many_layers.relative_error(many_layers.single_and_exact(layers, rho, 0.5, family))
        for rho in (0.3, 0.9)
    )
    assert none < 1e-12 and 0.1 < some < much


def test_bias_gains_are_ratios_of_losses_pooled_by_hand(layers):
    table = many_layers.bias_gains(layers, [0.0, 0.6], [0.0, 0.5], "2:4")
    zero = table[table["spread"] == 0]
    assert (zero[["wanda", "std", "cheapest"]].abs() < 1e-12).all(axis=None)
    by_hand = dict.fromkeys(("wanda", "std", "cheapest", "wanda kept", "cheapest kept"), 0.0)
    sets = many_weights.allowed_sets(8, "2:4")
    for weight, mean, std in zip(layers.weight, layers.mean, layers.std, strict=True):
        covariance = correlated_inputs.equicorrelated(std, 0.6)
        inputs = correlated_inputs.gaussian(0.5 * mean, covariance)
        pruned = many_weights.greedy(weight, inputs, "2:4")
        for kept, matrix in (("", covariance), (" kept", inputs.second_moment)):
            pruned["cheapest"] = many_weights.cheapest_set(weight, matrix, sets)
            for name in ("wanda", "std", "cheapest"):
                if name + kept in by_hand:
                    loss = many_weights.set_loss(weight, pruned[name], matrix)
                    by_hand[name + kept] += float(loss.sum())
    found = table[(table["correlation"] == 0.6) & (table["spread"] == 0.5)].iloc[0]
    assert found["wanda"] == pytest.approx(1 - by_hand["wanda"] / by_hand["wanda kept"])
    assert found["std"] == pytest.approx(1 - by_hand["std"] / by_hand["wanda kept"])
    assert found["cheapest"] == pytest.approx(1 - by_hand["cheapest"] / by_hand["cheapest kept"])
    # Without correlations STD's sets are the cheapest; with them nothing guarantees that.
    found = table[(table["correlation"] == 0) & (table["spread"] == 0.5)].iloc[0]
    assert 0 < found["wanda"] < found["std"] and found["cheapest"] > 0


def test_only_what_the_cheapest_sets_gain_rises_with_the_correlation_in_every_draw():
    """What the page says of its figure: for the metrics' sets the direction is that of a draw."""
    rises = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        drawn = synthetic.random_layers((16, 8, 8), (-1, 1), (0.1, 2), generator)
        table = many_layers.bias_gains(drawn, [0.0, 0.9], [1.0], 0.5).set_index("correlation")
        rises.append(table.loc[0.9] - table.loc[0.0])
    rises = pandas.DataFrame(rises)
    assert (rises["cheapest"] > 0.05).all()
    assert (rises[["wanda", "std"]].min() < 0).all() and (rises[["wanda", "std"]].max() > 0).all()


def test_simulation_agrees_for_every_family_and_would_show_a_wrong_loss(layers, monkeypatch):
    one = synthetic.Layer(*(part[0] for part in layers))
    generator = torch.Generator().manual_seed(1)
    found = many_layers.simulated(one, [0.0, 0.6], 0.5, 20_000, generator)
    assert found.groupby("inputs").ngroups == 3 and len(found) == 12
    assert found["errors"].max() < 4.5
    wrong = many_weights.sum_of_single_losses
    monkeypatch.setattr(many_weights, "set_loss", wrong)
    found = many_layers.simulated(one, [0.6], 0.5, 20_000, generator)
    assert found["errors"].min() > 5


def test_a_feature_that_hardly_ever_fires_has_a_variance():
    # 20 standard deviations below zero the closed form cancels to noise of either sign.
    mean = torch.tensor([-2.0, -4, 1, -1.5], dtype=torch.float64)
    std = torch.tensor([0.1, 0.1, 0.5, 0.1], dtype=torch.float64)
    inputs = correlated_inputs.relu(mean, correlated_inputs.equicorrelated(std, 0.6))
    assert (inputs.variance >= 0).all() and (inputs.second_moment.diagonal() >= 0).all()
    assert inputs.mean[0] < 1e-80 and inputs.variance[0] < 1e-80
