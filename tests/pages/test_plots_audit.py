"""The audit's plots: their marks are the printed numbers and the measured ones."""

import numpy as np
import pandas
import pytest
import torch
from figures import legend, marks, points, ticks

from stade_book import claims, style
from stade_book.pages import plots
from stade_book.pages.audit import v_proj
from stade_book.pages.plots.audit import OUTCOMES


def test_every_printed_change_of_perplexity_is_drawn_by_its_outcome():
    compared = claims.printed.cells(3, "stade", "wanda")
    figure = plots.audit.printed_differences(compared, "stade", "wanda")
    models = claims.paper.by_size(compared["model"].unique())
    assert models[0] == "llama-3.2-1b" and models[-1] == "llama-2-13b"
    assert ticks(figure.axes[0].get_yticklabels()) == models
    for axes, (_, rows) in zip(figure.axes, compared.groupby("pattern", sort=False), strict=True):
        for outcome, (_, marker) in OUTCOMES.items():
            own = rows[rows["outcome"] == outcome]
            expected = [(100 * (row.stade / row.wanda - 1), models.index(row.model))
                        for row in own.itertuples()]  # fmt: skip
            assert set(map(tuple, marks(axes, marker))) == set(expected)


def test_every_printed_accuracy_is_drawn_in_order():
    compared = claims.printed.cells(4, "stade", "wanda")
    axes = plots.audit.accuracy_differences(compared, 0.6).axes[0]
    gaps = sorted(compared["stade"] - compared["wanda"])
    drawn = np.concatenate([marks(axes, marker) for _, marker in OUTCOMES.values()])
    assert drawn[drawn[:, 1].argsort()][:, 0].tolist() == gaps
    assert len(axes.get_yticklabels()) == len(compared)


def test_the_grid_of_table_2_has_a_mark_for_each_pair():
    both = claims.printed.layers()
    axes = plots.audit.table2_outcomes(both).axes[0]
    for outcome, (_, marker) in OUTCOMES.items():
        assert len(marks(axes, marker)) == (both["outcome"] == outcome).sum()
    assert all("centered)" in label for label in ticks(axes.get_yticklabels()))


def test_growth_is_that_of_the_two_models():
    growth, pair = claims.printed.growth(), ["llama-3-8b", "llama-3.1-8b"]
    figure = plots.audit.growth(growth, pair, ["wanda", "stade"])
    assert legend(figure) == ["Wanda", "STADE"]
    for axes, pattern in zip(figure.axes, ["0.5", "2:4", "4:8"], strict=True):
        expected = [growth.loc[(model, pattern), "wanda"] for model in pair]
        assert points(axes, "Wanda")[:, 1].tolist() == expected


def test_a_features_middle_is_its_median():
    generator = torch.Generator().manual_seed(0)
    table = pandas.DataFrame(
        [("one", layer, centred, float(ratio))
         for layer, centred in (("fc2", False), ("q, k, v", True))
         for ratio in torch.rand(50, generator=generator)],
        columns=["model", "layer", "centred", "ratio"],
    )  # fmt: skip
    figure = plots.audit.off_centre(table)
    axes = figure.axes[0]
    assert ticks(axes.get_yticklabels()) == ["q\nk\nv", "fc2"]
    medians = table.groupby("layer")["ratio"].median()
    assert marks(axes, "o").tolist() == [[pytest.approx(medians["q, k, v"]), 0]]
    assert marks(axes, "s").tolist() == [[pytest.approx(medians["fc2"]), 1]]
    assert legend(figure) == ["behind a normalisation", "counted as not centred"]


def test_a_steep_curve_has_a_logarithmic_scale():
    printed = v_proj.printed()
    figure = plots.audit.sparsity_curves(printed, v_proj.METHODS)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and legend(figure) == ["Wanda", "STD metric"]
    rows = printed[printed["method"] == "std"]
    expected = np.stack([100 * rows["pattern"].astype(float), rows["relative"]], axis=1)
    assert (points(axes, "STD metric") == expected).all()
    flat = printed[printed["method"] == "wanda"].assign(relative=2.0)
    assert plots.audit.sparsity_curves(flat, ["wanda"]).axes[0].get_yscale() == "linear"


def test_likeness_has_a_line_for_each_input_however_many():
    names = [f"mlp.layer{number}" for number in range(9)]
    statistics = pandas.DataFrame(
        [(block, name, 0.1 * place + block, 0.9 - 0.1 * place)
         for block in (0, 1) for place, name in enumerate(names)],
        columns=["block", "layer", "ratio", "correlation"],
    )  # fmt: skip
    figure = plots.audit.likeness(statistics)
    assert legend(figure) == [f"layer{number}" for number in range(9)]
    assert points(figure.axes[0], "layer2") == pytest.approx(np.array([[0, 0.7], [1, 0.7]]))


def test_ratios_stand_beside_the_line_at_one():
    table = pandas.DataFrame({"layer": ["fc1", "fc2"], "kept": [0.5, 2.0], "gone": [1.0, 1.5]})
    figure = plots.audit.ratios(table, {"kept": "bias kept", "gone": "no bias"}, "ratio")
    (axes,) = figure.axes
    assert points(axes, "bias kept").tolist() == [[0.5, 0], [2.0, 1]]
    assert legend(figure) == ["bias kept", "no bias"]
    (own,) = plots.audit.ratios(table, {"kept": "Wanda's"}, "ratio", ["wanda"]).axes
    assert own.get_lines()[0].get_color() == style.METHOD_STYLE["wanda"][0]
    assert ticks(axes.get_yticklabels()) == ["fc1", "fc2"]
