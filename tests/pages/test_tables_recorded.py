"""The paper's claims on real models: the runs' rules on records, and the opening page's table."""

import pytest
from bs4 import BeautifulSoup
from made_records import LARGE, SMALL, record

from stade_book.claims import accuracy, paper, perplexity, scorecard, verdicts
from stade_book.claims.verdicts import PRINTED, RECORDS, RUNS, Count, Verdict
from stade_book.pages.tables import earlier, recorded
from stade_nb.numerics.bias import KEPT
from workflow.profiles import NOTEBOOKS

CELLS = [
    record(method="dense", level=2.0),
    *(record(seed=seed) for seed in (0, 1)),
    record(method="stade", level=3.2),
    record(method="std", level=3.1),
    record(method="magnitude", level=9.0, scope="layer"),
]


@pytest.mark.parametrize("number", [3, 5, 6])
def test_the_rules_are_those_of_the_runs(there, number):
    there(*CELLS)
    claims = paper.TEXT_CLAIMS[number]
    ran = earlier.frame([SMALL])
    runs = list(perplexity.decide(claims, verdicts.judge(ran, claims)))
    ours = recorded.of_methods(claims)
    assert [one._replace(by=RUNS) for one in ours] == [one for one in runs if one.id != "opt-alike"]
    assert all((one.id, RECORDS) in scorecard.RULES for one in ours)


def test_counts_are_those_of_the_records(there):
    there(*CELLS, record(LARGE, "stade", level=2.0), record(LARGE, level=3.0))
    by = {one.id: one for one in recorded.of_methods(paper.TEXT_CLAIMS[3])}
    # STADE is above Wanda in the one model, below it in the other; far below magnitude in one.
    assert by["more-general"].count[:3] == (1, 0, 1)
    assert by["best-without-update"].count[:3] == (2, 0, 1)
    assert by["best-without-update"].where == f"{SMALL}, {LARGE}"
    assert by["best-without-update"].said == f"mixed on {SMALL}, {LARGE}"


def test_the_gains_are_of_each_model_the_higher_first(there):
    there(*CELLS, record(LARGE, "stade", level=2.0), record(LARGE, level=3.0))
    assert recorded.gains() == f"{LARGE} +1.000, {SMALL} −0.200"
    # Another sparsity, and a seed that only one of the two methods has, are none of the paper's.
    more = record(method="stade", level=9.0, pattern="0.1"), record(level=4.0, pattern="0.1")
    there(*CELLS, *more, record(level=7.0, seed=5))
    assert recorded.gains() == f"{SMALL} −0.200"


@pytest.mark.parametrize(("level", "within"), [(3.004, True), (3.2, False)])
def test_a_verdict_that_a_nudge_alone_may_bring_says_so(there, level, within):
    """Two runs of Wanda on this model may differ by 1.3 % at 50 %, by the study of nudges."""
    there(record(method="dense"), record(), record(method="stade", level=level))
    (one,) = recorded.of_methods(paper.TEXT_CLAIMS[3][-1:])
    assert one.count[:3] == (0, 0, 1) and (recorded.NUDGED in one.count.note) == within
    there(record(LARGE), record(LARGE, "stade", level=level))  # of which there is no such study
    (one,) = recorded.of_methods(paper.TEXT_CLAIMS[3][-1:])
    assert one.count[:3] == (0, 0, 1) and not one.count.note


def test_without_records_there_is_no_verdict(there):
    there()
    assert recorded.gains() == ""
    assert recorded.of_methods(paper.TEXT_CLAIMS[3]) == []
    assert recorded.of_layers() == recorded.of_answers() == recorded.of_equal_parameters() == []


def test_answers_are_judged_at_the_patterns_that_have_some(there):
    cells = [record(method="dense", level=2.0), record(calibration="c"),
             record(method="stade", level=3.5, calibration="c")]  # fmt: skip
    right = {"dense": [1] * 40, "wanda": [1] * 30 + [0] * 10, "stade": [0] * 40}
    asked = [
        row
        | {"task": "t", "questions": "q", "biases": KEPT, "correct": right[row["method"]]}
        | {"count": 40, "guessing": 0.25}
        for row in cells
    ]
    for row in (*cells, *asked):
        row.setdefault("calibration", None)
    there(*cells, *asked)
    by = {one.id: one for one in recorded.of_answers()}
    assert by["zero-shot-follows"].count[:3] == (3, 0, 0)
    dense, rest = by["zero-shot-follows"].count.note.split("; ")
    assert dense == "in 2 of the 3 that are decided one side is the dense model"
    # The dense model does not guess: nothing is left out.
    assert rest.startswith(f"{recorded.GUESSED}: supported 3, open 0, contradicted 0 of 3 (")
    for row in asked:
        row["guessing"] = 0.99
    by = {one.id: one for one in recorded.of_answers()}
    assert recorded.GUESSED not in by["zero-shot-follows"].count.note
    assert by["zero-shot-nm"].word == verdicts.NO_RECORDS  # nothing was asked in N:M patterns
    assert {one.by for one in by.values()} == {RECORDS}
    assert accuracy.nm(["0.5", "2:4"]) == ["2:4"]


def test_equal_parameters_need_their_method(there):
    there(*CELLS, record(method="stade_equal_parameters", level=3.3))
    (one,) = recorded.of_equal_parameters()
    assert one.count[:3] == (0, 0, 1) and one.by == RECORDS


FOUND = [
    Verdict("best-without-update", PRINTED, "each", Count(30, 2, 10, -0.99, 0.068)),
    Verdict(
        "best-without-update",
        RECORDS,
        "each",
        Count(2, 2, 4, -0.085, 0.129, note=f"a < b: {Count(1, 1, 4)}; a < c: {Count(1, 1, 0)}"),
        f"{SMALL}, b",
    ),
    Verdict("best-without-update", RUNS, "each", Count(0, 0, 0), ""),
    Verdict("update-essential", RECORDS, "each", Count(3, 0, 0, note=recorded.NUDGED), SMALL),
    Verdict("threefold", PRINTED, "each", Count(1, 0, 0)),
]


def test_the_overview_has_what_real_models_decide_and_leads_to_its_page():
    table = BeautifulSoup(recorded.overview(FOUND).data, "lxml")
    heads = [cell.text for cell in table.find("thead").find_all("th")]
    assert heads == ["claim", *recorded.HEADS.values()]
    rows = [
        [[*cell.stripped_strings] for cell in row(["th", "td"])]
        for row in table.find("tbody").find_all("tr")
    ]
    space = "\N{NO-BREAK SPACE}"
    assert rows[0] == [
        [paper.claim_text("best-without-update"), "Sec. 4.2, Table 3"],
        [
            "mixed",
            *(f"{way}: ✓{space}1 ○{space}1 ✗{space}{n}" for way, n in (("a < b", 4), ("a < c", 0))),
        ],
        ["not run here"],
        ["mixed", f"✓{space}30 ○{space}2 ✗{space}10 (−99.0 to +6.8{space}%)"],
    ]
    assert rows[1][0][0] == paper.claim_text("update-essential")
    assert rows[1][1:] == [
        ["supported", f"✓{space}3 ○{space}0 ✗{space}0", f"on {SMALL} alone", recorded.NUDGED],
        [],
        [],
    ]
    pages = [link["href"] for link in table.find_all("a")]
    assert pages == ["notebooks/table3_perplexity.html", "notebooks/table6_weight_update.html"]


def test_a_page_of_the_overview_is_there_for_every_claim():
    found = [
        Verdict(claim, RECORDS, "each", Count(1, 0, 0), SMALL)
        for claim, by in scorecard.RULES
        if by == RECORDS
    ]
    table = BeautifulSoup(recorded.overview(found).data, "lxml")
    pages = {link["href"] for link in table.find_all("a")}
    assert len(table.find_all("a")) == len(found) >= 14
    for page in pages:
        assert (NOTEBOOKS.parent / page).with_suffix(".ipynb").is_file()
