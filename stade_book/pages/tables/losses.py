"""What the pages on layers' losses and inputs run, and what they read of real models."""

import math
from collections.abc import Sequence

import pandas

from stade_book.claims import pairing, paper
from stade_book.claims.verdicts import NOT_RUN, OPEN
from stade_book.pages import models
from stade_book.pages.notebooks import LayerInputs, LayerLosses
from stade_book.pages.tables import earlier, layers, perplexity
from stade_book.studies import (
    centred_inputs,
    first_tokens,
    ladder,
    layer_inputs,
    layer_losses,
    layer_types,
    means,
    measured,
    nudges,
    outliers,
    owl,
    shipped,
)
from stade_nb.engine.cell import Cell, cells
from stade_nb.models import loading
from stade_nb.models.token_ids import window_length
from stade_nb.models.windows import calibration_windows

COMMAND = "python -m workflow.layers"
COMMANDS = {
    layer_inputs.STUDY: COMMAND,
    outliers.STUDY: "python -m workflow.outliers",
    owl.STUDY: owl.COMMAND,
    nudges.STUDY: nudges.COMMAND,
    first_tokens.STUDY: first_tokens.COMMAND,
    ladder.STUDY: ladder.COMMAND,
    means.STUDY: means.COMMAND,
}


def run(p: LayerLosses) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Loss and perplexity of `p.models`' cells, and their records, computed in this build."""
    asked = cells(layer_losses.RANKED, p.patterns)
    ran = perplexity.run(p, asked)
    labels = models.labelled(p.models)
    parts = [
        layer_losses.losses(_long(label, *_read(p, name, asked))) for name, label in labels.items()
    ]
    return layer_losses.beside(pandas.concat(parts, ignore_index=True), ran), ran


def real(names: Sequence[str]) -> pandas.DataFrame:
    """The same of models with records, whose cells were computed earlier; empty where none has."""
    parts = [pandas.DataFrame(columns=[*layer_losses.CELL, "loss", "perplexity"])]
    for name in measured.there(layer_inputs.STUDY, names):
        record = measured.of(layer_inputs.STUDY, name, COMMAND)
        loss = layer_losses.losses(_long(name, record["cells"], record["errors"]))
        parts.append(layer_losses.beside(loss, pandas.DataFrame(_protocol(name))))
    return pandas.concat([one for one in parts if len(one)] or parts, ignore_index=True)


def real_types(names: Sequence[str]) -> pandas.DataFrame:
    """The cells of single layer types of models with records, see `layer_types.beside`."""
    parts = [pandas.DataFrame(columns=[*layer_types.CELL, "loss", "perplexity"])]
    for name in measured.there(layer_inputs.STUDY, names):
        record = measured.of(layer_inputs.STUDY, name, COMMAND)
        if earlier.has(name, by_layer=True):
            ran = earlier.frame([name], by_layer=True)
            table = _long(name, record["cells"], record["errors"])
            parts.append(layer_types.beside(table, ran))
    return pandas.concat([one for one in parts if len(one)] or parts, ignore_index=True)


def _protocol(name: str) -> list[dict]:
    """A model's cells of all layers on the paper's texts, of the windows that most cells have."""
    rows = [
        row
        for row in shipped.rows(name)
        if shipped.sources(row) == earlier.TEXTS and row["layers"] == "all"
    ]
    size = pandas.Series([str((r["calibration_corpus"], r["evaluation_corpus"])) for r in rows])
    return [row for row, own in zip(rows, size, strict=True) if own == size.mode()[0]]


def _read(p: LayerInputs, name: str, asked: Sequence[Cell]) -> tuple[list[Cell], list, list]:
    """The cells, and of each block its inputs and the cells' losses, see `layer_inputs`."""
    model, tokenizer = loading.load(name, p.device, p.dtype)
    length = window_length(model, p.window_length)
    ids = calibration_windows(p.calibration, tokenizer, p.windows, length, p.seeds[0])
    found = list(layer_inputs.by_block(model, ids.to(model.device), asked, p.batch_size))
    return list(asked), [inputs for inputs, _ in found], [errors for _, errors in found]


def _long(model: str, asked: Sequence, *blocks: list) -> pandas.DataFrame:
    """`layer_losses.long` of cells or of what a record says of them; the last are the errors."""
    named = [
        (c.method.name, c.pattern_name, c.pattern.scope) if isinstance(c, Cell) else tuple(c)
        for c in asked
    ]
    return layer_losses.long(model, named, blocks[-1])


def entering(p: LayerInputs) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """What enters the layers, and what pairs of methods lose there, of all models of a page.

    Those of `p.real_models` that have a record come first; of `p.models` both are computed here.
    """
    inputs, lost = [], []
    pairs = sorted({method for pair in centred_inputs.PAIRS.values() for method in pair})
    for name in measured.there(layer_inputs.STUDY, p.real_models):
        record = measured.of(layer_inputs.STUDY, name, COMMAND)
        inputs.append(centred_inputs.described(name, record["inputs"], record["shares"]))
        table = _long(name, record["cells"], record["errors"])
        lost.append(table[table["pattern"].isin(p.patterns) & table["method"].isin(pairs)])
    for name, label in models.labelled(p.models).items():
        asked, read, errors = _read(p, name, cells(pairs, p.patterns))
        inputs.append(centred_inputs.described(label, read, layer_inputs.SHARES))
        lost.append(_long(label, asked, errors))
    return pandas.concat(inputs, ignore_index=True), pandas.concat(lost, ignore_index=True)


def by_type(inputs: pandas.DataFrame) -> pandas.DataFrame:
    """The medians over blocks of what enters each layer type, and how often it is centred."""
    means = {name: (name, "median") for name in ("ratio", "high", "kurtosis", "tail")}
    keys = ["model", "layer_type", "place"]
    found = inputs.groupby(keys, sort=False).agg(measured=("measured", "mean"), **means)
    return found.reset_index()


def without_first(inputs: pandas.DataFrame) -> pandas.DataFrame:
    """The medians by layer type with all tokens and without each window's first."""
    names = ["ratio", "ratio_rest", "kurtosis", "kurtosis_rest", "tail", "tail_rest"]
    return inputs.groupby(["model", "layer_type"], sort=False)[names].median().reset_index()


def values(names: Sequence[str]) -> pandas.DataFrame:
    """The norm of a value vector at a window's first token and at others, block by block."""
    rows = []
    for name in measured.there(layer_inputs.STUDY, names):
        record = measured.of(layer_inputs.STUDY, name, COMMAND)
        for block, kinds in enumerate(record["inputs"]):
            first, others = next(kind["values"] for kind in kinds.values() if "values" in kind)
            rows.append((name, block, first, others, first / others))
    return pandas.DataFrame(rows, columns=["model", "block", "first", "others", "ratio"])


def outlying(names: Sequence[str], pattern: str) -> pandas.DataFrame:
    """`outliers.layers` of the models that have a record at `pattern`; no rows where none has."""
    parts = [pandas.DataFrame(columns=outliers.COLUMNS)]
    for name in measured.there(outliers.STUDY, names):
        record = measured.of(outliers.STUDY, name, COMMANDS[outliers.STUDY])
        if any(asked == pattern for _, asked in record["cells"]):
            parts.append(outliers.layers(record, pattern))
    return pandas.concat([one for one in parts if len(one)] or parts, ignore_index=True)


def outlying_by_type(found: pandas.DataFrame, pattern: str) -> pandas.DataFrame:
    """`outliers.by_type`, and what the mask of STD costs where only that layer type is pruned.

    found: from `outlying`. perplexity: its change from Wanda's mask to STD's, nothing corrected,
    mean over the calibration seeds that both have; none where it was not run.
    """
    by = ["model", "layer_type"]
    ran = layers.columns(earlier.frame(earlier.real(), by_layer=True))
    ran = ran[ran["pattern"] == pattern].rename(columns={"layer": "layer_type"})
    masks = ["std_without_correction", "wanda"]
    ran = pairing.common(ran[ran["method"].isin(masks)], by)
    means = ran.groupby([*by, "method"])["perplexity"].mean().unstack()
    means = means.reindex(columns=masks)
    change = means["std_without_correction"] / means["wanda"] - 1
    return outliers.by_type(found).join(change.rename("perplexity"), on=by)


def choices(inputs: pandas.DataFrame, lost: pandas.DataFrame, pattern: str) -> pandas.DataFrame:
    """`centred_inputs.choices` of every model, at one pattern."""
    return _each(centred_inputs.choices, inputs, lost, pattern)


def explained(inputs: pandas.DataFrame, lost: pandas.DataFrame, pattern: str) -> pandas.DataFrame:
    """`centred_inputs.explained` of every model, a column for each statistic."""
    found = _each(centred_inputs.explained, inputs, lost, pattern)
    return found.pivot(index="model", columns="statistic", values="rho").reindex(
        index=dict.fromkeys(inputs["model"]), columns=list(centred_inputs.STATISTICS)
    ).reset_index().rename_axis(columns=None)  # fmt: skip


def _each(of, inputs: pandas.DataFrame, lost: pandas.DataFrame, pattern: str) -> pandas.DataFrame:
    parts = [
        of(some, lost[(lost["model"] == name) & (lost["pattern"] == pattern)])
        for name, some in inputs.groupby("model", sort=False)
    ]
    return pandas.concat(parts, ignore_index=True)


def earlier_said(names: Sequence[str], study: str = layer_inputs.STUDY) -> str:
    """With what the records of a study were measured, in one line a model."""
    lines, command = [], COMMANDS[study]
    for name in names:
        if name not in measured.there(study, names):
            lines.append(f"{name}: no record yet; {command} --model {name} measures it")
            continue
        record = measured.of(study, name, command)
        lines.append(f"{name}: {_measured(record)}, record {record['record'][:12]}")
    return "\n".join(lines)


def _measured(record: dict) -> str:
    """On which tokens, by what, when and how long a study was measured, or each of its cells."""
    if "texts" in record:  # it has grown by cells
        calibrated, evaluated, length = record["windows"]
        tokens = f"{calibrated} × {length} tokens of {record['texts'][0]}, evaluated on "
        tokens += f"{evaluated} × {length} of {record['texts'][1]}"
        parts = record["cells"]
    else:
        text, parts = record["text"], [record]
        tokens = f"{text['windows']} × {text['length']} tokens of {text['source']}"
    made = [part.get("computed", record["computed"]) for part in parts]
    by = sorted({f"{one['processor']}, {_threads(one['threads'])}" for one in made})
    days = sorted(one["date"] for one in made)
    when = " to ".join(dict.fromkeys([days[0], days[-1]]))
    seconds = math.fsum(part["seconds"] for part in parts)
    every = {tuple(part.get("versions", record["versions"]).items()) for part in parts}
    versions = (", ".join(map(" ".join, one)) for one in sorted(every))
    return f"{tokens}, {' and '.join(by)}, {when}, {seconds:,.0f} s, {' and '.join(versions)}"


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


def beyond_a_nudge(gained: pandas.DataFrame, names: Sequence[str]) -> str:
    """How many of a study's comparisons at `first_tokens.PATTERN` with a verdict exceed a nudge.

    gained: from `first_tokens.gains`, one calibration seed. Of the models that were nudged:
    "1 of 3 on smollm2-135m are larger than".
    """
    sure = gained[gained["verdict"] != OPEN].assign(pattern=first_tokens.PATTERN, seeds="1 of 1")
    sized = nudges.beyond(sure, nudges.spread(nudges.recorded(names)))
    if sized.empty:
        return NOT_RUN
    models = ", ".join(sized["model"].unique())
    return f"{sized['beyond'].sum()} of {len(sized)} on {models} are larger than"


def titled(found: pandas.DataFrame) -> pandas.DataFrame:
    """A frame of cells with methods and patterns as pages write them."""
    return found.assign(
        method=found["method"].map(paper.title), pattern=found["pattern"].map(paper.sparsity)
    )
