"""The plots of the zero-shot page."""

import pandas
from matplotlib.figure import Figure

from stade_nb.claims import paper
from stade_nb.pages.plots.perplexity import BLACK, METHOD_STYLE, VERDICT_STYLE, _axes


def accuracies(ran: pandas.DataFrame, guess: float, patterns: dict[str, str]) -> Figure:
    """Mean accuracies with 95 % intervals, one panel for each pattern, models side by side.

    ran: columns model, method, pattern, accuracy, error. guess: what guessing gets. patterns:
    pattern -> heading.
    """
    figure, panels = _axes(3.6, columns=len(patterns), sharey=True, squeeze=False)
    models = list(dict.fromkeys(ran["model"]))
    methods = [m for m in METHOD_STYLE if m in set(ran["method"])]
    ways = {paper.DENSE: (BLACK, "_"), **{m: METHOD_STYLE[m] for m in methods}}
    for axes, (pattern, heading) in zip(panels[0], patterns.items(), strict=True):
        for place, (way, (colour, marker)) in enumerate(ways.items()):
            rows = ran[(ran["method"] == way) & ran["pattern"].isin([pattern, paper.DENSE])]
            rows = rows.groupby("model", sort=False)[["accuracy", "error"]].mean()
            x = [models.index(m) + 0.16 * (place - (len(ways) - 1) / 2) for m in rows.index]
            axes.errorbar(
                x, 100 * rows["accuracy"], 196 * rows["error"], fmt=marker, color=colour,
                elinewidth=1.2, markersize=6, label=paper.title(way),
            )  # fmt: skip
        axes.axhline(100 * guess, color=BLACK, linestyle=":", linewidth=1, label="guessing")
        axes.set_xticks(
            range(len(models)), models, rotation=40, ha="right", rotation_mode="anchor", fontsize=8
        )
        axes.set(title=heading, xlim=(-0.6, len(models) - 0.4))
        axes.grid(axis="x", visible=False)
    panels[0][0].set_ylabel("mean accuracy, %")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def differences(judged: pandas.DataFrame, patterns: dict[str, str]) -> Figure:
    """Differences of mean accuracies with their intervals, coloured and marked by verdict.

    judged: columns pattern, model, ours, other, change, low, high, verdict; a panel for each
    (ours, other).
    """
    pairs = list(dict.fromkeys(zip(judged["ours"], judged["other"], strict=True)))
    most = int(judged.groupby(["ours", "other"]).size().max())
    figure, panels = _axes(
        1.1 + 0.27 * most, columns=len(pairs), sharex=True, sharey=True, squeeze=False
    )
    for axes, (ours, other) in zip(panels[0], pairs, strict=True):
        rows = judged[(judged["ours"] == ours) & (judged["other"] == other)]
        for height, row in enumerate(rows.itertuples()):
            colour, marker = VERDICT_STYLE[row.verdict]
            axes.plot([100 * row.low, 100 * row.high], [height] * 2, color=colour, linewidth=1.6)
            axes.plot(100 * row.change, height, marker, color=colour)
        axes.axvline(0, color=BLACK, linewidth=1)
        names = [f"{patterns[row.pattern]}  {row.model}" for row in rows.itertuples()]
        axes.set_yticks(range(len(rows)), names)
        axes.set(ylim=(most - 0.4, -0.6), xlabel="difference of mean accuracy, points")
        axes.set_title(f"{paper.title(ours)} − {paper.title(other)}", fontsize=10)
    for word, (colour, marker) in VERDICT_STYLE.items():
        panels[0][0].plot([], [], marker, color=colour, label=word)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
