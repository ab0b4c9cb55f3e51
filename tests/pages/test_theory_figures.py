"""The theory pages' plots can be drawn, and the one with sliders loads nothing."""

import io
import re

import torch

from stade_nb.pages import plots, sliders
from stade_nb.theory import other_work, synthetic, variance_estimates


def drawn(figure):
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


def test_every_plot_draws_without_a_warning():
    generator = torch.Generator().manual_seed(0)
    dtypes = [torch.float32, torch.float16]
    errors = other_work.variance_errors([1, 100], dtypes, generator, 2, 16, 4)
    estimates = variance_estimates.simulated([4, 16], 1.0, 1.0, 100, generator)
    for figure in (
        plots.theory.valley(synthetic.loss),
        plots.theory.which_goes(),
        plots.audit.running_variance(errors),
        plots.theory.estimators(estimates),
    ):
        assert drawn(figure)


def test_sliders_load_nothing_and_have_their_own_id():
    page = sliders.parabola("one").data
    assert not re.search(r"https?:|src=|href=|@import|fetch\(", page)
    assert page.count('id="one"') == 1 and "$" not in page.replace("${", "")
    assert page.count('type="range"') == len(sliders.SLIDERS)
    assert sliders.parabola("two").data != page
