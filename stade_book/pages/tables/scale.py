"""The paper's tables as work: cells, operations, GPU-hours and bytes, by its models' shapes."""

from collections.abc import Sequence
from dataclasses import replace

import pandas

from stade_book.claims import paper, verdicts
from stade_book.claims.printed import TASK_SIZES
from stade_book.pages.notebooks import Scale
from stade_book.studies import shipped
from stade_nb.engine import arithmetic
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.models import PAPERS_MODELS
from stade_nb.models.shapes import empty, shapes

TABLES = (2, 3, 4, 5, 6)
# Of the seven official zero-shot tasks, each choice of each question: 4, as nearly all questions of
# arc_easy and arc_challenge have, and 2 in these.
OF_TWO = ("boolq", "rte", "winogrande")
REQUESTS = sum(size * (2 if task in OF_TWO else 4) for task, size in TASK_SIZES.items())
# WikiText-2 is counted in windows of so many tokens.
COUNTED_IN = 2048
# A record's seconds and the arithmetic agree where neither is more than this many times the other:
# the clock ran while the machine did other work too, mostly one other process on two cores.
AGREES_WITHIN = 2.0


def cells(number: int, model: str, seeds: Sequence[int] = (0,)) -> list[Cell]:
    """What the paper prints of a model in Table `number`, each cell once for each of the seeds.

    Cells to which a seed means nothing have the first. Table 2 is of LLaMA 7B alone.
    """
    printed = paper.table(number)
    if number == 2:
        rows = printed.itertuples() if model == "llama-7b" else ()
        once = [Cell(row.metric, row.sparsity, row.layer) for row in rows]
    else:
        rows = printed[printed["model"] == model].itertuples()
        once = [
            DENSE if row.method == paper.DENSE else Cell(row.method, row.pattern) for row in rows
        ]
    return [
        replace(cell, seed=seed)
        for cell in once
        for seed in (seeds if cell.depends_on_seed else seeds[:1])
    ]


def setting(number: int, model: str, p: Scale) -> Setting:
    """With what Table `number` runs its cells: C4, and WikiText-2 or the questions of Table 4."""
    shape = shapes()[model]
    length = min(p.window_length, shape.config["max_position_embeddings"])
    windows = shape.evaluation_windows * COUNTED_IN // length
    evaluation = Windows("wikitext2", windows, length)
    if number == 4:
        evaluation = Windows("requests", REQUESTS, p.tokens_per_request)
    return Setting(Windows("c4", p.windows, length), evaluation, None)


def _calibrated(how: Setting) -> Setting:
    return replace(how, evaluation=None)


def work(p: Scale) -> pandas.DataFrame:
    """A row for each table and model that the paper prints.

    Columns table, model, cells, operations (floating-point), hours (of one GPU at `p.share` of
    its rate), gram (the share of the hours that goes into cross products in float64), and the bytes
    of `arithmetic.Bytes`: weights, hidden, device. Table 4 has its models whole on the device, with
    the hidden states of the calibration windows.
    """
    rows = []
    for number in TABLES:
        for model in PAPERS_MODELS:
            asked = cells(number, model, p.seeds)
            if not asked:
                continue
            how, shape = setting(number, model, p), empty(model)
            found = arithmetic.operations(shape, asked, how)
            rate, double = 1e12 * p.teraflops, 1e12 * p.teraflops_float64
            spent = arithmetic.seconds(found, rate, p.share, double)
            alone = arithmetic.seconds(found._replace(gram=0.0), rate, p.share)
            size = arithmetic.memory(shape, asked, how if number != 4 else _calibrated(how))
            # The whole model answers questions, on the device; its dense blocks wait on the host.
            device = size.device if number != 4 else size.weights + size.hidden
            rows.append(
                {
                    "table": number,
                    "model": shapes()[model].title,
                    "cells": len(asked),
                    "operations": found.total,
                    "hours": spent / 3600,
                    "gram": 1 - alone / spent,
                    "weights": size.weights,
                    "hidden": size.hidden,
                    "device": device,
                }
            )
    return pandas.DataFrame(rows)


def totals(found: pandas.DataFrame) -> pandas.DataFrame:
    """`work` summed over the models of each table: cells, operations, hours, and largest bytes."""
    sums = dict.fromkeys(["cells", "operations", "hours"], "sum")
    largest = dict.fromkeys(["weights", "hidden", "device"], "max")
    return found.groupby("table", as_index=False).agg(sums | largest)


def measured(names: Sequence[str]) -> pandas.DataFrame:
    """Of the shipped records of some models: their seconds, and what the arithmetic says of them.

    One number is taken from the records, the rate: the median of operations over seconds over all
    records of a model on a CPU with the same number of threads. predicted: seconds at that rate.
    verdict: on "seconds and arithmetic agree", by `AGREES_WITHIN`. Records without a whole time of
    their own (`shipped.seconds`) are left out.
    """
    rows = []
    for name in names:
        for row in shipped.computed(name):
            if row["device"] != "cpu":  # a GPU that many processes shared says little of its speed
                continue
            if (spent := shipped.seconds(row)) is None:
                continue
            texts = [row[f"{use}_corpus"] for use in ("calibration", "evaluation")]
            windows = [Windows(text["source"], text["windows"], text["length"]) for text in texts]
            cell = shipped.cell_of(row)
            asked = arithmetic.operations(empty(name), [cell], Setting(*windows, None))
            read = windows if cell.needs_calibration else windows[1:]
            rows.append(
                {
                    "model": name,
                    "threads": row["computed"]["threads"],
                    "cell": str(cell),
                    "tokens": sum(w.count * w.length for w in read),
                    "operations": asked.total,
                    "seconds": spent,
                }
            )
    found = pandas.DataFrame(rows)
    rate = (found["operations"] / found["seconds"]).groupby([found["model"], found["threads"]])
    found = found.assign(rate=rate.transform("median"))
    found["predicted"] = found["operations"] / found["rate"]
    found["ratio"] = found["seconds"] / found["predicted"]
    agree = found["ratio"].between(1 / AGREES_WITHIN, AGREES_WITHIN)
    words = {True: verdicts.SUPPORTED, False: verdicts.CONTRADICTED}
    return found.assign(verdict=agree.map(words))
