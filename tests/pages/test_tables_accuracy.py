"""The page on Table 4: tables and verdicts of made-up answers whose right entries are known."""

import io
import math
from types import SimpleNamespace

import pandas
import pytest
import zero_shot_questions

from stade_book import claims
from stade_book.pages import plots, tables
from stade_nb.corpus import questions
from stade_nb.evaluation import harness

PATTERNS = ["0.5", "2:4"]


def result(correct, guessing=0.5):
    accuracy = sum(correct) / len(correct)
    return {
        "accuracy": accuracy,
        "standard_error": math.sqrt(accuracy * (1 - accuracy) / (len(correct) - 1)),
        "count": len(correct),
        "correct": correct,
        "guessing": guessing,
    }


def row(method, pattern, right, biases="kept", perplexity=10.0):
    """A cell that answers the first `right` of 200 questions of one task, half of the other."""
    known = result([1] * right + [0] * (200 - right))
    guessed = result([1, 0] * 50)
    tasks = {"embedded_rte": known, "arc_easy": guessed}
    accuracy, error = harness.mean(tasks.values())
    return {
        "model": "m", "method": method, "pattern": pattern, "seed": 0, "biases": biases,
        "perplexity": perplexity, "losses": [math.log(perplexity) + 0.001 * n for n in range(20)],
        "tasks": tasks, "answers": {name: task["correct"] for name, task in tasks.items()},
        "accuracy": accuracy, "error": error,
    }  # fmt: skip


@pytest.fixture
def ran():
    return pandas.DataFrame(
        [
            row("dense", "dense", 160, perplexity=5),
            row("wanda", "2:4", 120, perplexity=8),
            row("stade", "2:4", 160, perplexity=7),
            row("stade", "2:4", 100, "dropped", perplexity=14),
            row("stade_without_bias", "2:4", 120, perplexity=8.5),
        ]
    )


def test_layout_shows_means_with_errors(ran):
    shown = tables.accuracy.layout(ran)
    # One task at 0.8 ± 0.0284, one at 0.5 ± 0.0503.
    assert list(shown["m"])[:2] == ["65.0 ± 2.9", "55.0 ± 3.1"]
    assert list(shown["method"]) == ["Dense", "Wanda", "STADE", "STADE (w/o bias)"]
    assert list(shown["sparsity"]) == ["0 %", "2:4", "2:4", "2:4"]


def test_a_model_of_the_papers_stands_beside_what_is_printed(ran):
    p = SimpleNamespace(
        calibration="c4", evaluation="wikitext2", windows=128, evaluation_windows=None,
        window_length=None, tasks=["official"], limit=None,
    )  # fmt: skip
    none = tables.accuracy.reproduced(p, ran.assign(paper_model=None)).data
    assert "None of the models above is one of the paper" in none
    found = tables.accuracy.reproduced(p, ran.assign(paper_model="opt-125m")).data
    shown = pandas.read_html(io.StringIO(found))[0]
    # Dense: 65 % here against the printed 37.70; a cell without its biases is no row.
    assert list(shown["printed"]) == [37.70, 37.24, 36.88, 37.38]
    assert list(shown["ours"]) == [65.0, 55.0, 65.0, 55.0]
    assert set(shown["verdict"]) == {"differs"}


def test_guessing_is_named(ran):
    assert tables.accuracy.guessed(ran) == ["arc_easy (m)"]
    found = tables.accuracy.guessing(ran)
    assert list(found["m"]) == [
        "80.0 (73.8 to 85.3)",
        "50.0 (39.8 to 60.2), no better than guessing",
    ]
    assert tables.accuracy.mean_guess(ran) == 0.5
    # 59 of 100 is above a coin by itself, and not as one of two tasks.
    assert tables.accuracy.above_guessing(result([1] * 59 + [0] * 41), 1)
    assert not tables.accuracy.above_guessing(result([1] * 59 + [0] * 41), 2)


def test_tasks_one_by_one(ran):
    shown = tables.accuracy.by_task(ran)
    assert list(shown.columns) == ["model", "method", "sparsity", "true premise", "arc_easy"]
    assert list(shown["true premise"]) == [
        "50.0",
        "80.0 ± 2.8",
        "60.0 ± 3.5",
        "80.0 ± 2.8",
        "60.0 ± 3.5",
    ]
    found = tables.accuracy.task_differences(tables.accuracy.kept(ran), "stade", "wanda")
    assert found.to_dict("records") == [
        {
            "model": "m",
            "sparsity": "2:4",
            "true premise": "40\xa0:\xa00 *",
            "arc_easy": "0\xa0:\xa00",
        }
    ]


def test_a_models_rows_are_folded(ran):
    page = tables.accuracy.by_model(tables.accuracy.by_task(ran)).data
    assert "<summary>m: 4 rows</summary>" in page and page.count("<details") == 1
    assert "guessing" in page and "80.0 ±" in page


def test_embedded_tasks_have_their_own_names_and_an_example():
    shown = tables.accuracy.examples(["embedded_hellaswag", "rte", "embedded_winogrande"])
    assert list(shown["task"]) == ["second half", "word in a gap"]
    for row in shown.itertuples():
        assert row.right in row.choices.split(" / ")
    whole = shown["text"][1].replace("…", shown["right"][1])
    assert whole == questions.questions("embedded_winogrande")[0]["source"]
    assert tables.accuracy.examples("official").empty


def test_claims(ran):
    table = tables.accuracy.kept(ran)
    assert claims.accuracy.nm(["0.5", "2:4", "4:8"]) == ["2:4", "4:8"]
    above = claims.accuracy.above(table, claims.accuracy.RIVALS, ["2:4"])
    nm, follows = claims.accuracy.decide(above, claims.accuracy.follows(table, PATTERNS))
    assert (nm.id, nm.word) == ("zero-shot-nm", claims.verdicts.SUPPORTED)
    assert str(nm.count).startswith("supported 2, open 0, contradicted 0 of 2 (+10.0 points)")
    # Wanda and STADE (w/o bias) have equal answers, and so have STADE and the dense model.
    assert (follows.id, follows.count[:3]) == ("zero-shot-follows", (4, 2, 0))


def test_pairing_gains_where_answers_are_alike(ran):
    (found,) = claims.accuracy.pairing(tables.accuracy.kept(ran), "stade", "wanda").itertuples()
    assert found.alike == 1 - 40 / 300
    assert found.paired == pytest.approx(math.sqrt(0.2 * 0.8 / 199) / 2)
    errors = [harness.mean(ran["tasks"][index].values())[1] for index in (1, 2)]
    assert found.unpaired == pytest.approx(math.hypot(*errors)) and found.paired < found.unpaired


def test_printed_table_with_its_error():
    shown = tables.accuracy.printed(["wanda", "stade"], PATTERNS)
    error = claims.printed.standard_error(0.377)
    assert shown["opt-125m"][0] == f"37.70 ± {error:.2f}"
    assert len(shown) == 1 + 2 * 2 and len(shown.columns) == 2 + 9


def test_what_dropped_biases_cost(ran):
    found = claims.accuracy.dropped(ran)
    (cell,) = found.itertuples()
    assert cell.times == 2 and cell.verdict == claims.verdicts.SUPPORTED
    assert cell.change == pytest.approx(0.3 / 2)
    shown = tables.accuracy.dropped_layout(found).to_dict("records")[0]
    assert shown["times"] == "+100.0 %" and shown["verdict"] == "supported"
    assert shown["accuracy"] == "65.0" and shown["accuracy_dropped"] == "50.0"
    perplexity, accuracy = claims.accuracy.decide_dropped(found)
    assert perplexity.word == accuracy.word == claims.verdicts.SUPPORTED
    assert "2.00 times" in str(perplexity.count) and "15.0 points" in str(accuracy.count)


def test_figures_show_every_cell(ran):
    plots.use_style()
    table = tables.accuracy.kept(ran)
    figure = plots.tables.accuracies(table, 0.5, {"0.5": "50 %", "2:4": "2:4"})
    assert [len(axes.containers) for axes in figure.axes] == [4, 4]
    above = claims.accuracy.above(table, claims.accuracy.RIVALS, ["2:4"])
    figure = plots.verdicts.accuracies(above, {"2:4": "2:4"})
    assert [axes.get_title() for axes in figure.axes] == [
        "STADE − Wanda",
        "STADE − STADE (w/o bias)",
    ]


def test_run(tmp_path):
    p = SimpleNamespace(
        models=["llama-230k"], methods=["wanda", "stade"], patterns=["2:4"], tasks=["arc_easy"],
        tasks_dir=zero_shot_questions.write(tmp_path / "tasks"), limit=4, calibration="embedded",
        evaluation="embedded", windows=2, evaluation_windows=3, window_length=32, seeds=[0, 1],
        device="cpu", dtype="float32", batch_size=4, requests_at_once=8, results_dir=tmp_path,
    )  # fmt: skip
    ran = tables.accuracy.run(p)
    cells = list(zip(ran["method"], ran["pattern"], ran["seed"], ran["biases"], strict=True))
    assert cells == [
        ("dense", "dense", 0, "kept"),
        ("wanda", "2:4", 0, "kept"),
        ("wanda", "2:4", 1, "kept"),
        ("stade", "2:4", 0, "kept"),
        ("stade", "2:4", 1, "kept"),
        ("stade", "2:4", 0, "dropped"),
        ("stade", "2:4", 1, "dropped"),
    ]
    assert all(len(answers["arc_easy"]) == 4 for answers in ran["answers"])
    facts = tables.accuracy.facts(p, ran)
    assert facts["harness"] == f"{harness.HARNESS}, 0-shot, acc"
    assert facts["requests at once"] == "8 to 8"
    assert facts["token before each question"] == "llama-230k: nothing"
    assert len(claims.accuracy.dropped(ran)) == 2
    keys = facts["records"][["perplexity", "arc_easy"]].to_numpy().ravel()
    assert all(len(list(tmp_path.glob(f"{key}*.json"))) == 1 for key in keys)
