"""The paper's claims on real models: the rules of the runs, applied to records computed earlier.

Nothing here is computed in a build, and no rule is another one than for the models of a build.
"""

from collections.abc import Iterable, Sequence
from html import escape

import pandas
from IPython.display import HTML

from stade_book.claims import accuracy, layers, paper, perplexity, verdicts
from stade_book.claims.scorecard import RULES
from stade_book.claims.verdicts import PRINTED, RECORDS, RUNS, Count, Verdict
from stade_book.pages import html
from stade_book.pages.tables import earlier
from stade_book.pages.tables.layers import of_real_models

HEADS = {
    RECORDS: "real models, computed earlier",
    RUNS: "models of this build",
    PRINTED: "the paper's own tables",
}
OVERVIEW = (
    "What supports each claim (✓), leaves it open (○) and contradicts it (✗), comparisons counted; "
    "in brackets the smallest and the largest effect."
)


def of_methods(claims: Sequence[paper.Claim], scope: str = "layer") -> list[Verdict]:
    """Claims on methods, `paper.TEXT_CLAIMS`, by all cells that the real models have records of.

    scope: among what magnitude takes its share, see `earlier.frame`. No verdict on a claim that no
    real model is of, and none at all without records.
    """
    claims = [claim for claim in claims if (claim.id, RECORDS) in RULES]
    if not claims or not (names := _there()):
        return []
    judged = verdicts.judge(earlier.frame(names, scope=scope), claims)
    return verdicts.of_records(perplexity.decide(claims, judged))


def of_equal_parameters() -> list[Verdict]:
    """Sec. 3.4's equal numbers of parameters, by the records that there are."""
    if not (names := _there()):
        return []
    return verdicts.of_records([perplexity.of_equal_parameters(earlier.frame(names))])


def of_layers() -> list[Verdict]:
    """Sec. 4.1 on layer types, by the records in which one type is pruned by both metrics."""
    if not _there(by_layer=True):
        return []
    return verdicts.of_records(layers.decide(of_real_models()))


def of_answers() -> list[Verdict]:
    """Sec. 4.4 on zero-shot tasks, by what real models have answered to the official questions."""
    answered = earlier.answered(earlier.real())
    if answered.empty:
        return []
    patterns = [one for one in answered["pattern"].unique() if one != paper.DENSE]
    above = accuracy.above(answered, accuracy.RIVALS, accuracy.nm(patterns))
    return verdicts.of_records(accuracy.decide(above, accuracy.follows(answered, patterns)))


def _there(by_layer: bool = False) -> list[str]:
    return [name for name in earlier.real() if earlier.has(name, by_layer=by_layer)]


def overview(found: Iterable[Verdict]) -> HTML:
    """What the opening page shows: every claim that real models decide, beside the other evidence.

    found: from `claims.scorecard.collected`. Each claim leads to its page.
    """
    known = {(one.id, one.by): one for one in found}
    models = {name for one in known.values() if one.by == RECORDS for name in _models(one)}
    rows, links = [], {}
    for name, by in known:
        if by == RECORDS:
            text, page = known[name, by].claim, f"notebooks/{RULES[name, by].page}.html"
            links[name] = f'<a href="{page}">{escape(html.unbroken(text))}</a>'
            cells = {head: _cell(known.get((name, kind)), models) for kind, head in HEADS.items()}
            rows.append({"claim": name} | cells)
    table = html.table(pandas.DataFrame(rows), caption=OVERVIEW).data
    for name, link in links.items():
        table = table.replace(f"<td>{name}</td>", f"<td>{link}</td>")
    return HTML(table)


def _models(verdict: Verdict) -> list[str]:
    return list(filter(None, verdict.where.split(", ")))


def _cell(verdict: Verdict | None, models: set[str]) -> str:
    """A verdict in few words; of records that not all of `models` have, on which it rests."""
    if verdict is None:
        return ""
    if not verdict.count.total:
        return verdict.word
    few = verdict.by == RECORDS and set(_models(verdict)) < models
    alone = f" ({verdict.where} alone)" if few else ""
    return f"{verdict.word}{alone}: {in_short(verdict.count)}"


def in_short(count: Count) -> str:
    """A count with signs: "✓ 1, ○ 1, ✗ 4 (−8.5 to +12.9 %)"."""
    signs = zip("✓○✗", count[:3], strict=True)
    text = ", ".join(f"{sign}\N{NO-BREAK SPACE}{number:,}" for sign, number in signs)
    return f"{text} {count.ends()}".strip()
