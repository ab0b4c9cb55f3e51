"""Tasks on which a real model only guesses: named, and left out of a comparison of means."""

import pandas
import pytest

from stade_book.pages.tables import earlier, guessed
from stade_book.studies import shipped

MODEL = "smollm2-135m"


def task(name, right, method="dense", guessing=0.5):
    correct = [1] * right + [0] * (100 - right)
    return {"method": method, "task": name, "correct": correct, "count": 100, "guessing": guessing}


def test_a_task_is_guessed_where_the_dense_model_is_not_above_guessing(monkeypatch):
    rows = [
        task("known", 90),
        task("unknown", 55),
        task("worse", 20),
        task("hard", 40, "dense", 0.2),
    ]
    pruned = [task("known", 40, "wanda"), task("unknown", 99, "wanda")]
    monkeypatch.setattr(shipped, "answers", lambda name: [*rows, *pruned])
    assert guessed.tasks("m") == ["unknown", "worse"]


def test_the_other_tasks_are_left_and_a_model_without_any_is_not():
    rows = [("a", {"known": [1, 0], "unknown": [0, 0]}), ("b", {"unknown": [0, 1]})]
    answered = pandas.DataFrame(rows, columns=["model", "answers"])
    found = guessed.left(answered, {"a": ["unknown"], "b": ["unknown"]})
    assert found.to_dict("records") == [{"model": "a", "answers": {"known": [1, 0]}}]


def test_the_words_are_those_of_the_paired_difference_over_the_other_tasks():
    said = guessed.words(["0.5"])
    out = guessed.tasks(MODEL)
    assert said["guessed"] == f"{MODEL}: {', '.join(out)}" and "boolq" in out
    answered = earlier.answered([MODEL])
    half = answered[answered["pattern"] == "0.5"].to_dict("records")
    by = {row["method"]: row["answers"] for row in half}
    means = [
        sum(a - b for a, b in zip(by["stade"][name], by["wanda"][name], strict=True))
        / len(by["stade"][name])
        for name in by["stade"]
        if name not in out
    ]
    *at, points = said["unguessed"].split(" ")[:4]
    assert at == ["at", "50", "%"]
    points = float(points.replace("−", "-"))
    assert points == pytest.approx(100 * sum(means) / len(means), abs=0.051)
    assert guessed.words(["4:8"])["unguessed"] == "not run here"
