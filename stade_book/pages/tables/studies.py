"""What the pages beyond the paper run, read and show."""

import math
from collections.abc import Sequence

import pandas

from stade_book.claims import paper
from stade_book.pages import models
from stade_book.pages.notebooks import MaskOrCompensation
from stade_book.pages.tables import earlier, perplexity
from stade_book.studies import ladder
from stade_book.studies import mask_or_compensation as study
from stade_nb.beyond.methods import LADDER, PLACES, RUNGS
from stade_nb.engine import shipped
from stade_nb.engine.cell import DENSE, cells
from stade_nb.models import architectures
from stade_nb.numerics import masks
from stade_nb.numerics.methods import method
from stade_nb.numerics.metrics import METRICS

# Added to each input's variance, a share of their mean: a norm's outputs are not independent.
RIDGE = 1e-6
# Patterns of which the real models have records on many rungs.
STRONG = ("0.5", "2:4", "4:8", "0.7")
PLACED = [f"wanda_bias_{place}" for place in PLACES]
NEWER = [
    *("ria", "ria_with_bias", "symwanda", "nowag", "dsnot"),
    *("sparsegpt", "sparsegpt_without_update", "rose", "greedy", "greedy_with_bias"),
]
SWAPPED = ["dsnot", "dsnot_with_bias"]
WANTED = [*(method for methods in LADDER.values() for method in methods), *SWAPPED]


def run(p: MaskOrCompensation) -> pandas.DataFrame:
    """Every rung of every metric, DSnoT and Wanda corrected by layer type, on `p.models`."""
    asked = [DENSE, *cells([*WANTED, *PLACED], p.patterns, seeds=p.seeds)]
    return perplexity.run(p, asked).assign(text="")


def real(names: Sequence[str]) -> pandas.DataFrame:
    """The records of some models from C4 to WikiText-2, a text for each number of windows.

    Columns as of `run`, text in words, and computed. Empty where there are none.
    """
    rows = []
    for name, label in models.labelled(names).items():
        for row in shipped.rows(name):
            texts = row["calibration_corpus"], row["evaluation_corpus"]
            if tuple(text["source"] for text in texts) == earlier.TEXTS and _of_the_study(row):
                sizes = " → ".join(f"{text['windows']} × {text['length']}" for text in texts)
                rows.append(row | {"model": label, "text": sizes})
    columns = ["model", "method", "pattern", "seed", "losses", "text", "perplexity", "layers"]
    found = pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)
    found = found.sort_values(["model", "text", "pattern", "method"], ignore_index=True)
    found.loc[found["method"] == paper.DENSE, "pattern"] = paper.DENSE
    return found


def _of_the_study(row: dict) -> bool:
    """Whether a record is of all layers, of one of `STRONG`, and competes as its method does."""
    if row["method"] == paper.DENSE:
        return True
    own = method(row["method"]).pattern(row["pattern"]).scope
    return row["layers"] == "all" and row["pattern"] in STRONG and row["scope"] == own


def most(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Of each model the text with most of the ladder's cells: methods are compared on one."""
    parts = []
    for _, rows in ran.groupby("model", sort=False):
        cells_of = rows[rows["method"].isin([*WANTED, *PLACED])].groupby("text").size()
        if len(cells_of):
            parts.append(rows[rows["text"] == cells_of.idxmax()])
    return pandas.concat(parts, ignore_index=True) if parts else ran.iloc[:0]


def missing(ran: pandas.DataFrame, wanted: Sequence[str], patterns: Sequence[str]) -> str:
    """Which of the wanted methods have no record in `ran`, in words; "" where all have one."""
    there = set(zip(ran["method"], ran["pattern"], strict=True))
    lacking = {
        pattern: [paper.title(method) for method in wanted if (method, pattern) not in there]
        for pattern in patterns
    }
    parts = {paper.sparsity(pattern): names for pattern, names in lacking.items() if names}
    return "; ".join(f"{pattern}: {', '.join(names)}" for pattern, names in parts.items())


def grid(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Perplexities by metric and compensation, a row for each model, pattern and metric."""
    placed = study.placed(ran)
    means = placed["losses"].map(lambda losses: math.exp(math.fsum(losses) / len(losses)))
    rows = ["model", "pattern", "metric"]
    wide = placed.assign(perplexity=means).pivot(
        index=rows, columns="compensation", values="perplexity"
    )
    order = pandas.MultiIndex.from_frame(placed[rows].drop_duplicates())
    return wide.reindex(index=order, columns=list(RUNGS)).reset_index()


def shown(perplexity: float) -> str:
    """A perplexity of `grid` for a page; a cell without a record says so."""
    return "no record yet" if math.isnan(perplexity) else f"{perplexity:,.2f}"


def answers(*frames: pandas.DataFrame) -> pandas.DataFrame:
    """`study.answers` of every design, a row for each model, those of all `frames`."""
    rows = [
        answer._asdict()
        for ran in frames
        for name in study.DESIGNS
        for answer in study.answers(study.placed(ran), name)
    ]
    return pandas.DataFrame(rows, columns=study.Answer._fields)


def layer_losses(p: MaskOrCompensation, pattern: str, metric: str = "wanda") -> pandas.DataFrame:
    """The ladder in single layers of `p.models`, unpruned before them, by layer type.

    Shares of the loss without compensation: bias, linear, affine (measured), and the gap between
    linear and affine as the closed form predicts it and as it is measured; share: the median over
    rows of 1/(1 + d²), see `ladder.gap`.
    """
    rows = []
    for label, layers in models.inputs(p, p.seeds[0], gram=True).items():
        for layer in layers:
            moments = layer.moments
            pruned = masks.select(METRICS[metric].score(layer.weight, moments, None), pattern)
            covariance = moments.cross / moments.count
            covariance.diagonal().add_(RIDGE * covariance.diagonal().mean())
            about = layer.weight, pruned, moments.mean, covariance
            made, gap = ladder.measured(*about), ladder.gap(*about)
            rows.append(
                {"model": label, "layer": layer.layer_type, "share": gap.share.median().item()}
                | {rung: value.item() for rung, value in made._asdict().items()}
                | {"predicted": gap.value.sum().item(), "gap": (made.linear - made.affine).item()}
            )
    found = pandas.DataFrame(rows)
    sums = found.groupby(["model", "layer"], sort=False).sum()
    parts = sums[[*RUNGS[1:], "predicted", "gap"]].div(sums["none"], axis=0)
    parts["share"] = found.groupby(["model", "layer"], sort=False)["share"].median()
    order = sorted(parts.index, key=lambda key: (key[0], architectures.place(key[1])))
    return parts.loc[order].reset_index()


def together(*frames: pandas.DataFrame) -> pandas.DataFrame:
    """Frames of one kind one after another, those without a row left out."""
    found = [frame for frame in frames if len(frame)]
    return pandas.concat(found, ignore_index=True) if found else frames[0]


def of_the_bias(ran: pandas.DataFrame) -> str:
    """What the bias alone does to each metric: "Wanda +4.3 to +17.4 %, STD −11.6 to −2.8 %".

    ran: from `real` or `run`. The ends are those of the contexts, a model and pattern each.
    """
    parts, cells = [], study.design(study.placed(ran), study.JUDGED)
    for metric, rows in cells.groupby("metric", sort=False):
        found = study.gains(rows).query("compensation == 'bias'")
        name = paper.title(metric).removesuffix(" metric")
        parts.append(f"{name} {study.span(found['best'].min(), found['worst'].max())}")
    return ", ".join(parts) or "not run"


def by_pattern(found: pandas.DataFrame) -> str:
    """The `reach` of `nudges.spread` by pattern, in words: "0.9 % at 50 %, 2.1 % at 2:4"."""
    parts = [
        f"{100 * row.reach:.1f} % at {paper.sparsity(row.pattern)}" for row in found.itertuples()
    ]
    return ", ".join(parts) or "not run"
