"""The theory pages' plots: their lines, marks and numbers are those of the tables they draw."""

import numpy as np
import pandas
import pytest
import torch
from figures import legend, marks, points, words

from stade_book.pages import plots
from stade_book.theory import brute_force, synthetic, variance_estimates, worked_example


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


def test_the_valleys_floor_is_eq_7_and_its_numbers_are_eq_3():
    figure = plots.theory.valley(synthetic.loss, std=2.0, weight=0.5)
    (axes,) = figure.axes
    floor, kept, *_ = axes.get_lines()
    assert (floor.get_ydata() == 0.5 * floor.get_xdata()).all()
    assert set(kept.get_ydata()) == {0}
    # Of the best bias 1 = sigma² W² at each mean; of the old one (sigma² + mu²) W² at 2, 1, 0.
    assert words(figure)[:10] == ["1"] * 5 + ["2", "1.25", "1", "1.25", "2"]
    assert marks(axes, "o").tolist()[:2] == [[-2, -1], [-1, -0.5]]
    assert any("always σ²W² = 1" in text for text in words(figure))


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
    figure = plots.theory.choices(table)
    refitted, kept = figure.axes
    assert points(refitted, "STD, Eq. 11")[:, 1] == pytest.approx(80)
    assert points(kept, "Wanda, Eq. 10")[:, 1] == pytest.approx(50)
    assert words(figure)[:4] == ["STD\n80 %", "Wanda\n60 %", "STD\n70 %", "Wanda\n50 %"]


def test_what_wanda_takes_is_ringed_and_the_cheapest_has_a_cross():
    generator = torch.Generator().manual_seed(0)
    layers = synthetic.random_layers((4, 5, 8), (-2, 2), (0.3, 2), generator)
    figure = plots.theory.order({"kept": (layers, False), "corrected": (layers, True)})
    for axes, refit in zip(figure.axes, (False, True), strict=True):
        scores, costs = brute_force.one_output(layers, refit)
        all_of_them, cross, ring = (line.get_xydata() for line in axes.get_lines())
        assert (all_of_them == np.stack([scores, costs], axis=1)).all()
        assert cross.tolist() == [[scores[costs.argmin()], costs.min()]]
        assert ring.tolist() == [[scores.min(), costs[scores.argmin()]]]
    said = words(figure)
    assert said[:1] == ["Wanda takes the cheapest"]
    assert said[1:3] == ["Wanda takes this", "cheapest"]


def test_the_worked_example_leaves_four_masks():
    groups = worked_example.by_mask(worked_example.table1())
    by_method = {line.partition(",")[0].partition(";")[0]: mask for mask, lines in groups.items()
                 for line in lines}  # fmt: skip
    assert len(groups) == 4
    assert by_method["Wanda"] == by_method["STD (w/o bias) metric"]
    assert by_method["Wanda"] == by_method["STADE where the input is centred"]
    assert by_method["STD metric"] == by_method["STADE where the input is not centred"]
    (std,) = (lines for mask, lines in groups.items() if mask == by_method["STD metric"])
    assert "STADE (w/o bias), Eq. 12 to the letter" in std
    assert "STD metric, Eq. 11; bias 12, −13" in std


def test_each_mask_stands_beside_its_methods():
    groups = {((True, False), (False, True)): ["one", "two"], ((False, True), (True, False)): ["3"]}
    figure = plots.theory.masks(np.array([[1, -2], [3, 4]]), groups)
    (axes,) = figure.axes
    struck = [tuple(line.get_xydata().min(axis=0)) for line in axes.get_lines()]
    assert struck == [(0, 0), (1, 1), (1, 3), (0, 4)]
    assert words(figure)[:10] == ["1", "−2", "3", "4", "one\ntwo", "1", "−2", "3", "4", "3"]


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
