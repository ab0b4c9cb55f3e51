"""The theory pages' plots: their lines, marks and numbers are those of the tables they draw."""

import numpy as np
import pandas
import pytest
import torch
from figures import legend, marks, points

from stade_nb.pages import plots
from stade_nb.theory import many_layers, synthetic, variance_estimates


@pytest.fixture(scope="module")
def layers():
    generator = torch.Generator().manual_seed(0)
    return synthetic.random_layers((4, 5, 8), (-2, 2), (0.3, 2), generator)


def test_each_parabolas_filled_mark_is_its_lowest_point():
    (axes,) = plots.theory.parabolas(synthetic.loss, [-1.0, 2.0], std=0.5, weight=3.0).axes
    curves = [line.get_xydata() for line in axes.get_lines() if len(line.get_xydata()) == 400]
    for curve, mean in zip(curves, (-1.0, 2.0), strict=True):
        lowest = curve[curve[:, 1].argmin()]
        assert lowest == pytest.approx([3 * mean, 0.25 * 9], abs=0.05)
        assert [3 * mean, 0.25 * 9] in points(axes).tolist()
        # The open mark: nothing refitted costs the mean as well.
        assert [0, (0.25 + mean**2) * 9] in points(axes).tolist()
    assert [text.get_text() for text in axes.texts] == ["μ = -1", "μ = 2"]


def test_more_means_than_colours_are_all_drawn():
    (axes,) = plots.theory.parabolas(synthetic.loss, list(range(1, 9))).axes
    assert len(axes.texts) == 8


def test_the_valleys_floor_is_eq_7():
    figure = plots.theory.valley(synthetic.loss, weight=0.5)
    (floor, kept) = figure.axes[0].get_lines()
    assert (floor.get_ydata() == 0.5 * floor.get_xdata()).all()
    assert set(kept.get_ydata()) == {0}
    assert [text.split(":")[0] for text in legend(figure)] == ["B* = B + μW", "B* = B"]


def test_both_rules_pass_through_the_first_weights_input():
    figure = plots.theory.which_goes(mean=1.0, std=0.5)
    by_std, by_wanda, first = figure.axes[0].get_lines()
    assert set(by_std.get_ydata()) == {0.5}
    assert np.hypot(*by_wanda.get_xydata().T) == pytest.approx(np.hypot(1, 0.5))
    assert first.get_xydata().tolist() == [[1, 0.5]]
    assert len(legend(figure)) == 4


def test_errors_that_are_not_finite_are_marked_at_the_top():
    errors = pandas.DataFrame(
        [("float16", "sums", 1, 0.1, 0), ("float16", "sums", 100, np.nan, 1),
         ("float16", "merging", 1, 0.01, 0), ("float16", "merging", 100, 0.02, 0),
         ("float32", "sums", 1, 0.001, 0), ("float32", "merging", 1, 0.001, 0)],
        columns=["dtype", "rule", "ratio", "error", "not_finite"],
    )  # fmt: skip
    half, single = plots.audit.running_variance(errors).axes
    assert marks(half, "x").tolist() == [[100, 1e5]] and len(marks(single, "x")) == 0
    assert points(half, "merging").tolist() == [[1, 0.01], [100, 0.02]]
    assert [half.get_title(), single.get_title()] == ["float16", "float32"]


def test_every_estimate_has_its_line_of_means():
    table = variance_estimates.simulated([4, 16], 1.0, 1.0, 100, torch.Generator().manual_seed(0))
    figure = plots.theory.estimators(table)
    assert legend(figure) == list(table["estimate"].unique())
    for name, rows in table.groupby("estimate"):
        assert points(figure.axes[0], name).tolist() == rows[["N", "mean"]].to_numpy().tolist()


def test_errors_stand_beside_one_over_the_root_of_draws():
    table = pandas.DataFrame(
        {"equation": ["Eq. 3", "Eq. 3", "Eq. 6"], "draws": [100, 400, 100], "error": [0.2, 0.1, 1]}
    )
    figure = plots.theory.convergence(table)
    assert legend(figure) == ["1 / √draws", "Eq. 3", "Eq. 6"]
    assert points(figure.axes[0], "1 / √draws").tolist() == [[100, 0.1], [400, 0.05]]
    assert points(figure.axes[0], "Eq. 3").tolist() == [[100, 0.2], [400, 0.1]]


def test_shares_of_right_choices_are_in_percent():
    table = pandas.DataFrame(
        [(spread, metric, refit, 0.5 + 0.1 * refit + 0.2 * (metric == "std"), 0)
         for spread in (0, 1) for metric in ("std", "wanda") for refit in (True, False)],
        columns=["spread", "metric", "refit", "share", "excess"],
    )  # fmt: skip
    refitted, kept = plots.theory.choices(table).axes
    assert points(refitted, "STD, Eq. 11")[:, 1] == pytest.approx(80)
    assert points(kept, "Wanda, Eq. 10")[:, 1] == pytest.approx(50)


def test_single_losses_stand_over_the_exact_ones(layers):
    pairs = {rho: many_layers.single_and_exact(layers, rho, 0.5) for rho in (0.0, 0.9)}
    for axes, (rho, pair) in zip(
        plots.theory.single_against_exact(pairs).axes, pairs.items(), strict=True
    ):
        drawn = torch.from_numpy(marks(axes, "o"))
        assert torch.equal(drawn, torch.stack([pair.exact, pair.singles], dim=1))
        heading = f"correlation {rho:g}:\noff by {many_layers.relative_error(pair):.0%}"
        assert axes.get_title() == heading


def test_each_gain_is_written_in_its_square(layers):
    table = many_layers.bias_gains(layers, [0.0, 0.5], [0.0, 1.0], "2:4")
    for axes, column in zip(plots.theory.bias_gains(table).axes, plots.theory.GAINS, strict=False):
        written = {text.get_position(): text.get_text() for text in axes.texts}
        grid = table.pivot(index="spread", columns="correlation", values=column).to_numpy()
        assert written == {(x, y): f"{grid[y, x]:.0%}" for y in (0, 1) for x in (0, 1)}


def test_every_choice_has_its_line_of_losses(layers):
    table = many_layers.over_correlations(layers, [0.0, 0.5], [0.5, "2:4"])
    figure = plots.theory.excess(table)
    assert set(legend(figure)) == set(table["choice"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["50 %, bias refitted", "50 %, bias kept",
                      "2:4, bias refitted", "2:4, bias kept"]  # fmt: skip
    rows = table[(table["pattern"] == "2:4") & ~table["refit"]]
    for choice, own in rows.groupby("choice"):
        expected = np.stack([own["correlation"], 1 + own["excess"]], axis=1)
        assert (points(figure.axes[3], choice) == expected).all()


def test_a_point_of_eq_12_is_a_layer():
    table = pandas.DataFrame(
        [
            ("0.5", "printed", 0.0, 0.4),
            ("0.5", "printed", 0.01, 0.3),
            ("0.5", "consistent", 0.2, 0.0),
        ],
        columns=["pattern", "form", "std", "wanda"],
    )
    figure = plots.theory.eq12(table)
    assert points(figure.axes[0], "Eq. 12, printed") == pytest.approx(np.array([[40, 0], [30, 1]]))
    assert points(figure.axes[0], "Eq. 9, consistent").tolist() == [[0, 20]]
    assert set(legend(figure)) == {"Eq. 12, printed", "Eq. 9, consistent"}
