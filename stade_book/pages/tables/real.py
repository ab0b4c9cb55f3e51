"""The real models at the head of a page: their records beside each other, and what has none."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas
from IPython.display import HTML

from stade_book.claims import paper, verdicts
from stade_book.pages import html
from stade_book.pages.tables import accuracy, dated, earlier, ladder, layers, perplexity
from stade_book.studies import mask_or_compensation, shipped
from stade_nb import paths
from stade_nb.evaluation import harness
from stade_nb.models import packaged
from stade_nb.numerics.masks import parse_pattern

ALL = "Perplexity on WikiText-2, and its change from Wanda with the interval."
ONE_TYPE = "perplexity on WikiText-2 with one layer type pruned."
ANSWERED = "Right answers, % ± standard error, of so many questions."
MEAN = "mean of the tasks"
APART = "The difference of mean accuracies over the tasks, from paired answers, with interval."
SWEEP = (
    ".venv/bin/python -m stade_nb sweep --model {model} --methods {methods} "
    "--patterns {patterns}{more} --calibration c4_documents.txt --nsamples 32 "
    "--evaluation wiki.test.raw --evaluation-windows 64 --window-length 512"
)


def counted(ran: pandas.DataFrame, below: str, above: str) -> str:
    """In how many cells of `ran` one method's perplexity is below another's, as verdicts count."""
    judged = mask_or_compensation.against(ran, [(below, above)])
    return str(verdicts.counted(judged)) or verdicts.NOT_RUN


def table(
    methods: Sequence[str], patterns: Sequence[str], scope: str = "layer", names: list | None = None
) -> HTML:
    """Tables 3, 5 and 6 of the real models: perplexity, and the change from Wanda, judged.

    names: of the models, those of `earlier.real` if None. Where a cell has no record it says so,
    and below it what computes it. All comparisons of the block share the 95 %.
    """
    names = earlier.real() if names is None else names
    wanted = _wanted(methods, patterns, scope, names)
    if not set(wanted["method"]) - {paper.DENSE}:
        return dated.nothing(_command(methods, patterns, (names or ["smollm2-135m"])[0]))
    judged = earlier.against(wanted).set_index(["model", "pattern", "method"])
    cells = wanted.groupby(["model", "pattern", "method"])["perplexity"].agg(list)
    rows, missing = [], []
    for pattern, method in _asked(methods, patterns):
        row = {"method": paper.title(method), "sparsity": perplexity.sparsity(pattern)}
        for name in names:
            key = (name, pattern, method)
            row[name] = _written(cells[key], judged, key) if key in cells.index else ladder.NOT_RUN
            missing += [key] * (key not in cells.index)
        rows.append(row)
    lines = [
        _command(
            dict.fromkeys(m for n, _, m in missing if n == name),
            dict.fromkeys(p for n, p, _ in missing if n == name and p != paper.DENSE) or ["0.5"],
            name,
        )
        for name in dict.fromkeys(n for n, _, _ in missing)
    ]
    return dated.block(wanted, [html.table(pandas.DataFrame(rows), caption=ALL)], lines)


def against(
    methods: Sequence[str], patterns: Sequence[str], scope: str = "layer"
) -> pandas.DataFrame:
    """The comparisons with Wanda that `table` shows, as `earlier.against` has them."""
    return earlier.against(_wanted(methods, patterns, scope, earlier.real()))


def _wanted(
    methods: Sequence[str], patterns: Sequence[str], scope: str, names: list[str]
) -> pandas.DataFrame:
    if not any(earlier.has(name) for name in names):
        return pandas.DataFrame(columns=["model", "pattern", "method", "seed", "losses"])
    ran = earlier.frame(names, scope=scope)
    asked = ran["method"].isin([paper.DENSE, earlier.RIVAL, *methods])
    return ran[asked & ran["pattern"].isin([paper.DENSE, *patterns])]


def _asked(methods: Iterable[str], patterns: Iterable[str]) -> list[tuple[str, str]]:
    """(pattern, method) in the order of a page's own table; Wanda is what the others change."""
    ways = list(dict.fromkeys([earlier.RIVAL, *methods]))
    return [(paper.DENSE, paper.DENSE), *((p, m) for p in patterns for m in ways)]


def _written(numbers: list[float], judged: pandas.DataFrame, key: tuple) -> str:
    text = f"{perplexity.over_seeds(numbers):,.2f}"
    if key not in judged.index:
        return text
    found = judged.loc[key]
    change, low, high = (ladder.percent(found[name]) for name in ("change", "low", "high"))
    return f"{text}: {change} % ({low} to {high}), {WORDS[found['verdict']]}"


# On "has a lower perplexity than Wanda".
WORDS = {"supported": "lower", "open": "open", "contradicted": "higher"}


def by_layer(types: Callable[[str], list[str]], sparsities: Sequence[str]) -> HTML:
    """Table 2 and Fig. 1 of the real models: one layer type at a time, by both metrics.

    types: which layer types of a model, by its name.
    """
    parts, used = [], []
    for name in earlier.real():
        if not earlier.has(name, by_layer=True):
            continue
        ran = layers.columns(earlier.frame([name], by_layer=True))
        shown = ran["layer"].isin([paper.DENSE, *types(name)])
        ran = ran[shown & ran["pattern"].isin([paper.DENSE, *sparsities])]
        if set(ran["layer"]) - {paper.DENSE}:
            laid = layers.layout(ran, name)
            forms = dict.fromkeys(laid.columns[3:], number)
            head = {"layer": layers.heading(ran, name)}
            parts.append(html.table(laid, forms, head, f"{name}: {ONE_TYPE}"))
            used.append(ran)
    if not used:
        name = (earlier.real() or ["smollm2-135m"])[0]
        return dated.nothing(
            _command(layers.METRICS, sparsities, name, f" --layers {','.join(types(name))}")
        )
    return dated.block(pandas.concat(used), parts, [])


def number(value: object) -> str:
    """A perplexity, with its spread over seeds; a cell without one was not run."""
    return ladder.NOT_RUN if value != value else f"{value:,.2f}"  # only NaN differs from itself


def zero_shot(methods: Sequence[str], patterns: Sequence[str]) -> HTML:
    """Table 4 of the real models: accuracy ± standard error in percent, with its questions.

    Below it STADE against Wanda, where a model was asked the same by both.
    """
    rows, used = {}, {}
    for name in earlier.real():
        for row in sorted(shipped.answers(name), key=accuracy.place):
            pattern = paper.DENSE if row["method"] == paper.DENSE else row["pattern"]
            if row["method"] in (paper.DENSE, *methods) and pattern in (paper.DENSE, *patterns):
                key = (name, row["method"], pattern, row["seed"], row["biases"])
                head = dict(
                    zip(["model", "method", "sparsity", "seed", "biases"], key, strict=True)
                )
                head |= {"method": paper.title(row["method"])}
                head |= {"sparsity": perplexity.sparsity(pattern), MEAN: ladder.NOT_RUN}
                found = rows.setdefault(key, head)
                written = accuracy.percent(row["accuracy"], row["standard_error"])
                found[row["task"]] = f"{written} of {row['count']:,}"
                used.setdefault(key, []).append(row | {"pattern": pattern})
    if not used:
        name = (earlier.real() or ["smollm2-135m"])[0]
        return dated.nothing(
            f"papermill notebooks/table4_zero_shot.ipynb mine.ipynb -p models {name} "
            "-p tasks official -p calibration c4_documents.txt -p windows 32 "
            "-p evaluation wiki.test.raw -p evaluation_windows 64 -p window_length 512"
        )
    for key, answers in used.items():  # a mean over fewer tasks is not comparable
        if len(answers) == max(map(len, used.values())):
            rows[key][MEAN] = accuracy.percent(*harness.mean(answers))
    parts = [html.table(pandas.DataFrame(rows.values()).fillna(ladder.NOT_RUN), caption=ANSWERED)]
    if len(apart := accuracy.real_above(patterns)):
        parts.append(html.table(apart, {"questions": "{:,}"}, caption=APART))
    return dated.block(pandas.DataFrame([row for some in used.values() for row in some]), parts, [])


def by_share(ran: pandas.DataFrame) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """The cells of the paper's patterns, 50 % and N:M, and those of smaller shares.

    The dense ones are in both. The second is empty where nothing less was pruned. Where more was
    pruned is left to the study of compensations: at 70 % a model's perplexity is in the thousands.
    """
    dense = ran["pattern"] == paper.DENSE
    share = ran["pattern"].mask(dense, "0").map(lambda one: parse_pattern(one).sparsity)
    mild = ~dense & (share < 0.5)
    return ran[dense | (share == 0.5)], ran[mild | dense] if mild.any() else ran.iloc[:0]


def change(value: float) -> str:
    """A relative change as a table has it, "+2.1%"; nothing of what is not compared."""
    return "" if value != value else f"{value:+,.1%}".replace("-", "−")


def _command(methods: Iterable[str], patterns: Iterable[str], model: str, more: str = "") -> str:
    asked = {"methods": ",".join(methods), "patterns": ",".join(patterns), "more": more}
    return SWEEP.format(model=model, **asked)


def texts_in(given: str | None) -> Path | None:
    """The folder of texts that are no part of the project; None where nobody names one.

    given: a page's parameter; where it is None, what the environment's STADE_NB_TEXTS says.
    """
    return Path(given).expanduser() if given else paths.TEXTS


def at_hand(row: dict | None, texts: Path | None) -> bool:
    """Whether a record's model and texts are here, so that its cell can be computed again."""
    if row is None or not shipped.are_here(shipped.sources(row), texts):
        return False
    return packaged.is_here(row["model"])


def opening(ran: pandas.DataFrame, judged: pandas.DataFrame) -> dict[str, str]:
    """What the opening page says of the real models, as text: models, sizes, and methods.

    ran, judged: from `earlier.frame` and `earlier.against`. Each method of the ladder has a text
    under its name: how often it is lower than Wanda, open and higher; or that it is not run.
    """
    known = packaged.packaged_models()
    names = list(dict.fromkeys(ran["model"]))
    titles = [known[name].title if name in known else name for name in names]
    counts = [ladder.million(ladder.rung(name).parameters) for name in names]
    sized = [f"{title} ({count})" for title, count in zip(titles, counts, strict=True)]
    others = [model.title for name, model in known.items() if name not in names]
    drawn = ran[ran["method"].isin(ladder.METHODS)].groupby(["model", "method", "pattern"])["seed"]
    seeds = sorted(set(drawn.nunique()))
    found = {
        "models": " and ".join(sized),
        "missing": " and ".join(others) or "none",
        "seeds": " to ".join(map(str, dict.fromkeys([seeds[0], seeds[-1]]))),
        "calibrated": _tokens(ran["calibration_corpus"]),
        "evaluated": _tokens(ran["evaluation_corpus"]),
    }
    for method in ladder.METHODS:
        rows = judged[judged["method"] == method]
        words = [list(rows["verdict"]).count(word) for word in WORDS]
        text = ", ".join(f"{w} in {n}" for w, n in zip(WORDS.values(), words, strict=True))
        ends = map(ladder.percent, rows["change"].agg(["min", "max"]))
        text += f" of {len(rows)} ({' to '.join(dict.fromkeys(ends))} %)"
        found[method] = text if len(rows) else ladder.NOT_RUN
    return found


def _tokens(corpora: Iterable[dict]) -> str:
    """How many tokens these windows have, "16,384"; several numbers where they differ."""
    sizes = {corpus["windows"] * corpus["length"] for corpus in corpora if corpus}
    return " to ".join(f"{size:,}" for size in dict.fromkeys([min(sizes), max(sizes)]))
