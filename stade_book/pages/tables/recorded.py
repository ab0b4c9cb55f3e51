"""The paper's claims on real models: the rules of the runs, applied to records computed earlier.

Nothing here is computed in a build, and no rule is another one than for the models of a build.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

import pandas
from IPython.display import HTML

from stade_book.claims import accuracy, layers, paper, perplexity, verdicts
from stade_book.claims.scorecard import RULES
from stade_book.claims.verdicts import OPEN, PRINTED, RECORDS, RUNS, Verdict
from stade_book.pages import html
from stade_book.pages.tables import earlier, guessed
from stade_book.pages.tables.layers import of_real_models
from stade_book.studies import nudges

HEADS = {
    RECORDS: "real models, computed earlier",
    RUNS: "models of this build",
    PRINTED: "the paper's own tables",
}
LAYERS = "table2_layer_types"
NUDGED = "no larger than what a nudge alone may do"
GUESSED = "without the tasks that the model can only guess"
OVERVIEW = (
    "How many comparisons support each claim (✓), leave it open (○) and contradict it (✗), "
    "with the lowest and the highest effect: the change of perplexity from the method that "
    "the claim expects to lose (negative supports it); in the rows on accuracy a difference "
    "in points, for MLP layers the way up from the attention layers (positive supports it); "
    "at 90 % the ratio to the unpruned model."
)
COUNTED = re.compile(r"supported ([\d,]+), open ([\d,]+), contradicted ([\d,]+) of [\d,]+")
IN_SIGNS = "✓\N{NO-BREAK SPACE}\\1 ○\N{NO-BREAK SPACE}\\2 ✗\N{NO-BREAK SPACE}\\3"


def of_methods(claims: Sequence[paper.Claim], scope: str = "layer") -> list[Verdict]:
    """Claims on methods, as in `paper.TEXT_CLAIMS`, by the cells that real models have records of.

    scope: among what magnitude takes its share, see `earlier.frame`. No verdict on a claim of the
    paper's that no real model is of, and none at all without records. Where no comparison that is
    decided is larger than a nudge alone may do (`studies.nudges`), the note says so.
    """
    claims = [c for c in claims if (c.id, RECORDS) in RULES or (c.id, RUNS) not in RULES]
    if not claims or not (names := _there()):
        return []
    judged = verdicts.judge(earlier.frame(names, scope=scope), claims)
    found = verdicts.of_records(perplexity.decide(claims, judged))
    return _nudged(found, judged)


def of_equal_parameters() -> list[Verdict]:
    """Sec. 3.4's equal numbers of parameters, by the records that there are."""
    if not (names := _there()):
        return []
    ran = earlier.frame(names)
    found = verdicts.of_records([perplexity.of_equal_parameters(ran)])
    return _nudged(found, verdicts.judge(ran, [paper.EQUAL_PARAMETERS]))


def _nudged(found: list[Verdict], judged: pandas.DataFrame) -> list[Verdict]:
    """With a note where all comparisons that decide are no larger than what a nudge may do."""
    decided = judged[judged["counts"].astype(bool) & (judged["verdict"] != OPEN)]
    sized = nudges.beyond(decided, nudges.spread(nudges.recorded(earlier.real())))
    within = sized[~sized["beyond"].astype(bool)]["id"].value_counts()
    every = decided["id"].value_counts()
    alone = {name for name in within.index if within[name] == every[name]}
    return [one.noted(NUDGED) if one.id in alone else one for one in found]


def gains() -> str:
    """STADE's gain on each real model, log(Wanda / STADE), as `claims.perplexity.gains` has it.

    At the paper's patterns. No verdict on distilled models: two that differ in much else decide
    nothing.
    """
    if not (names := _there()):
        return ""
    ran = earlier.frame(names)
    patterns = {pattern for claim in paper.TEXT_CLAIMS[3] for pattern in claim.patterns}
    found = perplexity.gains(ran[ran["pattern"].isin(patterns)])
    return ", ".join(f"{model} {gain:+.3f}" for model, gain in found.items()).replace(" -", " −")


def of_layers() -> list[Verdict]:
    """Sec. 4.1 on layer types, by the records in which one type is pruned by both metrics."""
    if not _there(by_layer=True):
        return []
    return verdicts.of_records(layers.decide(of_real_models()))


def of_answers() -> list[Verdict]:
    """Sec. 4.4 on zero-shot tasks, by what real models have answered to the official questions.

    The note has the count without the tasks on which they can only guess (`guessed`), too.
    """
    answered = earlier.answered(earlier.real())
    if answered.empty:
        return []
    found, rest = _answered(answered), guessed.without(answered)
    if len(rest):
        counts = [other.count._replace(note="") for other in _answered(rest)]
        notes = (f"{GUESSED}: {count}" if count.total else "" for count in counts)
        found = [one.noted(note) for one, note in zip(found, notes, strict=True)]
    return verdicts.of_records(found)


def _answered(answered: pandas.DataFrame) -> list[Verdict]:
    patterns = [one for one in answered["pattern"].unique() if one != paper.DENSE]
    above = accuracy.above(answered, accuracy.RIVALS, accuracy.nm(patterns))
    return list(accuracy.decide(above, accuracy.follows(answered, patterns)))


def _there(by_layer: bool = False) -> list[str]:
    return [name for name in earlier.real() if earlier.has(name, by_layer=by_layer)]


def overview(found: Iterable[Verdict]) -> HTML:
    """What the opening page shows: every claim that real models decide, beside the other evidence.

    found: from `claims.scorecard.collected`. Each claim leads to its page.
    """
    known = {(one.id, one.by): one for one in found}
    names = [name for name, by in known if by == RECORDS]
    names.sort(key=lambda name: RULES[name, RECORDS].page == LAYERS)  # methods, then their layers
    rows = []
    for name in names:
        cells = (_cell(known.get((name, by)), head) for by, head in HEADS.items())
        rows.append(f"<tr>{_claim(known[name, RECORDS])}{''.join(cells)}</tr>")
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in ("claim", *HEADS.values()))
    return HTML(
        f'<table class="table overview"><caption>{escape(html.unbroken(OVERVIEW))}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _claim(verdict: Verdict) -> str:
    known = paper.claims().set_index("id")["where"]
    page = f"notebooks/{RULES[verdict.id, RECORDS].page}.html"
    link = f'<a href="{page}">{escape(html.unbroken(verdict.claim))}</a>'
    return f'<th scope="row">{link} <small>{escape(known[verdict.id])}</small></th>'


def _cell(verdict: Verdict | None, head: str) -> str:
    """A verdict in few words: "mixed", "✓ 1 ○ 1 ✗ 4", "−8.5 to +12.9 %", and what it rests on.

    Of two rivals each is counted by itself: one may decide and the other not.
    """
    if verdict is None:
        return "<td></td>"
    count = verdict.count
    rivals = [part for part in count.note.split("; ") if " < " in part]
    counts = rivals or ([f"{count._replace(note='')}"] if count.total else [])
    lines = [f"<strong>{escape(verdict.word)}</strong>"]
    lines += [escape(html.unbroken(COUNTED.sub(IN_SIGNS, line))) for line in counts]
    alone = verdict.by == RECORDS and count.total and "," not in verdict.where
    small = [f"on {verdict.where} alone"] if alone else []
    small += [part for part in count.note.split("; ") if part.startswith((NUDGED, GUESSED))]
    small = [html.unbroken(COUNTED.sub(IN_SIGNS, line)) for line in small]
    lines += [f"<small>{escape(line)}</small>" for line in small]
    return f'<td data-head="{escape(head)}">{" <br>".join(lines)}</td>'
