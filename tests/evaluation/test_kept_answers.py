"""Answers are kept one by one, and a model is asked only what it has not answered."""

import json
import os

import pytest
import zero_shot_questions

from stade_nb.evaluation import harness, tasks
from stade_nb.evaluation.kept_answers import KeptAnswers
from stade_nb.models import loading


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = zero_shot_questions.write(tmp_path_factory.mktemp("tasks"))
    (found,) = tasks.load(["arc_easy"], folder)
    return found


@pytest.fixture(scope="module")
def model():
    return loading.load("llama-230k")


def counted(made):
    """A harness, and how many requests its model gets."""
    asked, answer = [], made.lm._loglikelihood_tokens

    def noted(requests, *how, **more):
        asked.append(len(requests))
        return answer(requests, *how, **more)

    made.lm._loglikelihood_tokens = noted
    return asked


def numbers(result):
    return {name: result[name] for name in ("accuracy", "standard_error", "correct", "count")}


def test_what_is_answered_is_not_asked_again(questions, model, tmp_path):
    file = tmp_path / "answers.jsonl"
    plain = numbers(harness.Harness(*model, 4).evaluate(questions))
    one = harness.Harness(*model, 4)
    asked = counted(one)
    assert numbers(one.evaluate(questions, keep=KeptAnswers(file))) == plain
    (every,) = asked
    assert len(file.read_text().splitlines()) == every
    # Killed: of the lines some are there, and half of one.
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:5]) + lines[5][:9])
    other = harness.Harness(*model, 4)
    asked = counted(other)
    assert numbers(other.evaluate(questions, keep=KeptAnswers(file))) == plain
    assert asked == [every - 5]
    known = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("]")]
    assert len({key for key, *_ in known}) == every
    last = harness.Harness(*model, 4)
    asked = counted(last)
    assert numbers(last.evaluate(questions, keep=KeptAnswers(file))) == plain and asked == []


def test_afterwards_the_harness_is_as_it_was(questions, model, tmp_path):
    made = harness.Harness(*model, 4)
    before = made.lm.loglikelihood, made.lm.cache_hook
    made.evaluate(questions, keep=KeptAnswers(tmp_path / "a.jsonl"))
    assert (made.lm.loglikelihood, made.lm.cache_hook) == before


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\n", b"{}\n[1]\n", b'["a", "b", []]\n', b"[" * 100_000 + b"\n"]
)
def test_what_is_no_answer_is_left_out(tmp_path, content):
    file = tmp_path / "answers.jsonl"
    file.write_bytes(content + b'["key", -1.5, true]\n')
    assert KeptAnswers(file).known == {"key": (-1.5, True)}


def test_a_place_that_cannot_be_written_is_said_and_answers_go_on(tmp_path):
    place = tmp_path / "answers.jsonl"
    os.mkfifo(place)
    with pytest.warns(UserWarning, match=r"answers are not kept: .*FIFO"):
        keep = KeptAnswers(place)
    keep.add_partial("loglikelihood", ("a", "b"), (-1.0, False))
    assert len(keep.known) == 1
