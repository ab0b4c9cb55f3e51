"""Tables of perplexities: the cells that one takes, and what is shown of them."""

from types import SimpleNamespace

import pandas

from stade_nb import model_cards, paper
from stade_nb.cells import DENSE, Cell, Corpus, run_cells
from stade_nb.masks import parse_pattern
from stade_nb.paper import Claim
from stade_nb.profiles import ROOT


def cells(methods: list[str], patterns: list[str], magnitude_scope: str, seed: int) -> list[Cell]:
    """Dense first, then every method at every pattern.

    magnitude_scope: whether a share of the weights is taken from the whole "layer" or from each
    "row" by magnitude; the other metrics compare within rows, N:M within groups.
    """

    def scope(method: str, pattern: str) -> str:
        share = parse_pattern(pattern).m is None
        return magnitude_scope if method == "magnitude" and share else "row"

    pruned = [
        Cell(method, pattern, scope=scope(method, pattern), seed=seed)
        for pattern in patterns
        for method in methods
    ]
    return [DENSE, *pruned]


def run(p: SimpleNamespace) -> pandas.DataFrame:
    """All cells of a table on all its models, computed or read from the records in `results_dir`.

    p: the notebook's checked parameters. A relative `results_dir` begins at the project's root.
    Returns a row for each cell: what `run_cells` returns, with method and pattern "dense" for the
    unpruned model, models by their `labels`, and the column of `paper.with_relative`.
    """
    calibration = Corpus(p.calibration, p.windows, p.window_length)
    evaluation = Corpus(p.evaluation, p.evaluation_windows, p.window_length)
    rows = []
    for name, label in labels(model_cards.names(p.models)).items():
        found = run_cells(
            name,
            cells(p.methods, p.patterns, p.magnitude_scope, p.seed),
            calibration,
            evaluation,
            device=p.device,
            dtype=p.dtype,
            results_dir=ROOT / p.results_dir,
            batch_size=p.batch_size,
            progress=True,
        )
        rows += [cell | {"model": label} for cell in found]
    ran = pandas.DataFrame(rows)
    ran.loc[ran["method"] == paper.DENSE, "pattern"] = paper.DENSE
    return paper.with_relative(ran)


def labels(names: list[str]) -> dict[str, str]:
    """Names for a page: the last part of a path or hub id, or all of it where that is taken."""
    short = [name.rstrip("/").rpartition("/")[2] for name in names]
    return {name: s if short.count(s) == 1 else name for name, s in zip(names, short, strict=True)}


def sparsity(pattern: str) -> str:
    """A pattern as the paper prints it: 0 %, 50 % or 2:4."""
    parsed = parse_pattern("0" if pattern == paper.DENSE else pattern)
    return f"{100 * parsed.sparsity:.3g} %" if parsed.m is None else pattern


def layout(frame: pandas.DataFrame, value: str = "perplexity") -> pandas.DataFrame:
    """A column as the paper lays it out: method, sparsity, and then one column for each model."""
    rows: dict[tuple[str, str], dict] = {}
    columns = ["method", "pattern", "model", value]
    for method, pattern, model, number in frame[columns].itertuples(index=False):
        head = {"method": paper.title(method), "sparsity": sparsity(pattern)}
        rows.setdefault((method, pattern), head)[model] = number
    return pandas.DataFrame(rows.values())


def printed(number: int, methods: list[str], patterns: list[str]) -> pandas.DataFrame:
    """Table `number` of the paper, the rows that `methods` and `patterns` name, in our order."""
    rows = paper.with_relative(paper.table(number))
    wanted = rows[rows["method"].isin(methods) | (rows["method"] == paper.DENSE)]
    order = {pattern: place for place, pattern in enumerate([paper.DENSE, *patterns])}
    return wanted[wanted["pattern"].isin(order)].sort_values(
        "pattern", key=lambda found: found.map(order), kind="stable"
    )


def orders(number: int, claims: list[Claim], judged: pandas.DataFrame) -> pandas.DataFrame:
    """The paper's printed orders of methods; for each of our models, the change and the verdict.

    claims: from `paper.printed_orders`. judged: `verdicts.judge` on them.
    """
    rows = []
    for claim in claims:
        (pattern,) = claim.patterns
        lower, equal, higher = paper.printed_counts(number, claim.below, claim.above, pattern)
        row = {
            "sparsity": sparsity(pattern),
            "printed order": claim.words,
            "in": f"{lower} of {lower + equal + higher}",
        }
        found = judged[(judged["pattern"] == pattern) & (judged["claim"] == claim.words)]
        for model, change, word in found[["model", "change", "verdict"]].itertuples(index=False):
            row[model] = f"{100 * change:+.1f} %: {word.partition(' (')[0]}".replace("-", "−")
        rows.append(row)
    return pandas.DataFrame(rows)


def facts(p: SimpleNamespace, ran: pandas.DataFrame) -> dict:
    """What the page's provenance says of a table's run."""

    def hashes(column: str) -> str:
        found = ran.dropna(subset=column).drop_duplicates(["model", column])
        return ", ".join(
            f"{m} {h[:12]}" for m, h in zip(found["model"], found[column], strict=True)
        )

    length = p.window_length or "the model's own number of"
    return {
        "models": hashes("fingerprint"),
        "calibration": f"{p.calibration}, {p.windows} windows of {length} tokens, seed {p.seed}",
        "calibration tokens": hashes("calibration"),
        "evaluation": f"{p.evaluation}, {p.evaluation_windows or 'all'} windows of {length} tokens",
        "evaluation tokens": hashes("evaluation"),
        "dtype": p.dtype,
        "seconds of computing": f"{sum(sum(s.values()) for s in ran['seconds']):.0f}",
        "device": p.device,
    }
