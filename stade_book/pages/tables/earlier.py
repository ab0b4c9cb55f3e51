"""Cells that were computed earlier, as frames: what a page shows of models that take hours."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import expm1
from statistics import fmean

import pandas

from stade_book.claims import pairing, paper, verdicts
from stade_book.studies import budget, shipped
from stade_book.studies.measured import TEXTS
from stade_nb.errors import StadeError
from stade_nb.models.packaged import packaged_models
from stade_nb.numerics.bias import KEPT
from stade_nb.numerics.methods import METHODS

RIVAL = "wanda"


def real() -> list[str]:
    """The real pretrained models that have records, the smallest first."""
    known = packaged_models()
    there = [name for name in shipped.models() if name in known]
    return sorted(there, key=lambda name: known[name].parameters)


def has(name: str, texts: tuple[str, str] = TEXTS, by_layer: bool = False) -> bool:
    """Whether a model has records of pruned cells that `frame` would show."""
    return any(row["method"] != paper.DENSE for row in _of(name, texts, by_layer))


def frame(
    names: Sequence[str],
    texts: tuple[str, str] = TEXTS,
    scope: str = "layer",
    by_layer: bool = False,
) -> pandas.DataFrame:
    """The records of some models, calibrated on the first text and evaluated on the second.

    Of the paper's methods: the studies have records of others. scope: among what magnitude takes
    its share, as Table 3's "layer" or within each "row". by_layer: the cells in which one layer
    type is pruned instead of those of all layers. Of a model's windows those of most evaluated
    tokens, over all cells. Returns columns as `perplexity.run` does, and computed (date, threads,
    processor). StadeError where there are no such records.
    """
    found = [row for name in names for row in _one_size(_of(name, texts, by_layer))]
    found = [row for row in found if _competes(row, scope)]
    if not found:
        kind = "of single layer types " if by_layer else ""
        known = [name for name in shipped.models() if has(name, texts, by_layer)]
        raise StadeError(
            f"no records {kind}of {', '.join(names) or 'any model'} from {texts[0]} to {texts[1]} "
            f"in data/results: expected models with some ({', '.join(known) or 'none has any'})"
        )
    rows = pandas.DataFrame(found).assign(paper_model=None, family="")
    rows.loc[rows["method"] == paper.DENSE, "pattern"] = paper.DENSE
    rows = rows.assign(
        order=rows["model"].map(list(names).index),
        dense=rows["method"] != paper.DENSE,
        place=rows["method"].map([paper.DENSE, *METHODS].index),
        types=rows["layers"].map(str),
    )
    rows = rows.drop_duplicates(["model", "method", "pattern", "seed", "types"])
    by = ["order", "dense", "pattern", "place", "seed"]
    rows = rows.sort_values(by, kind="stable", ignore_index=True)
    return paper.with_relative(rows.drop(columns=["order", "dense", "place", "types"]))


def _of(name: str, texts: tuple[str, str], by_layer: bool) -> list[dict]:
    """A model's cells of these texts; a dense one reads no calibration text."""
    return [
        row
        for row in shipped.rows(name)
        if row["method"] in (paper.DENSE, *METHODS)
        if shipped.sources(row) == texts
        or (row["method"] == paper.DENSE and shipped.sources(row)[1] == texts[1])
        if row["method"] == paper.DENSE or (row["layers"] != "all") == by_layer
    ]


def _one_size(rows: list[dict]) -> list[dict]:
    """The rows whose windows have the most evaluated tokens, of all pruned cells together.

    With them the dense one of the same text.
    """

    def text(row: dict) -> tuple:
        corpus = row["evaluation_corpus"]
        return row["evaluation"], corpus["windows"], corpus["length"]

    def size(row: dict) -> tuple:
        return (
            row["calibration_corpus"]["windows"],
            row["calibration_corpus"]["length"],
            text(row),
        )

    evaluated: Counter = Counter()
    for row in rows:
        if row["method"] != paper.DENSE:
            evaluated[size(row)] += len(row["losses"]) * (row["evaluation_corpus"]["length"] or 1)
    if not evaluated:
        return []
    wanted = max(evaluated, key=lambda one: (evaluated[one], str(one)))
    pruned = [row for row in rows if row["method"] != paper.DENSE and size(row) == wanted]
    dense = [row for row in rows if row["method"] == paper.DENSE and text(row) == wanted[2]]
    return dense[:1] + pruned


def _competes(row: dict, scope: str) -> bool:
    share = ":" not in row["pattern"]
    return row["method"] != "magnitude" or not share or row["scope"] == scope


def against(ran: pandas.DataFrame, other: str = RIVAL) -> pandas.DataFrame:
    """Every method against `other`: "below" by the rules of `verdicts`, all sharing the 95 %.

    ran: from `frame`, or as `perplexity.run` has it. Two methods are compared with the calibration
    seeds that both have. Returns columns model, pattern, method, claim, change (of perplexity,
    relative), low, high, seeds, verdict (on "has a lower perplexity than `other`").
    """
    rows, pairs = [], _pairs(ran, other)
    for *about, mine, yours in pairs:
        gap, seeds, word = verdicts.compared(mine, yours, len(pairs))
        claim = f"{paper.title(about[2])} < {paper.title(other)}"
        rows.append((*about, claim, *map(expm1, gap), seeds, word))
    columns = "model pattern method claim change low high seeds verdict"
    return pandas.DataFrame(rows, columns=columns.split())


def _pairs(ran: pandas.DataFrame, other: str) -> list[tuple]:
    """(model, pattern, method, its losses by seed, those of `other`) of each comparison."""
    pruned = ran[ran["method"] != paper.DENSE]
    losses, pairs = pairing.by_seed(pruned, ["model", "pattern", "method"]), []
    for (model, pattern, method), ours in losses.items():
        theirs = losses.get((model, pattern, other), {})
        both = pairing.shared(ours, theirs, (method, other))
        if method != other and all(both):
            pairs.append((model, pattern, method, *both))
    return pairs


TOGETHER = 4  # neighbouring windows that `doubts` counts as one


def doubts(ran: pandas.DataFrame, judged: pandas.DataFrame) -> dict[str, str]:
    """What two stricter looks leave of `judged`, from `against`: neither was a rule beforehand.

    seeds: by the second rule of `budget`, which adds the spread between seeds to the interval, how
    many comparisons with several seeds stand out; seeds_stade: of STADE's which side how many are
    on. neighbours: how many of the verdicts an interval leaves open that counts `TOGETHER`
    neighbouring windows as one, as these are not independent.
    """
    strict = budget.against(_pairs(ran, RIVAL))
    own = strict[strict["method"] == "stade"]
    lower, higher = (
        (own["believed"] & side).sum() for side in (own["change"] < 0, own["change"] > 0)
    )
    blocks = against(ran.assign(losses=ran["losses"].map(_blocks)))
    sure = (judged["verdict"] != verdicts.OPEN).to_numpy()
    lost = sure & (blocks["verdict"] != judged["verdict"]).to_numpy()
    return {
        "seeds": f"{strict['believed'].sum()} of {len(strict)}",
        "seeds_stade": f"lower in {lower}, higher in {higher} of {len(own)}",
        "neighbours": f"{lost.sum()} of {sure.sum()}",
    }


def _blocks(losses: list[float]) -> list[float]:
    """The means of neighbouring windows; what is left at the end is a block as well."""
    return [fmean(losses[at : at + TOGETHER]) for at in range(0, len(losses), TOGETHER)]


def by_length(names: Sequence[str]) -> pandas.DataFrame:
    """The cells at 50 % with the same numbers of tokens, in windows of several lengths.

    Of each length that has Wanda's cell and STADE's, the methods that all have, the first seed; no
    rows for a model with one length. Returns the columns of `against`, and length and perplexity;
    Wanda's own rows have no change.
    """
    parts = [pandas.DataFrame(columns=["model", "length", "method", "perplexity", "verdict"])]
    for name in names:
        rows = [row for row in _of(name, TEXTS, False) if row["pattern"] == "0.5"]
        tokens = {_tokens(row) for row in _one_size(rows) if row["method"] != paper.DENSE}
        same = [row for row in rows if row["seed"] == 0 and _tokens(row) in tokens]
        by: dict[int, dict] = {}
        for row in same:
            by.setdefault(row["evaluation_corpus"]["length"], {})[row["method"]] = row
        by = {length: rows for length, rows in sorted(by.items()) if {RIVAL, "stade"} <= set(rows)}
        shared = set.intersection(*map(set, by.values())) if len(by) > 1 else set()
        for length, rows in by.items() if shared else ():
            ran = pandas.DataFrame([rows[method] for method in METHODS if method in shared])
            levels = ran[["model", "method", "pattern", "perplexity"]]
            judged = levels.merge(against(ran), "left", on=["model", "method", "pattern"])
            parts.append(judged.assign(length=length))
    return pandas.concat(parts, ignore_index=True)


def _tokens(row: dict) -> tuple[int, ...]:
    corpora = row["calibration_corpus"], row["evaluation_corpus"]
    return tuple(corpus["windows"] * corpus["length"] for corpus in corpora)


def answered(names: Sequence[str]) -> pandas.DataFrame:
    """What real models answered to zero-shot tasks, as `claims.accuracy` compares it.

    Of a model the tasks that all its ways were asked, with the same questions, and biases kept; at
    a pattern the seeds that its methods share.
    Returns columns model, method, pattern, seed, losses (of the same cell's evaluated windows) and
    answers (by task, for each question 0 or 1).
    """
    rows = []
    for name in names:
        losses = {_way(row): row["losses"] for row in shipped.rows(name) if row["layers"] == "all"}
        ways: dict[tuple, dict] = {}
        for row in shipped.answers(name):
            if row["biases"] == KEPT and _way(row) in losses:
                task = row["task"], row["questions"]
                ways.setdefault(_way(row), {})[task] = row["correct"]
        shared = set.intersection(*map(set, ways.values())) if ways else set()
        for way, answers in ways.items() if shared else ():
            method, pattern, seed, *_ = way
            pattern = paper.DENSE if method == paper.DENSE else pattern
            common = {task[0]: answers[task] for task in sorted(shared)}
            rows.append((name, method, pattern, seed, losses[way], common))
    columns = ["model", "method", "pattern", "seed", "losses", "answers"]
    return pairing.common(pandas.DataFrame(rows, columns=columns), ["model", "pattern"])


def _way(row: dict) -> tuple:
    """What a cell's losses and its answers have in common."""
    names = ("method", "pattern", "seed", "scope", "calibration")
    return *(row[name] for name in names), str(row["evaluation_corpus"])


def how(ran: pandas.DataFrame) -> pandas.DataFrame:
    """With what each model's records were computed: a row for each model, day and machine.

    Columns model, calibration and evaluation (windows × tokens), date, device, threads, versions,
    cells, seconds (of pruning and evaluating, together).
    """
    rows = []
    for row in ran.itertuples():
        sizes = [
            f"{corpus['windows']} × {corpus['length']}"
            for corpus in (row.calibration_corpus, row.evaluation_corpus)
        ]
        versions = ", ".join(f"{name} {number}" for name, number in row.versions.items())
        made = row.computed
        device = f"{row.device} ({made['processor']})"
        when = made["date"], device, made["threads"], versions
        rows.append((row.model, *sizes, *when, total(row.seconds)))
    columns = ["model", "calibration", "evaluation", "date", "device", "threads", "versions"]
    table = pandas.DataFrame(rows, columns=[*columns, "seconds"])
    counted = table.groupby(columns, sort=False)["seconds"].agg(["count", "sum"]).reset_index()
    return counted.rename(columns={"count": "cells", "sum": "seconds"})


def how_of(names: Sequence[str], keys: Iterable[str]) -> pandas.DataFrame:
    """`how` of those records of some models whose keys are given."""
    wanted = set(keys)
    rows = [row for name in names for row in shipped.rows(name) if row["record"] in wanted]
    return how(pandas.DataFrame(rows))


def total(seconds: dict[str, float] | float) -> float:
    """Seconds of a cell by what was done, or of a zero-shot task, as one number."""
    return sum(seconds.values()) if isinstance(seconds, dict) else seconds
