"""Cells that were computed earlier, as frames: what a page shows of models that take hours."""

from collections.abc import Sequence

import pandas

from stade_nb.claims import paper, verdicts
from stade_nb.engine import shipped
from stade_nb.errors import StadeError
from stade_nb.models import loading
from stade_nb.numerics.methods import METHODS
from stade_nb.pages import models

# The texts of the paper's protocol as the records name them: C4, and WikiText-2's test set.
TEXTS = ("c4_documents.txt", "wiki.test.raw")
RIVAL = "wanda"


def frame(names: Sequence[str], texts: tuple[str, str] = TEXTS) -> pandas.DataFrame:
    """The records of some models, calibrated on the first text and evaluated on the second.

    Of the paper's methods, and of a model's windows those of most evaluation tokens: the studies
    have records of other methods, and of fewer windows.

    Returns columns as `perplexity.run` does, and computed (date, threads, processor). StadeError
    where there are no such records.
    """
    rows = []
    for name, label in models.labelled(names).items():
        about = {"model": label, "family": loading.architecture(name), "paper_model": None}
        rows += [
            row | about
            for row in shipped.rows(name)
            if (row["calibration_corpus"]["source"], row["evaluation_corpus"]["source"]) == texts
            or (row["method"] == paper.DENSE and row["evaluation_corpus"]["source"] == texts[1])
        ]
    if not rows:
        raise StadeError(
            f"no records of {', '.join(names)} from {texts[0]} to {texts[1]} in data/results: "
            f"expected models with some ({', '.join(shipped.models())})"
        )
    found = pandas.DataFrame(rows)
    found = found[found["method"].isin([paper.DENSE, *METHODS])]
    tokens = found["evaluation_corpus"].map(lambda corpus: corpus["windows"] * corpus["length"])
    found = found[tokens == tokens.groupby(found["model"]).transform("max")]
    found.loc[found["method"] == paper.DENSE, "pattern"] = paper.DENSE
    place = found["method"].map([paper.DENSE, *METHODS].index)
    dense = found["method"] != paper.DENSE
    found = found.assign(dense=dense, place=place)
    found = found.sort_values(["model", "dense", "pattern", "place", "seed"], ignore_index=True)
    return paper.with_relative(found.drop(columns=["dense", "place"]))


def against(ran: pandas.DataFrame, other: str = RIVAL) -> pandas.DataFrame:
    """Every method against `other`: "below" by the rules of `verdicts`, all sharing the 95 %.

    ran: from `frame`. Returns what `verdicts.judge` does, and `method`. The word is on "has a lower
    perplexity than `other`".
    """
    patterns = tuple(p for p in ran["pattern"].unique() if p != paper.DENSE)
    methods = [m for m in ran["method"].unique() if m not in (paper.DENSE, other)]
    claims = [paper.Claim("against", method, other, patterns) for method in methods]
    judged = verdicts.judge(ran, claims)
    titles = {claim.words: claim.below for claim in claims}
    return judged.assign(method=judged["claim"].map(titles))


def how(ran: pandas.DataFrame) -> pandas.DataFrame:
    """With what each model's records were computed: a row for each model, day and machine.

    Columns model, cells, tokens of calibration and of evaluation, date, device, threads, versions,
    minutes (of pruning and evaluating, together).
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
        minutes = sum(row.seconds.values()) / 60
        rows.append((row.model, *sizes, made["date"], device, made["threads"], versions, minutes))
    columns = ["model", "calibration", "evaluation", "date", "device", "threads", "versions"]
    table = pandas.DataFrame(rows, columns=[*columns, "minutes"])
    return table.groupby(columns, sort=False)["minutes"].agg(["count", "sum"]).reset_index()
