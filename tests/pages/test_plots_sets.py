"""The plots of sets of weights: their points, lines and names are those of the tables they draw."""

import numpy as np
import pytest
import torch
from figures import marks

from stade_book.claims import paper
from stade_book.pages import plots
from stade_book.theory import many_layers, synthetic


@pytest.fixture(scope="module")
def layers():
    generator = torch.Generator().manual_seed(0)
    return synthetic.random_layers((4, 5, 8), (-2, 2), (0.3, 2), generator)


def test_single_losses_stand_over_the_exact_ones(layers):
    pairs = {rho: many_layers.single_and_exact(layers, rho, 0.5) for rho in (0.0, 0.9)}
    for axes, (rho, pair) in zip(
        plots.sets.single_against_exact(pairs).axes, pairs.items(), strict=True
    ):
        drawn = torch.from_numpy(marks(axes, "o"))
        assert torch.equal(drawn, torch.stack([pair.exact, pair.singles], dim=1))
        heading = f"correlation {rho:g}:\noff by {100 * many_layers.relative_error(pair):.0f} %"
        assert axes.get_title() == heading


def test_each_gain_is_written_in_its_square(layers):
    table = many_layers.bias_gains(layers, [0.0, 0.5], [0.0, 1.0], "2:4")
    for axes, column in zip(plots.sets.bias_gains(table).axes, plots.sets.GAINS, strict=False):
        written = {text.get_position(): text.get_text() for text in axes.texts}
        grid = table.pivot(index="spread", columns="correlation", values=column).to_numpy()
        assert written == {(x, y): f"{100 * grid[y, x]:.0f}" for y in (0, 1) for x in (0, 1)}


def test_every_choice_has_its_line_of_losses(layers):
    table = many_layers.over_correlations(layers, [0.0, 0.5], [0.5, "2:4"])
    figure = plots.sets.excess(table)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["50 %, bias corrected", "50 %, bias kept",
                      "2:4, bias corrected", "2:4, bias kept"]  # fmt: skip
    rows = table[(table["pattern"] == "2:4") & ~table["refit"]]
    drawn = {line.get_label(): line.get_xydata() for line in figure.axes[3].get_lines()}
    for choice, own in rows[rows["choice"] != plots.sets.CHEAPEST].groupby("choice"):
        expected = np.stack([own["correlation"], 1 + own["excess"]], axis=1)
        assert (drawn[choice] == expected).all()
        name = f"{paper.title(choice).removesuffix(' metric')}, {expected[-1, 1]:.3g} ×"
        assert name in [text.get_text() for text in figure.axes[3].texts]
