"""The same comparisons on models from small to large, and where their sign turns."""

import json
from collections.abc import Iterable
from typing import NamedTuple

import pandas

from stade_book.claims import paper
from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from stade_book.pages import models
from stade_book.pages.notebooks import SizeLadder
from stade_book.pages.tables import earlier, perplexity
from stade_book.studies import shipped
from stade_nb import paths
from stade_nb.errors import StadeError, unknown
from stade_nb.models import loading, shapes
from stade_nb.models.packaged import packaged_models

METHODS = ("stade", "std", "wanda_with_bias", "std_without_correction", "sparsegpt")
PATTERNS = ("0.5", "2:4")
NOT_RUN = "not run"
PAPER, WEB, DOCUMENTATION = "C4 → WikiText-2", "the web", "documentation"
MEASURED = paths.DATA / "measured.json"  # small real models, of which only records are here


class Rung(NamedTuple):
    """What the ladder knows of a model: its `parameters` in all, and what it `learned` from."""

    parameters: int
    learned: str


def rung(name: str) -> Rung:
    """A model's rung: as a manifest has it, or counted where the model itself is at hand.

    StadeError as `loading.locate` has it. What nobody says of a model is that it learned from the
    web.
    """
    measured = json.loads(MEASURED.read_text("utf-8"))
    if name in measured:
        return Rung(measured[name]["parameters"], measured[name]["learned"])
    if name in packaged_models():
        return Rung(packaged_models()[name].parameters, WEB)
    model = shapes.empty_of(loading.locate(name))
    learned = DOCUMENTATION if name in loading.embedded_models() else WEB
    return Rung(sum(p.numel() for p in model.parameters()), learned)


def run(p: SizeLadder) -> pandas.DataFrame:
    """The ladder's cells of the models `p.models`, computed or read: see `climb` for its columns.

    Besides, all that `perplexity.run` returns.
    """
    ways = [earlier.RIVAL, *METHODS]
    ran = perplexity.run(p, perplexity.cells(ways, list(PATTERNS), "layer", p.seeds))
    known = {label: rung(name) for name, label in models.labelled(p.models).items()}
    texts = (p.calibration, p.evaluation)
    named = {shipped.EMBEDDED: DOCUMENTATION, ("c4", "wikitext2"): PAPER}
    return ran.assign(
        text=named.get(texts, " → ".join(texts)),
        parameters=[known[model].parameters for model in ran["model"]],
        learned=[known[model].learned for model in ran["model"]],
    )


def recorded(names: Iterable[str]) -> pandas.DataFrame:
    """The records of real models, from C4 to WikiText-2, and on the text that a small one knows.

    Rows as `earlier.frame` has them, with the columns that `climb` needs; nothing for a model
    without records. StadeError where none of them has some.
    """
    names = list(names)
    measured, found = json.loads(MEASURED.read_text("utf-8")), []
    for name in names:
        own = measured.get(name, {}).get("texts")
        wanted = {PAPER: earlier.TEXTS}
        if own:
            wanted = {measured[name]["learned"]: tuple(own)} | wanted
        for text, pair in wanted.items():
            if earlier.has(name, pair):
                found.append(earlier.frame([name], pair).assign(text=text, **rung(name)._asdict()))
    if not found:
        raise unknown("model with records", ", ".join(names), shipped.models())
    return pandas.concat(found, ignore_index=True)


def climb(ran: pandas.DataFrame) -> pandas.DataFrame:
    """Each of `METHODS` against Wanda on every model, the smallest model first.

    ran: columns model, parameters, learned, text, method, pattern, seed, losses. The comparisons of
    one model and text share the 95 %. Returns columns parameters, model, text, own (whether the
    text is of the kind that the model learned from), pattern, method, change, low, high, seeds,
    verdict (on "lower than Wanda"); what was not run has no numbers, and the verdict `NOT_RUN`.
    """
    rows = []
    keys = ["model", "parameters", "learned", "text"]
    for (model, parameters, learned, text), cells in ran.groupby(keys, sort=False):
        own = _own(text, learned)
        wanted = cells[cells["method"].isin([*METHODS, earlier.RIVAL, paper.DENSE])]
        judged = earlier.against(wanted[wanted["pattern"].isin([*PATTERNS, paper.DENSE])])
        known = judged.set_index(["pattern", "method"])
        for pattern in PATTERNS:
            for method in METHODS:
                row = {"parameters": parameters, "model": model, "text": text, "own": own}
                row |= {"pattern": pattern, "method": method, "verdict": NOT_RUN}
                if (pattern, method) in known.index:
                    row |= known.loc[(pattern, method)].drop(["model", "claim"]).to_dict()
                rows.append(row)
    columns = "parameters model text own pattern method change low high seeds verdict"
    frame = pandas.DataFrame(rows, columns=columns.split())
    return frame.sort_values(["parameters", "own"], ascending=[True, False], kind="stable",
                             ignore_index=True)  # fmt: skip


def _own(text: str, learned: str) -> bool:
    """Whether a text is of the kind that a model learned from: of the web it is the paper's."""
    return text == learned or (text, learned) == (PAPER, WEB)


def uncounted(ran: pandas.DataFrame) -> str:
    """For the head of a page: which models of a run are drawn and do not count, and why.

    ran: from `run`. One sentence; "" where all of them count.
    """
    texts = {WEB: f"the web, as {PAPER}", DOCUMENTATION: "documentation, as the embedded text"}
    kinds: dict[str, list[str]] = {}
    for row in ran.drop_duplicates("model").itertuples():
        if not _own(row.text, row.learned):
            kinds.setdefault(row.learned, []).append(row.model)
    if not kinds:
        return ""
    names = [name for some in kinds.values() for name in some]
    are = "is drawn but does" if len(names) == 1 else "are drawn but do"
    wanted = "; ".join(f"{texts.get(k, k)} ({', '.join(some)})" for k, some in kinds.items())
    return (
        f"{', '.join(names)} {are} not count where a sign turns or stays: this run's text is "
        f"{ran['text'].iloc[0]}, and a model counts only on the kind that it is taken to have "
        f"learned from: {wanted}."
    )


class Turn(NamedTuple):
    """Where a method's sign turns: see `turn`. sizes in parameters, None where there is none."""

    first: str
    last: int | None
    at: int | None
    word: str


def turn(rungs: pandas.DataFrame) -> Turn:
    """Where the sign of one method's change turns on the way from small to large.

    rungs: rows of `climb` of one method and pattern, each model once. Only models count of which
    the verdict is no open one: the whole interval, and every seed, is on one side of zero. The
    side of the smallest of them is `first` (of `better`, `worse`). The sign turns `at` the first
    model from which on all that count are on the other side, `last` being the largest model
    before. `word`: "turns", "stays" (all on one side), "back and forth" (it changes, and the
    largest is where the smallest was), or "open" (fewer than two models count). StadeError for two
    rungs of one size.
    """
    if rungs["parameters"].duplicated().any():
        raise StadeError("a ladder with two rungs of one size: give each model once")
    sure = rungs[rungs["verdict"].isin([SUPPORTED, CONTRADICTED])].sort_values("parameters")
    words = list(sure["verdict"])
    sides = {SUPPORTED: "better", CONTRADICTED: "worse"}
    first = sides[words[0]] if words else OPEN
    if len(words) < 2:
        return Turn(first, None, None, OPEN)
    if words[-1] == words[0]:
        return Turn(first, None, None, "stays" if len(set(words)) == 1 else "back and forth")
    place = max(n for n, word in enumerate(words) if word == words[0]) + 1
    sizes = list(sure["parameters"])
    return Turn(first, int(sizes[place - 1]), int(sizes[place]), "turns")


def turns(rungs: pandas.DataFrame) -> pandas.DataFrame:
    """`turn` for each pattern and method, on the text of the kind that each model learned from.

    rungs: from `climb`. Columns pattern, method, counted ("7 of 9": models beyond noise), sides (of
    all that were run, the smallest first: − better, + worse, 0 open), small (the side of the
    smallest that counts), turn (in words).
    """
    signs = {SUPPORTED: "−", OPEN: "0", CONTRADICTED: "+"}
    rows = []
    own = rungs[rungs["own"]]
    for (pattern, method), some in own.groupby(["pattern", "method"], sort=False):
        found = turn(some)
        run = some[some["verdict"] != NOT_RUN]
        counted = f"{(run['verdict'] != OPEN).sum()} of {len(run)}"
        words = found.word
        if found.at is not None:
            words = f"turns between {million(found.last)} and {million(found.at)}"
        sides = " ".join(run.sort_values("parameters")["verdict"].map(signs))
        rows.append((pattern, method, counted, sides, found.first, words))
    columns = ["pattern", "method", "counted", "sides", "small", "turn"]
    return pandas.DataFrame(rows, columns=columns)


def layout(rungs: pandas.DataFrame) -> pandas.DataFrame:
    """`climb` as a page shows it: a row for each model, text and pattern, a column for each method.

    A cell is the change of perplexity from Wanda in percent and its interval, and says where that
    leaves the sign open.
    """
    rows: dict[tuple, dict] = {}
    for one in rungs.itertuples():
        key = (one.model, one.text, one.pattern)
        head = {"model": one.model, "parameters": million(one.parameters)}
        head |= {"text": one.text, "sparsity": perplexity.sparsity(one.pattern)}
        words = NOT_RUN
        if one.verdict != NOT_RUN:
            change, low, high = map(percent, (one.change, one.low, one.high))
            words = f"{change} ({low} to {high})" + ", open" * (one.verdict == OPEN)
        rows.setdefault(key, head)[paper.title(one.method)] = words
    return pandas.DataFrame(rows.values())


def in_words(turned: pandas.DataFrame) -> str:
    """What the figure of the ladder shows, for those who do not see it. turned: from `turns`."""
    parts = ["Change of perplexity from Wanda by the size of the model, a line for each method."]
    for pattern, some in turned.groupby("pattern", sort=False):
        said = [f"{paper.title(one.method)}: {one.turn}" for one in some.itertuples()]
        parts += [f"Its sign at {paper.sparsity(pattern)}: {'; '.join(said)}."]
    return " ".join(parts)


def percent(change: float) -> str:
    """A relative change in percent as a page writes it: "+1.9", "−0.4"."""
    return f"{100 * change:+,.1f}".replace("-", "−")


def million(parameters: int) -> str:
    """Parameters as a page writes them: "0.26 M", "135 M"."""
    number = parameters / 1e6
    return f"{number:.0f} M" if number >= 100 else f"{number:.2g} M"
