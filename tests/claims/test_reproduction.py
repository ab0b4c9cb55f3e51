"""Our values beside the printed ones of the same model, and records beside what models do now."""

from types import SimpleNamespace

import pandas
import pytest

from stade_book import claims
from stade_book.claims.verdicts import MIXED, SUPPORTED
from stade_book.pages import tables
from stade_nb.models import texts

PROTOCOL = {
    "calibration": "c4",
    "evaluation": "wikitext2",
    "windows": 128,
    "evaluation_windows": None,
    "window_length": None,
}


@pytest.mark.parametrize(
    ("ours", "printed", "word"),
    [
        (23.444, 23.44, "match"),
        (23.4449, 23.44, "match"),
        (23.446, 23.44, "close"),  # rounds to 23.45
        (5.68 * 1.0199, 5.68, "close"),
        (5.68 * 0.9801, 5.68, "close"),
        (5.68 * 1.0201, 5.68, "differs"),
        (5.68 * 0.9799, 5.68, "differs"),
        (9.75, 9.75, "match"),
    ],
)
def test_rules_of_the_words(ours, printed, word):
    assert claims.reproduction.verdict(ours, printed) == word


def test_departures_from_the_protocol_are_named(tmp_path):
    assert claims.reproduction.departures(SimpleNamespace(**PROTOCOL)) == []
    c4, wikitext = texts.CALIBRATION["c4"].file, texts.EVALUATION["wikitext2"].file
    (tmp_path / wikitext).parent.mkdir()
    (tmp_path / wikitext).touch()
    local = PROTOCOL | {
        "calibration": f"/data/{c4}", "evaluation": str(tmp_path), "window_length": 2048,
    }  # fmt: skip
    assert claims.reproduction.departures(SimpleNamespace(**local)) == []
    other = {
        "calibration": "embedded", "evaluation": "my.txt", "windows": 64,
        "evaluation_windows": 96, "window_length": 256,
    }  # fmt: skip
    assert claims.reproduction.departures(SimpleNamespace(**other)) == [
        "calibrated on embedded, not C4",
        "evaluated on my.txt, not WikiText-2",
        "64 calibration windows, not 128",
        "96 evaluation windows, not all",
        "windows of 256 tokens, not 2048",
    ]


def test_table_4_needs_the_papers_tasks():
    seven = ["boolq", "rte", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa"]
    for tasks in (["official"], seven):
        p = SimpleNamespace(**PROTOCOL, tasks=tasks, limit=None)
        assert claims.reproduction.departures(p) == []
    for tasks in (["embedded"], seven[:6], ["official", "embedded_rte"]):
        p = SimpleNamespace(**PROTOCOL, tasks=tasks, limit=10)
        assert claims.reproduction.departures(p) == [
            "other tasks than the paper's seven",
            "10 questions of each task, not all",
        ]


def test_a_model_of_the_papers_stands_beside_what_is_printed(ran):
    ran.loc[ran["model"] == "one", "paper_model"] = "llama-3.2-1b"
    wanda = ran["method"].eq("wanda") & ran["model"].eq("one")
    # Mean over the seeds 23.44, as printed at 50 %; 2 % off at 2:4.
    ran.loc[wanda & ran["pattern"].eq("0.5"), "perplexity"] = [23.43, 23.45]
    ran.loc[wanda & ran["pattern"].eq("2:4"), "perplexity"] = [81.24 * 1.01, 81.24 * 1.02]
    p = SimpleNamespace(**PROTOCOL)
    found = claims.reproduction.beside(3, ran, p).set_index(["method", "sparsity"])
    assert set(found["model"]) == {"llama-3.2-1b"}
    assert found.loc[("Wanda", "50 %"), "verdict"] == "match"
    assert found.loc[("Wanda", "2:4"), "verdict"] == "close"
    assert found.loc[("Wanda", "2:4"), "difference"] == pytest.approx(0.015)
    assert found.loc[("Dense", "0 %"), "printed"] == 9.75
    assert found.loc[("Dense", "0 %"), "verdict"] == "differs"
    assert "81.24" in (page := tables.perplexity.shown(3, ran, p).data) and "<p>" not in page
    other = SimpleNamespace(**PROTOCOL | {"windows": 8})
    assert set(claims.reproduction.beside(3, ran, other)["verdict"]) == {"not compared"}
    assert "8 calibration windows, not 128" in tables.perplexity.shown(3, ran, other).data


def test_the_page_says_where_there_is_nothing_to_compare(ran):
    p = SimpleNamespace(**PROTOCOL)
    assert claims.reproduction.beside(3, ran, p).empty
    page = tables.perplexity.shown(3, ran, p).data
    assert "None of the models above is one of the paper" in page and "<table" not in page
    opt = ran.assign(paper_model="opt-125m")
    page = tables.perplexity.shown(3, opt, p).data
    assert page == "<p>Table 3 prints no perplexity of opt-125m.</p>"


def test_embedded_models_are_judged_by_their_records():
    quality = pandas.DataFrame(
        {"model": ["a", "b"], "evaluation": [20.0, 30.0], "recomputed": [20.001, 30.1]}
    )
    record = {"tokens_per_parameter": 100, "evaluation_ngram_perplexity": 25.0}
    tokens, ngrams, drift = claims.reproduction.of_models(quality, [record, record])
    assert (tokens.word, ngrams.word, drift.word) == (SUPPORTED, MIXED, MIXED)
