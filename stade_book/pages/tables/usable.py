"""Where models stay usable: what the page on small shares of weights runs, reads and shows."""

import math
from collections.abc import Sequence

import numpy
import pandas

from stade_book.claims import paper
from stade_book.claims.verdicts import NOT_RUN
from stade_book.pages.notebooks import Methods
from stade_book.pages.tables import earlier, perplexity, real
from stade_book.studies import measured, owl
from stade_nb.numerics.methods import METHODS
from stade_nb.numerics.metrics import Needs

# By how much the perplexity may rise above the dense model's, for `room`.
RISES = (0.05, 0.10, 0.25)
RISE = 0.10  # of the page's sentence


def run(p: Methods) -> pandas.DataFrame:
    """The cells of `p.models` as `perplexity.run` has them, and Wanda's, with which all compare."""
    return perplexity.run_beside(p, [earlier.RIVAL])


def recorded(names: Sequence[str]) -> pandas.DataFrame:
    """`earlier.frame` of those of the models that have records; no rows where none has any."""
    there = [name for name in names if earlier.has(name)]
    columns = ["model", "pattern", "method", "seed", "losses", "perplexity", "relative"]
    return earlier.frame(there) if there else pandas.DataFrame(columns=columns)


def curves(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Perplexity over dense by the share pruned, up to the half, for `plots.audit.sparsity_curves`.

    ran: from `run` or `recorded`. Of several seeds the mean; of each model the methods that were
    run where less than the half goes: a line from there to the unpruned model would be drawn, and
    read, where nothing is known.
    """
    half, usable = real.by_share(ran)
    usable = usable[usable["method"] != paper.DENSE]
    pairs = usable[["model", "method"]].drop_duplicates()
    rows = pandas.concat([usable, half[half["pattern"] == "0.5"].merge(pairs)])
    by = ["model", "method", "pattern"]
    means = rows.groupby(by, sort=False)["relative"].mean().reset_index()
    order = {name: place for place, name in enumerate(rows["model"].unique())}
    return means.sort_values(
        by,
        key=lambda column: column.map(order) if column.name == "model" else column,
        kind="stable",
        ignore_index=True,
    )


def room(drawn: pandas.DataFrame, rises: Sequence[float] = RISES) -> pandas.DataFrame:
    """The share of weights that may go until the perplexity is so much above the dense model's.

    drawn: from `curves`. Read off straight lines between neighbouring cells, of log-perplexity over
    the share, the first at the unpruned model; where a line crosses twice, the first time. Columns
    model, method, last (the largest share that was run) and one for each of `rises`, inf where the
    perplexity has not risen so far at `last`.
    """
    rows = []
    for (model, method), cells_of in drawn.groupby(["model", "method"], sort=False):
        known = sorted(zip(cells_of["pattern"].astype(float), cells_of["relative"], strict=True))
        shares, levels = zip((0.0, 1.0), *known, strict=True)
        found = [_crossing(shares, numpy.log(levels), math.log1p(rise)) for rise in rises]
        rows.append((model, method, shares[-1], *found))
    return pandas.DataFrame(rows, columns=["model", "method", "last", *rises])


def _crossing(shares: Sequence[float], levels: Sequence[float], level: float) -> float:
    """Where a broken line first reaches `level`; inf where it never does."""
    for at, above in enumerate(levels):
        if above >= level:
            before = shares[at - 1], levels[at - 1]
            part = (level - before[1]) / (above - before[1])
            return before[0] + part * (shares[at] - before[0])
    return math.inf


def shown(found: pandas.DataFrame) -> pandas.DataFrame:
    """`room` for a page: "24 %", or "more than 50 %" where more than what was run may go."""
    rises = [name for name in found.columns if name not in ("model", "method", "last")]
    table = found[["model", "method"]].assign(method=found["method"].map(paper.title))
    for rise in rises:
        pairs = zip(found[rise], found["last"], strict=True)
        table[f"+{100 * rise:.0f} %"] = [_share(share, last) for share, last in pairs]
    return table


def _share(share: float, last: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else f"more than {100 * last:.0f} %"


def said(found: pandas.DataFrame, rise: float = RISE) -> str:
    """`room` at one rise in words, the roomiest first: "a: Wanda 25 %, Magnitude 17 %; b: …"."""
    parts = []
    for model, rows in found.groupby("model", sort=False):
        ranked = rows.sort_values(rise, ascending=False, kind="stable")
        each = [
            f"{paper.title(row['method'])} {_share(row[rise], row['last'])}"
            for _, row in ranked.iterrows()
        ]
        parts.append(f"{model}: {', '.join(each)}")
    return "; ".join(parts) or NOT_RUN


def cost(ran: pandas.DataFrame) -> pandas.DataFrame:
    """What pruning a model costs, where most of its records were computed: a row for each method.

    ran: columns as of `earlier.frame`. Without methods that read no text, of which a sweep counts
    the time of what cells share for the first one. Columns model, method, seconds (of pruning one
    model, from the least cell to the most), times (the median ratio to Wanda's cell of the same
    pattern and seed), cells, where (processor, threads, calibration tokens).
    """
    reads = [m != paper.DENSE and METHODS[m].needs != Needs.NOTHING for m in ran["method"]]
    rows = ran[reads].reset_index(drop=True)
    texts = [f"{text['windows']} × {text['length']} tokens" for text in rows["calibration_corpus"]]
    where = [
        f"{made['processor']}, threads: {made['threads']}, {text}"
        for made, text in zip(rows["computed"], texts, strict=True)
    ]
    rows = rows.assign(where=where, prune=[each["prune"] for each in rows["seconds"]])
    rows = rows[rows["where"] == rows.groupby("model")["where"].transform(lambda x: x.mode()[0])]
    keys, found = ["model", "pattern", "seed"], []
    own = rows[rows["method"] == earlier.RIVAL].set_index(keys)["prune"].rename("wanda")
    rows = rows.join(own, on=keys)
    rows["ratio"] = rows["prune"] / rows["wanda"]
    for (model, name, machine), some in rows.groupby(["model", "method", "where"], sort=False):
        ends = dict.fromkeys(f"{some['prune'].agg(end):.1f}" for end in ("min", "max"))
        found.append((model, name, " to ".join(ends), some["ratio"].median(), len(some), machine))
    names = ["model", "method", "seconds", "times", "cells", "where"]
    return pandas.DataFrame(found, columns=names)


def allocation(names: Sequence[str]) -> pandas.DataFrame:
    """The cells of the study of OWL, see `owl.gains`; no rows where none of the models has one."""
    return measured.cells(owl.STUDY, names, "method pattern allocation", owl.COMMAND)
