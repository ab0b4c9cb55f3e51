"""What the page on calibration texts shows: the grid, and what its verdicts say in a sentence."""

from collections.abc import Sequence

import pandas

from stade_book.claims import paper, verdicts
from stade_book.claims.verdicts import NOT_RUN, Count, Difference
from stade_book.studies import budget, measured, medians, shipped
from stade_book.studies import calibration_texts as study
from stade_nb.errors import StadeError


def grid(model: str) -> pandas.DataFrame:
    """A model's records of the grid, see `calibration_texts.of_records`; StadeError for none."""
    found = study.of_records(shipped.rows(model))
    if found.empty:
        rows = {name: shipped.rows(name) for name in shipped.models()}
        known = [name for name, some in rows.items() if not study.of_records(some).empty]
        raise StadeError(
            f"no records of the grid of texts of {model!r} in data/results: expected a model with "
            f"some ({', '.join(known) or 'none has any'}); python -m workflow.grid computes them"
        )
    return found


def perplexities(found: pandas.DataFrame) -> pandas.DataFrame:
    """Mean over the seeds: a row for each pattern, evaluated and calibrated text.

    A column for each method after the dense model's, which is the same for all of one evaluated
    text; NaN for what was not run.
    """
    methods = ["dense", *study.METHODS]
    found = found[found["method"].isin(methods)]  # records of corrections in some layers are others
    found = found.assign(
        calibration=pandas.Categorical(found["calibration"], ["", *study.CALIBRATIONS]),
        method=pandas.Categorical(found["method"], methods),
        evaluation=pandas.Categorical(found["evaluation"], list(study.EVALUATIONS)),
    )
    keys = ["pattern", "evaluation", "calibration"]
    mean = found.groupby([*keys, "method"], observed=True)["perplexity"].mean().unstack("method")
    dense = mean.pop("dense").dropna().droplevel(["pattern", "calibration"])
    table = mean.dropna(how="all").reset_index().rename_axis(columns=None)
    before = table["evaluation"].map(dense.to_dict()).astype(float)
    table.insert(len(keys), "dense", before)
    return table


def helps(table: pandas.DataFrame) -> Count:
    """Whether the correction lowers the perplexity, counted over rows of `effects`."""
    ends = table[["change", "low", "high"]].itertuples(index=False)
    return verdicts.counted(table.assign(verdict=[verdicts.verdict(Difference(*e)) for e in ends]))


def exceptions(carried: pandas.DataFrame) -> str:
    """Where a correction was not worth more at home: "3 of 4 on C4 (gemma-3-270m)", or "none".

    carried: from `calibration_texts.carried`, with a column `model` beside.
    """
    parts = []
    for (model, text), rows in carried.groupby(["model", "evaluation"], sort=False):
        if against := int((rows["verdict"] != verdicts.SUPPORTED).sum()):
            parts.append(f"{against} of {len(rows)} on {text} ({model})")
    return "; ".join(parts) or "none"


def by_budget(gains: pandas.DataFrame) -> str:
    """Which methods gain from how much text: "Wanda to 65,536 tokens: open (−0.3 %, 1 seed)".

    gains: from `budget.gains`.
    """
    parts = []
    for row in gains.itertuples():
        number = int(row.seeds.rpartition(" ")[2])
        seeds = f"{number} seed{'s' * (number > 1)}"
        change = f"{100 * row.change:+.1f} %".replace("-", "−")
        tokens = f"{row.most * budget.LENGTH:,}"
        title = paper.title(row.method)
        parts.append(f"{title} to {tokens} tokens: {row.verdict} ({change}, {seeds})")
    return "; ".join(parts) or verdicts.NOT_RUN


def shares(distances: pandas.DataFrame) -> pandas.DataFrame:
    """What a correction misses on the same text, on another and from random tokens, by layer type.

    distances: from `text_means.by_layer_type`. The median over the pairs of texts of `missed`.
    """
    kinds = {True: "same text", False: "another text"}
    where = (distances["calibration"] == distances["evaluation"]).map(kinds)
    where = where.mask(distances["calibration"] == study.NO_TEXT, study.NO_TEXT)
    by = distances.assign(where=pandas.Categorical(where, [*kinds.values(), study.NO_TEXT]))
    by = by.groupby(["layer_type", "where"], sort=False, observed=True)["missed"].median()
    order = list(dict.fromkeys(distances["layer_type"]))
    return by.unstack("where").loc[order].rename_axis(columns=None).reset_index()


def missing(found: pandas.DataFrame) -> int:
    """How many records of the whole grid there are not yet, one seed of each cell."""
    cells = len(study.CALIBRATIONS) * len(study.METHODS) * len(study.PATTERNS)
    there = found[found["method"].isin(study.METHODS)]
    keys = ["calibration", "evaluation", "method", "pattern"]
    return cells * len(study.EVALUATIONS) - len(there[keys].drop_duplicates())


def successes(outcome: pandas.DataFrame) -> str:
    """Of each candidate on each model: "no success, lower than both in 9 of 26 cells", and so on.

    outcome: columns as of `helpful.success`, model, and what (the candidate in words).
    """
    parts = [
        f"{row.model}, {row.what}: {'success' if row.success else 'no success'}, "
        f"lower than both in {row.lower} of {row.cells} cells"
        for row in outcome.itertuples()
        if row.cells
    ]
    return "; ".join(parts) or NOT_RUN


def than_wanda(outcome: pandas.DataFrame) -> str:
    """In how many cells of `medians.outcome` there is a gain beside none: "11 of 11 (one)"."""
    rows = outcome.itertuples()
    return (
        ", ".join(f"{row.than_wanda} of {row.cells} cells ({row.model})" for row in rows) or NOT_RUN
    )


def medians_time(names: Sequence[str]) -> str:
    """How long Wanda and a bias of medians take together: "smollm2-135m 1.4 times Wanda's time"."""
    rows = medians.times(names).itertuples()
    return ", ".join(f"{row.model} {row.times:.1f} times Wanda's time" for row in rows) or NOT_RUN


def medians_made(names: Sequence[str]) -> str:
    """With what the study of medians was measured, in one line a model."""
    lines = []
    for name in names:
        if name not in measured.there(medians.STUDY, [name]):
            lines.append(f"{name}: no record yet; {medians.COMMAND} --model {name} measures it")
            continue
        record = measured.of(medians.STUDY, name, medians.COMMAND)
        windows, length = record["windows"]
        days = sorted({cell["computed"]["date"] for cell in record["cells"]})
        by = sorted({cell["computed"]["processor"] for cell in record["cells"]})
        lines.append(
            f"{name}: {len(record['cells'])} pruned models, {windows} × {length} tokens of each "
            f"text, {', '.join(by)}, {' to '.join(dict.fromkeys([days[0], days[-1]]))}, record "
            f"{record['record'][:12]}"
        )
    return "\n".join(lines)
