"""Our values beside those that the paper prints for the same model, by rules fixed before any run.

- match: the two are equal after rounding to the two decimals that the paper prints.
- close: ours, as it is, lies within 2 % of the printed value.
- differs: everything else.
- Ours is the mean over the calibration seeds; which seed the printed value has is not known.
- Where text, number or length of the windows are not those of the paper's protocol, nothing is
  compared: the values answer different questions.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pandas

from stade_nb.claims import paper, printed, verdicts
from stade_nb.claims.verdicts import CONTRADICTED, RUNS, SUPPORTED, Verdict
from stade_nb.models import protocol
from stade_nb.models.architectures import ORDER

MATCH, CLOSE, DIFFERS, APART = "match", "close", "differs", "not compared"
DECIMALS = 2
WITHIN = 0.02
WINDOWS, LENGTH = 128, 2048
FORMATS = {"printed": "{:.2f}", "ours": "{:.2f}", "difference": "{:+.1%}"}


def verdict(ours: float, printed: float) -> str:
    """Match, close or differs, by the rules at the head of this file."""
    if f"{ours:.{DECIMALS}f}" == f"{printed:.{DECIMALS}f}":
        return MATCH
    return CLOSE if abs(ours - printed) <= WITHIN * abs(printed) else DIFFERS


def departures(p: SimpleNamespace) -> list[str]:
    """In what a notebook's parameters depart from Section 4's protocol, in words; often nothing."""

    def is_text(source: str, known: dict[str, protocol.HubFile]) -> bool:
        ((name, hub),) = known.items()
        path = Path(source).expanduser()
        return source == name or path.name == Path(hub.file).name or (path / hub.file).is_file()

    found = []
    if not is_text(p.calibration, protocol.CALIBRATION):
        found.append(f"calibrated on {p.calibration}, not C4")
    if not is_text(p.evaluation, protocol.EVALUATION):
        found.append(f"evaluated on {p.evaluation}, not WikiText-2")
    if p.windows != WINDOWS:
        found.append(f"{p.windows} calibration windows, not {WINDOWS}")
    if p.evaluation_windows is not None:
        found.append(f"{p.evaluation_windows} evaluation windows, not all")
    if p.window_length not in (None, LENGTH):
        found.append(f"windows of {p.window_length} tokens, not {LENGTH}")
    # Only Table 4 has these two.
    asked = getattr(p, "tasks", ["official"])
    if set(asked) not in ({"official"}, set(printed.TASK_SIZES)):
        found.append("other tasks than the paper's seven")
    if getattr(p, "limit", None) is not None:
        found.append(f"{p.limit} questions of each task, not all")
    return found


def beside(
    number: int, ran: pandas.DataFrame, p: SimpleNamespace, value: str = "perplexity"
) -> pandas.DataFrame:
    """Each printed `value` of Table `number` whose cell ran; empty where no model is the paper's.

    ran: from `tables.run`. p: the notebook's checked parameters. Returns columns model, method,
    sparsity, printed, ours, difference (relative), verdict.
    """
    printed = paper.table(number).set_index(["model", "method", "pattern"])[value]
    rows = []
    of_paper = ran.dropna(subset="paper_model")
    keys = ["paper_model", "method", "pattern"]
    for key, ours in of_paper.groupby(keys, sort=False)[value].mean().items():
        if key in printed.index:
            model, method, pattern = key
            head = {"model": model, "method": paper.title(method)}
            rows.append(head | {"sparsity": paper.sparsity(pattern)} | row(ours, printed[key], p))
    return pandas.DataFrame(rows)


def row(ours: float, printed: float, p: SimpleNamespace) -> dict:
    """The last columns of `beside` for one value; p: the notebook's checked parameters."""
    word = APART if departures(p) else verdict(ours, printed)
    return {"printed": printed, "ours": ours, "difference": ours / printed - 1, "verdict": word}


MODEL = "llama-7b"


def beside_layers(ran: pandas.DataFrame, p: SimpleNamespace) -> pandas.DataFrame:
    """Each value of Table 2 whose cells ran, by the rules of `reproduction`; else empty.

    ran: from `layer_types.run`. p: the notebook's checked parameters. Returns columns model, layer,
    metric, sparsity, printed, ours (mean over the seeds), difference (relative), verdict.
    """
    printed = paper.table(2).set_index(["layer", "metric", "sparsity"])["perplexity"]
    own = ran[(ran["paper_model"] == MODEL) & ran["layer"].isin(ORDER)]
    rows = []
    keys = ["layer", "metric", "sparsity"]
    for key, ours in own.groupby(keys, sort=False)["perplexity"].mean().items():
        if key in printed.index:
            layer, metric, sparsity = key
            head = {"model": MODEL, "layer": layer, "metric": paper.title(metric)}
            head["sparsity"] = paper.sparsity(str(sparsity))
            rows.append(head | row(ours, printed[key], p))
    return pandas.DataFrame(rows)


TOKENS = 100  # of training text for a parameter outside the embeddings, at least


def of_models(quality: pandas.DataFrame, records: Sequence[Mapping]) -> Iterator[Verdict]:
    """Are the embedded models trained well enough to say something about pruning?

    quality: `cards.quality` with the column recomputed, the evaluation perplexity measured now.
    records: the models' training records in the same order.
    """
    run = pandas.DataFrame(records, index=quality.index)
    drift = (quality["recomputed"] / quality["evaluation"] - 1).abs()
    for name, true, text in (
        ("tokens", run["tokens_per_parameter"] >= TOKENS, f"at least {TOKENS} tokens a parameter"),
        ("better-than-ngrams", quality["evaluation"] < run["evaluation_ngram_perplexity"],
         "evaluation perplexity below that of 3-grams"),
        ("as-recorded", drift < 1e-3, "evaluation perplexity as recorded, to one in a thousand"),
    ):  # fmt: skip
        count = verdicts.count(true.map({True: SUPPORTED, False: CONTRADICTED}))
        yield Verdict(name, RUNS, "each model", count, ", ".join(quality["model"]), text)
