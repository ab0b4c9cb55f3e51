"""Every claim has its rules, one for each kind of evidence; pages leave verdicts and find them."""

import inspect
from collections import Counter

import pytest

from stade_book import claims
from stade_book.claims import paper, scorecard
from stade_book.claims.scorecard import RULES, decides
from stade_book.claims.verdicts import (
    CONTRADICTED,
    MIXED,
    NOT_PRINTED,
    NOT_RUN,
    OPEN,
    PRINTED,
    RUNS,
    SUPPORTED,
    THEORY,
    Count,
    Verdict,
)
from stade_nb.errors import StadeError
from workflow.profiles import NOTEBOOKS


def test_every_claim_has_a_rule_and_no_rule_is_for_another_one():
    listed = list(paper.claims()["id"])
    assert {claim for claim, _ in RULES} == set(listed) and len(set(listed)) == len(listed)
    kinds = {"T": THEORY, "P": PRINTED, "E": RUNS}
    for claim, letters in paper.claims().set_index("id")["decidable_by"].items():
        asked = {kinds[letter.strip()[0]] for letter in letters.partition("(")[0].split(",")}
        there = {by for name, by in RULES if name == claim}
        missing = asked - there
        # That Wanda is not optimal is judged by runs as "STD on every layer", an audit's claim.
        assert not missing or claim == "wanda-suboptimal", (claim, missing)


def test_a_second_rule_for_a_claim_is_refused():
    with pytest.raises(StadeError, match="'threefold' has a rule by print already"):
        decides(PRINTED, "", "threefold")(lambda: None)


def test_no_other_function_makes_a_verdict_on_a_claim():
    """Each claim and kind of evidence is named in the source by one function, its rule."""
    made = Counter(scorecard_verdict[:2] for scorecard_verdict in scorecard.without_page())
    assert set(made.values()) == {1}
    assert set(made) == {key for key, rule in RULES.items() if not rule.page}


def test_every_page_of_a_rule_is_a_notebook_that_calls_it():
    for (claim, by), rule in RULES.items():
        if rule.page:
            text = (NOTEBOOKS / f"{rule.page}.ipynb").read_text("utf-8")
            module = inspect.getmodule(rule.decide).__name__.rpartition(".")[2]
            assert f"claims.{module}.{rule.decide.__name__}(" in text, (claim, by)
            assert f'\\"{rule.page}\\"' in text  # it writes under its own name


def test_the_printed_tables_decide_as_they_are_counted():
    found = {verdict.id: verdict for verdict in claims.printed_claims.decide()}
    counts = {name: verdict.count[:3] for name, verdict in found.items()}
    assert counts["best-without-update"] == (30, 2, 10)
    assert counts["more-general"] == (10, 2, 9)  # STADE against Wanda
    # Table 2: 34 better, 23 equal, 6 worse, five of them at 90 % and left out.
    assert counts["std-better-uncentred"] == (9, 9, 0)
    assert counts["wanda-better-centred"] == (23, 14, 3)
    assert "supported 2, open 0, contradicted 3 of 5" in found["wanda-better-centred"].count.note
    assert counts["std-better-at-90"] == (3, 0, 2)
    assert counts["doubled-at-90"] == (14, 0, 0)
    assert counts["mlp-hurts-most"] == (4, 0, 5)
    assert counts["sparsegpt-best"] == (30, 0, 0) and counts["update-essential"] == (6, 0, 0)
    assert counts["unstructured-equal"] == (4, 0, 0) and counts["nm-bias-better"] == (8, 0, 0)
    assert counts["zero-shot-nm"] == (12, 0, 24)
    assert found["zero-shot-nm"].count.note == "above both in 5 of 18, above Wanda in 6"
    assert found["zero-shot-follows"].word == OPEN
    assert "9 of 14" in found["zero-shot-follows"].count.note
    assert found["threefold"].word == found["distilled-gain-most"].word == MIXED
    assert found["two-metrics-help"].word == found["opt-alike"].word == NOT_PRINTED
    (one,) = claims.printed_claims.decide(["threefold"])
    assert one == found["threefold"]


def test_a_page_finds_again_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(scorecard, "VERDICTS", tmp_path / "verdicts")
    found = [
        Verdict("std-optimal", THEORY, "each output", Count(3, 0, 0), "a layer"),
        Verdict("best-without-update", RUNS, "each", Count(2, 1, 0, -0.069, -0.003, note="and so")),
    ]
    assert scorecard.write("table3_perplexity", iter(found)) == found
    assert scorecard.read("table3_perplexity", tmp_path / "verdicts") == found
    assert scorecard.read("bias", tmp_path / "verdicts") == []


@pytest.mark.parametrize(
    "content", ["", '[{"id": "a', "[{}]", "[[]]", "7", '[{"count": {"supported": 1}}]', '{"a": 1}']
)
def test_a_file_of_verdicts_that_is_none_is_named(tmp_path, content):
    (tmp_path / "bias.json").write_text(content)
    with pytest.raises(StadeError, match=r"bias.json' are damaged .*: remove the file, or run"):
        scorecard.read("bias", tmp_path)


def test_the_scorecard_has_every_claim_and_says_how_to_run_what_did_not(tmp_path, monkeypatch):
    monkeypatch.setattr(scorecard, "VERDICTS", tmp_path)
    ours = Verdict("best-without-update", RUNS, "each", Count(22, 2, 0, -0.069, -0.003))
    scorecard.write("table3_perplexity", [ours])
    found = scorecard.collected(tmp_path)
    assert len(found) == len(RULES)
    table = scorecard.table(found).set_index("id")
    assert list(table.index) == list(paper.claims()["id"])
    row = table.loc["best-without-update"]
    assert row["runs"] == "supported: supported 22, open 2, contradicted 0 of 24 (−6.9 to −0.3 %)"
    assert row["print"].startswith("mixed: supported 30, open 2, contradicted 10 of 42")
    assert row["theory"] == ""
    missing = table.loc["std-optimal", "theory"]
    assert missing == f"{NOT_RUN}: python -m workflow.execute notebooks/bias.ipynb"


def test_words_follow_from_counts():
    words = {(0, 0, 0): "", (1, 0, 0): SUPPORTED, (2, 1, 0): SUPPORTED, (1, 1, 0): OPEN,
             (0, 3, 0): OPEN, (0, 5, 1): CONTRADICTED, (40, 0, 1): MIXED}  # fmt: skip
    assert {counts: Count(*counts).word for counts in words} == words
