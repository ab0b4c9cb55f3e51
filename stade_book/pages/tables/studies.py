"""What the pages beyond the paper run, read and show."""

import math
from collections.abc import Sequence

import pandas

from stade_book.claims import paper
from stade_book.claims.verdicts import CONTRADICTED, NOT_RUN, OPEN, SUPPORTED
from stade_book.pages import models
from stade_book.pages.notebooks import MaskOrCompensation
from stade_book.pages.tables import earlier, perplexity
from stade_book.pages.tables.ladder import percent
from stade_book.studies import calibration_texts, ladder, measured, nudges, shares, shipped
from stade_book.studies import mask_or_compensation as study
from stade_nb.beyond.methods import LADDER, PLACES, RUNGS
from stade_nb.engine.cell import DENSE, cells
from stade_nb.models import architectures
from stade_nb.numerics.methods import method

# Patterns of which the real models have records on many rungs.
STRONG = ("0.5", "2:4", "4:8", "0.7")
PLACED = [f"wanda_bias_{place}" for place in PLACES]
SWAPPED = ["dsnot", "dsnot_with_bias"]
SIGNS = {SUPPORTED: "✓", OPEN: "○", CONTRADICTED: "✗"}
ON_TEXTS = "real models, other texts;\nwith or without bias"
# The factors of a variance, in the order of their lines.
FACTORS = {
    "model": "model",
    "evaluation": "evaluation text",
    "calibration": "calibration text",
    "text": "texts",
    "pattern": "pattern",
    study.TOGETHER: "these together",
    "metric": "which weights go",
    "compensation": "what is done about them",
    "metric × compensation": "these two together",
    shares.RESIDUAL: "the rest",
}
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
    order = {label: place for place, label in enumerate(models.labelled(names).values())}
    found = found.sort_values(
        ["model", "text", "pattern", "method"],
        key=lambda column: column.map(order) if column.name == "model" else column,
        ignore_index=True,
    )
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
        for answer in study.answers(study.placed(ran, name), name)
    ]
    return pandas.DataFrame(rows, columns=study.Answer._fields)


def explained(real: pandas.DataFrame, ran: pandas.DataFrame) -> dict[str, pandas.DataFrame]:
    """Shares of the variance of log-perplexity by heading, see `mask_or_compensation.explained`.

    real, ran: from `real` and `run`; of the models in `real` their grids of texts as well. A design
    without a full context is left out.
    """
    designs = {"real models": most(real), "small models": ran}
    found = {
        heading: study.explained(cells)
        for heading, frame in designs.items()
        if len(cells := study.design(study.placed(frame, study.JUDGED), study.JUDGED))
    }
    grids = [
        calibration_texts.of_records(shipped.rows(name)).assign(model=name)
        for name in real["model"].unique()
    ]
    on_texts = study.on_texts(pandas.concat(grids)) if grids else ()
    if len(on_texts):
        of_texts = study.explained(on_texts, study.TEXTS, ["model", "evaluation"])
        found[ON_TEXTS] = of_texts
    return found


def parts(found: pandas.DataFrame | None, *terms: str) -> str:
    """Shares of a variance in words: "pattern 66 %, which weights go 0.5 %"; see `explained`."""
    if found is None:
        return NOT_RUN
    share = 100 * found.set_index("term")["share"]
    return ", ".join(f"{FACTORS[term]} {share[term]:.2g} %" for term in terms if term in share)


def by_place(judged: pandas.DataFrame, nudged: pandas.DataFrame) -> pandas.DataFrame:
    """What the correction does in each place alone: a row for each model and pattern.

    judged: from `study.against` of `PLACED` and Wanda + bias. nudged: from `nudges.spread`. A cell
    is the change of perplexity and the verdict's sign, see `SIGNS`, in brackets where a nudge may
    do as much; "" where nothing was run.
    """
    whole = "wanda_with_bias"
    places = {name: paper.title(name).removeprefix(f"{paper.title(whole)} in ") for name in PLACED}
    titles = places | {whole: "all layers"}
    sized = nudges.beyond(judged, nudged)
    keys = ["model", "pattern", "below"]
    small = set(sized.loc[~sized["beyond"].astype(bool), keys].itertuples(index=False, name=None))
    cells = []
    for row in judged.itertuples():
        sign = SIGNS[row.verdict]
        if row.verdict != OPEN and (row.model, row.pattern, row.below) in small:
            sign = f"({sign})"
        cells.append(f"{percent(row.change)} % {sign}".replace(" ", "\N{NO-BREAK SPACE}"))
    rows = pandas.MultiIndex.from_frame(judged[["model", "pattern"]].drop_duplicates())
    wide = judged.assign(cell=cells).pivot(
        index=["model", "pattern"], columns="below", values="cell"
    )
    there = [method for method in titles if method in wide]
    shown = wide.loc[rows, there].fillna("").rename(columns=titles)
    return shown.rename_axis(columns=None).reset_index()


def layer_losses(p: MaskOrCompensation) -> pandas.DataFrame:
    """The ladder in single layers by layer type: recorded for `p.real_models`, then `p.models` now.

    All of it is of models with nothing pruned before a layer. Columns model, layer; shares of the
    loss without compensation: bias, linear, affine (measured), and the gap between linear and
    affine as the closed form predicts it and as it is measured; share: the median over rows of
    1/(1 + d²), see `ladder.gap`.
    """
    rows = []
    for name in measured.there(ladder.STUDY, p.real_models):
        record = measured.of(ladder.STUDY, name, ladder.COMMAND)
        rows += [layer | {"model": name} for layer in record["layers"]]
    for label, layers in models.inputs(p, p.seeds[0], gram=True).items():
        for one in layers:
            found = ladder.of_layer(one.weight, one.moments, ladder.PATTERN)
            rows.append(found | {"model": label, "layer_type": one.layer_type})
    found = pandas.DataFrame(rows).rename(columns={"layer_type": "layer"})
    found["gap"] = found["linear"] - found["affine"]
    by = found.groupby(["model", "layer"], sort=False)
    sums = by.sum(numeric_only=True)
    parts = sums[[*RUNGS[1:], "predicted", "gap"]].div(sums["none"], axis=0)
    parts["share"] = by["share"].median()
    order = {model: at for at, model in enumerate(dict.fromkeys(found["model"]))}
    place = sorted(parts.index, key=lambda key: (order[key[0]], architectures.place(key[1])))
    return parts.loc[place].reset_index()


def worth(losses: pandas.DataFrame) -> str:
    """What a bias is worth after a linear refit, by model: "llama-390k 0.6 to 4.7 %, …".

    losses: from `layer_losses`; over layer types, in percent of the loss without compensation.
    """
    ends = losses.groupby("model", sort=False)["gap"].agg(["min", "max"]).mul(100)
    return ", ".join(f"{model} {low:.2g} to {high:.2g} %" for model, low, high in ends.itertuples())


def together(*frames: pandas.DataFrame) -> pandas.DataFrame:
    """Frames of one kind one after another, those without a row left out."""
    found = [frame for frame in frames if len(frame)]
    return pandas.concat(found, ignore_index=True) if found else frames[0]


def bias_by_metric(ran: pandas.DataFrame) -> dict[str, str]:
    """What the bias alone does to each metric: {"Wanda": "+4.3 to +17.4 %", …}.

    ran: from `real` or `run`. The ends are those of the contexts, a model and pattern each.
    """
    parts, cells = {}, study.design(study.placed(ran, study.OWN), study.OWN)
    for metric, rows in cells.groupby("metric", sort=False):
        found = study.gains(rows).query("compensation == 'bias'")
        name = paper.title(metric).removesuffix(" metric")
        parts[name] = study.span(found["best"].min(), found["worst"].max())
    return parts


def of_the_bias(ran: pandas.DataFrame) -> str:
    """`bias_by_metric` in words: "Wanda +4.3 to +17.4 %, STD −11.6 to −2.8 %"."""
    return ", ".join(map(" ".join, bias_by_metric(ran).items())) or "not run"


def by_pattern(found: pandas.DataFrame) -> str:
    """The `reach` of `nudges.spread` by pattern, in words: "0.9 % at 50 %, 2.1 % at 2:4"."""
    parts = [
        f"{100 * row.reach:.1f} % at {paper.sparsity(row.pattern)}" for row in found.itertuples()
    ]
    return ", ".join(parts) or "not run"
