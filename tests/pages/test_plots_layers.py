"""The plots of Table 2 and Fig. 1: letters, lines and intervals are those of the comparisons."""

import math

import pandas
import pytest
from figures import legend
from layer_frames import LAYERS, SPARSITIES, frame

from stade_book import claims
from stade_book.pages import plots
from stade_nb.models import architectures


def test_each_layer_type_has_its_line_by_its_marked_metric():
    ran = frame({("fc1", "wanda"): 0.4, ("fc2", "std"): -0.05})
    perplexities = pandas.concat([ran, claims.layers.printed_rows()])
    figure = plots.layers.by_layer(perplexities)
    assert [axes.get_title() for axes in figure.axes] == ["one", claims.layers.PRINTED]
    names = {name for words in legend(figure) for name in words.split(", ")}
    assert names == set(architectures.GATED) | set(LAYERS)
    fc1 = ran[(ran["layer"] == "fc1") & (ran["metric"] == "wanda")]
    expected = fc1.groupby("sparsity")["relative"].mean().tolist()
    drawn = [line.get_ydata().tolist() for line in figure.axes[0].get_lines()]
    assert expected in drawn and len(drawn) == len(LAYERS)


def test_figure_1_has_a_panel_for_each_layer_type_and_a_line_for_each_metric():
    ran = frame({("fc1", "wanda"): 0.4})
    figure = plots.layers.lines(ran)
    assert legend(figure) == ["Wanda", "STD metric"]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[1:] == ["fc1, input centred", "fc2, input not centred"]
    wanda, std = figure.axes[1].containers
    own = ran[(ran["layer"] == "fc1") & (ran["metric"] == "wanda")]
    mean = own.groupby("sparsity")["perplexity"].mean()
    assert wanda.lines[0].get_ydata().tolist() == mean.tolist()
    assert len(std.lines[0].get_xdata()) == len(SPARSITIES)


@pytest.mark.parametrize(
    ("draw", "start", "inside"), [(plots.layers.by_layer, -0.1, 1), (plots.layers.lines, -0.6, 5)]
)
def test_a_range_of_less_than_a_decade_has_numbers_to_read_it_by(draw, start, inside):
    """With one of 1, 2, 5 in it, where there would be no other number."""
    for axes in draw(frame({}, growth=lambda sparsity: start + 0.5 * sparsity)).axes:
        low, high = axes.get_ylim()
        assert low < inside < high < 2 * low
        assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 3


def test_the_heat_map_says_in_letters_which_metric_is_lower():
    ran = frame({("fc1", "wanda"): 0.4, ("fc2", "std"): -0.05})
    (panel, *_) = plots.layers.heat_map(claims.layers.compared(ran)).axes
    written = [text.get_text() for text in panel.texts]
    assert written.count("S −40") == len(SPARSITIES)
    assert written.count("S −5.0") == len(SPARSITIES)
    assert written.count("0.0") == len(SPARSITIES)
    assert [label.get_text() for label in panel.get_yticklabels()][-1] == "fc2  STD†"


def test_intervals_of_the_ratio_are_those_of_the_comparison_turned_round():
    ran = frame({("fc1", "wanda"): 0.1}, noise=0.01)
    rows = claims.layers.compared(ran, lambda layer: layer == "fc1")
    (panel,) = plots.layers.ratios(rows).axes
    (_, _, (bars,)) = panel.containers[0]
    last = rows[rows["sparsity"] == 0.9].iloc[0]
    ends = bars.get_segments()[-1][:, 1]
    turned = [-100 * math.log1p(end) for end in (last.high, last.low)]
    assert sorted(ends) == pytest.approx(turned)
