"""The paper's claims on real models: the rules of the runs, applied to records computed earlier.

Nothing here is computed in a build, and no rule is another one than for the models of a build.
"""

from collections.abc import Iterable, Sequence
from html import escape

from IPython.display import HTML

from stade_book.claims import accuracy, layers, paper, perplexity, verdicts
from stade_book.claims.scorecard import RULES
from stade_book.claims.verdicts import PRINTED, RECORDS, RUNS, Verdict
from stade_book.pages import html
from stade_book.pages.tables import earlier
from stade_book.pages.tables.layers import of_real_models

HEADS = {
    RECORDS: "real models, computed earlier",
    RUNS: "models of this build",
    PRINTED: "the paper's own tables",
}
LAYERS = "table2_layer_types"
OVERVIEW = (
    "How many comparisons support each claim (✓), leave it open (○) and contradict it (✗), and the "
    "smallest and the largest effect."
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


def gains() -> str:
    """STADE's gain on each real model, log(Wanda / STADE), as `claims.perplexity.gains` has it.

    No verdict on distilled models: two that differ in much else decide nothing.
    """
    found = perplexity.gains(earlier.frame(names)) if (names := _there()) else {}
    return ", ".join(f"{model} {gain:+.3f}" for model, gain in found.items()).replace(" -", " −")


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

    found: from `claims.scorecard.collected`. Each claim leads to its page; a verdict on real models
    that not all of them were run for has a star, and the caption says which it rests on.
    """
    known = {(one.id, one.by): one for one in found}
    names = [name for name, by in known if by == RECORDS]
    names.sort(key=lambda name: RULES[name, RECORDS].page == LAYERS)  # methods, then their layers
    models = {model for name in names for model in known[name, RECORDS].where.split(", ")} - {""}
    rows, few = [], set()
    for name in names:
        alone = known[name, RECORDS].where
        few |= {alone} if alone and set(alone.split(", ")) < models else set()
        cells = (
            _cell(known.get((name, by)), head, "*" * (by == RECORDS and alone in few))
            for by, head in HEADS.items()
        )
        rows.append(f"<tr>{_claim(known[name, RECORDS])}{''.join(cells)}</tr>")
    starred = f" * On {' or '.join(sorted(few))} alone." if few else ""
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in ("claim", *HEADS.values()))
    return HTML(
        f'<table class="table overview"><caption>{escape(OVERVIEW + starred)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _claim(verdict: Verdict) -> str:
    known = paper.claims().set_index("id")["where"]
    page = f"notebooks/{RULES[verdict.id, RECORDS].page}.html"
    link = f'<a href="{page}">{escape(html.unbroken(verdict.claim))}</a>'
    return f'<th scope="row">{link} <small>{escape(known[verdict.id])}</small></th>'


def _cell(verdict: Verdict | None, head: str, star: str) -> str:
    """A verdict in few words: "mixed", "✓ 1 ○ 1 ✗ 4", "−8.5 to +12.9 %"."""
    if verdict is None:
        return "<td></td>"
    lines = [f"<strong>{escape(verdict.word)}{star}</strong>"]
    if verdict.count.total:
        signs = zip("✓○✗", verdict.count[:3], strict=True)
        lines.append(" ".join(f"{sign}\N{NO-BREAK SPACE}{number:,}" for sign, number in signs))
        ends = verdict.count.ends().strip("()")
        lines.append(f"<small>{escape(html.unbroken(ends))}</small>" if ends else "")
    return f'<td data-head="{escape(head)}">{" <br>".join(filter(None, lines))}</td>'
