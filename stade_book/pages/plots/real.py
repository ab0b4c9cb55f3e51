"""The figures of the real models: what a method changes against Wanda, in one look."""

from collections.abc import Sequence

import pandas
from matplotlib.figure import Figure

from stade_book import style
from stade_book.claims import paper
from stade_book.pages.plots.tables import changes_on, mark_changes
from stade_book.style import INK

# Of the opening page, from the paper's method to what it is compared with.
METHODS = ("stade", "std", "wanda_with_bias", "sparsegpt")
PLAIN = {"std": "STD with bias\non every layer", "wanda_with_bias": "Wanda + bias"}


def against_wanda(
    judged: pandas.DataFrame,
    patterns: Sequence[str],
    methods: Sequence[str] = METHODS,
    nudged: pandas.DataFrame | None = None,
) -> Figure:
    """Change of perplexity from Wanda with its interval; a panel for each pattern, grey: better.

    judged: columns model, pattern, method, change, low, high, from `earlier.against`. What was not
    run has no mark. nudged: from `nudges.around`, as dots in a line above the methods: how far
    Wanda is from itself.
    """
    ways = [method for method in methods if method not in ("wanda", paper.DENSE)]
    above = int(nudged is not None and len(nudged) > 0)
    figure, panels = style.axes(
        0.95 + 0.33 * (len(ways) + above),
        columns=len(patterns),
        sharey=True,
        sharex=True,
        squeeze=False,
    )
    rows = judged[judged["method"].isin(ways) & judged["pattern"].isin(patterns)]
    for axes, pattern in zip(panels[0], patterns, strict=True):
        models = list(style.groups(rows, "model"))
        for aside, (model, some, look) in enumerate(models):
            at = some[some["pattern"] == pattern]
            beside = 0.4 * ((len(models) - 1) / 2 - aside)  # models one below the other
            heights = [beside - ways.index(method) for method in at["method"]]
            mark_changes(axes, 100 * at[["change", "low", "high"]], heights, label=model, **look)
            if above:
                dots = nudged[(nudged["model"] == model) & (nudged["pattern"] == pattern)]
                level = [1 + beside] * len(dots)
                axes.plot(100 * dots["change"], level, ".", color=look["color"], markersize=5)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_title(paper.sparsity(pattern), fontsize=10)
    changes_on(panels[0])
    figure.supxlabel("change of perplexity from Wanda, % (grey: better)", fontsize=10)
    names = [PLAIN.get(method, paper.title(method)) for method in ways]
    names = ["Wanda, norms nudged"] * above + names
    panels[0, 0].set_yticks(range(above, -len(ways), -1), names)
    panels[0, 0].set_ylim(0.5 - len(ways), 0.5 + above)
    if rows.empty:
        panels[0, 0].text(0.5, 0.5, "not run yet", transform=panels[0, 0].transAxes, ha="center")
    else:
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3
        )
    return figure


def in_words(
    judged: pandas.DataFrame, patterns: Sequence[str], methods: Sequence[str] = METHODS
) -> str:
    """What `against_wanda` shows, for those who do not see it: every change in percent."""
    parts = ["Change of perplexity from Wanda in percent; below zero a method is better."]
    for pattern in patterns:
        some, said = judged[judged["pattern"] == pattern], []
        for method in methods:
            name = PLAIN.get(method, paper.title(method)).replace("\n", " ")
            found = [
                f"{one.model} {100 * one.change:+.1f}".replace(" -", " −")
                for one in some[some["method"] == method].itertuples()
            ]
            said += [f"{name}: {', '.join(found)}"] if found else []
        parts += [f"At {paper.sparsity(pattern)} {'; '.join(said) or 'nothing was run'}."]
    return " ".join(parts)
