"""The plots of the page on several weights at once, in the look of `figures`."""

import numpy as np
import pandas
from matplotlib.figure import Figure

from stade_nb.pages.plots.figures import BLACK, BLUE, _axes
from stade_nb.theory import set_removal

GAINS = {
    "wanda": "Wanda's sets,\nbias added",
    "std": "STD's sets with a bias\nfor Wanda's without",
    "cheapest": "the cheapest sets\nwith and without",
}


def single_against_exact(pairs: dict[float, set_removal.Pair]) -> Figure:
    """What single losses add up to, over the exact loss: a panel for each correlation.

    pairs: by correlation, from `set_removal.single_and_exact`; a point is an output.
    """
    figure, panels = _axes(2.9, columns=len(pairs), sharex=True, sharey=True, squeeze=False)
    values = np.concatenate([part.numpy(force=True) for pair in pairs.values() for part in pair])
    ends = np.array([values[values > 0].min() / 1.5, values.max() * 1.5])
    for axes, (correlation, pair) in zip(panels[0], pairs.items(), strict=True):
        axes.plot(ends, ends, color=BLACK, linestyle=":")
        exact, singles = (part.numpy(force=True) for part in (pair.exact, pair.singles))
        axes.plot(exact, singles, "o", color=BLUE, markersize=3.5, alpha=0.6)
        error = f"off by {set_removal.relative_error(pair):.0%}"
        axes.set(title=f"correlation {correlation:g}:\n{error}", xlabel="exact loss")
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    panels[0][0].set(ylabel="sum of single losses, Eq. 8")
    return figure


def bias_gains(table: pandas.DataFrame) -> Figure:
    """The share of the loss that a bias saves, over the inputs' correlation and size of means.

    table: from `set_removal.bias_gains`. Each cell has its number, so colour adds nothing new.
    """
    figure, panels = _axes(3.1, columns=len(GAINS), sharex=True, sharey=True)
    for axes, (column, title) in zip(panels, GAINS.items(), strict=True):
        grid = table.pivot(index="spread", columns="correlation", values=column)
        image = axes.imshow(grid, cmap="Blues", vmin=0, vmax=1, origin="lower", aspect="auto")
        for (row, at), share in np.ndenumerate(grid.to_numpy()):
            colour = "white" if share > 0.6 else BLACK
            axes.text(at, row, f"{share:.0%}", ha="center", va="center", color=colour)
        axes.set_xticks(range(grid.shape[1]), [f"{value:g}" for value in grid.columns])
        axes.set_yticks(range(grid.shape[0]), [f"{value:g}" for value in grid.index])
        axes.set(title=title, xlabel="correlation of inputs")
        axes.grid(False)
    panels[0].set(ylabel="means are drawn\nfrom ± this")
    figure.colorbar(image, ax=panels, format=lambda share, _: f"{share:.0%}", label="loss saved")
    return figure
