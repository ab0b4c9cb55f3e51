"""The embedded suite: reproducible, balanced, answerable from the text, unseen in training."""

import re
from collections import Counter

import pytest
import yaml
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from stade_book import claims
from stade_nb.corpus import documents, pairs, questions, sentences
from stade_nb.corpus.prose import template_key
from stade_nb.corpus.questions import TASKS
from stade_nb.corpus.questions import questions as questions_of
from stade_nb.errors import StadeError
from stade_nb.models import loading

ALL = pytest.mark.parametrize("task", list(TASKS))
PAPER = ["boolq", "rte", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa"]
CHOICES = dict(zip(TASKS, (2, 2, 4, 2, 4, 4, 4), strict=True))  # of the tasks in the paper


def written_out(question: dict, choice: str) -> str:
    """What the model reads when it judges a choice."""
    if "continuation" in question:
        return f"{choice} {question['continuation']}"
    return f"{question['context']} {choice}"


def test_there_is_one_task_for_each_of_the_papers():
    assert [info.official for info in TASKS.values()] == PAPER
    assert list(TASKS) == [f"embedded_{name}" for name in PAPER]


@ALL
def test_the_questions_are_the_recorded_ones(task):
    assert questions.difference(task) is None
    assert questions.recorded()[task]["questions"] == len(questions_of(task))


def test_built_again_they_are_the_same(monkeypatch):
    before = {task: questions_of(task) for task in TASKS}
    questions.built.cache_clear()
    sentences.evaluation.cache_clear()
    assert {task: questions_of(task) for task in TASKS} == before


@ALL
def test_enough_questions_with_answers_in_every_place(task):
    asked = questions_of(task)
    assert 300 <= len(asked) <= 400
    places = Counter(question["label"] for question in asked)
    assert sorted(places) == list(range(CHOICES[task]))
    assert max(places.values()) - min(places.values()) <= 1
    assert [question["id"] for question in asked] == list(range(len(asked)))


@ALL
def test_the_choices_differ_and_there_is_one_for_each_share_of_chance(task):
    for question in questions_of(task):
        assert len(set(question["choices"])) == CHOICES[task]
        beginning_or_end = {"context", "continuation"} & question.keys()
        assert len(beginning_or_end) == 1
        assert all(map(str.strip, question["choices"]))


def test_no_sentence_is_asked_about_twice():
    sources = [question["source"] for task in TASKS for question in questions_of(task)]
    assert len(set(sources)) == len(sources)


@ALL
def test_the_source_stands_in_its_document(task):
    texts = documents.part("evaluation")
    for question in questions_of(task):
        assert question["source"] in texts[question["document"]]


@pytest.mark.parametrize("task", [task for task in TASKS if TASKS[task].official not in PAPER[:2]])
def test_only_the_right_choice_gives_the_sentence(task):
    for question in questions_of(task):
        found = [written_out(question, choice) for choice in question["choices"]]
        assert found.index(question["source"]) == question["label"]
        assert found.count(question["source"]) == 1


def test_a_yes_is_a_passage_without_negation():
    for question in questions_of("embedded_boolq"):
        assert question["label"] == len(re.findall(r"\b(?:not|cannot)\b", question["source"]))
        right = written_out(question, question["choices"][question["label"]])
        assert right == f"{question['source']} {question['source']}"


def test_the_hypothesis_begins_only_one_premise():
    for question in questions_of("embedded_rte"):
        clause = question["continuation"][:-1]
        found = [premise.startswith(clause) for premise in question["choices"]]
        assert found == [place == question["label"] for place in range(2)]
        assert question["choices"][question["label"]] == question["source"]


@pytest.mark.parametrize(
    "task", ["embedded_winogrande", "embedded_openbookqa", "embedded_arc_easy"]
)
def test_exchanged_words_are_of_one_kind_and_foreign_to_the_document(task):
    text = sentences.evaluation()
    for question in questions_of(task):
        variants = [written_out(question, choice).split() for choice in question["choices"]]
        (place,) = [i for i, words in enumerate(zip(*variants, strict=True)) if len({*words}) > 1]
        words = [variant[place].rstrip(".") for variant in variants]
        own = words.pop(question["label"])
        assert {text.kind(word) for word in words} == {text.kind(own)}
        assert not any(question["document"] in text.documents[word] for word in words)


def test_the_wrong_words_of_the_hard_questions_are_in_the_same_document():
    texts = documents.part("evaluation")
    for question in questions_of("embedded_arc_challenge"):
        assert all(choice in texts[question["document"]] for choice in question["choices"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The input is not modified.", ("The input is", "The input is not", "modified.", False)),
        ("The input can be a list.", ("The input can", "The input cannot", "be a list.", True)),
        ("It cannot be a list.", ("It can", "It cannot", "be a list.", False)),
        ("It can not be a list.", ("It can", "It can not", "be a list.", False)),
        ("The list is here and is there.", None),
        ("The list is not here and can not be there.", None),
        ("The list has no end and is not closed.", None),
        ("Return the list.", None),
    ],
)
def test_polarity(text, expected):
    assert pairs.polarity(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The matrix is sparse, which saves memory.", "The matrix is sparse."),
        ("The matrix is dense, but the vector has zeros.", "The matrix is dense."),
        ("If the matrix is sparse, so is the vector.", None),
        ("The first row of which the sum is zero.", None),
        ("The matrix is sparse.", None),
    ],
)
def test_clause(text, expected):
    assert pairs.clause(text) == expected


def test_what_a_removed_citation_leaves_is_not_asked_about():
    assert sentences.fit("The method is described in the original paper.")
    assert not sentences.fit("The method is the one described in .")
    assert not sentences.fit("The method is the one described in.")
    assert not sentences.fit("The method is too short.")


@pytest.fixture(scope="module")
def training() -> list[str]:
    """The training documents; those of two packages where the others, which take long, are not
    built."""
    if (documents.CACHE / "train.txt").exists():
        return documents.part("train")
    seen = {
        template_key(paragraph)
        for name in ("evaluation", "calibration")
        for document in documents.part(name)
        for paragraph in document.splitlines()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(documents.PACKAGES, "training", ("numpy", "networkx"))
        return [text for _, text in documents._documents("training", seen)]


@pytest.mark.slow
def test_no_sentence_that_questions_are_made_of_was_trained_on(training):
    whole = documents.part("evaluation")
    texts = {text for document in whole for text in sentences.sentences_of(document)}
    found = sentences.trained_on(texts, training)
    left_out = set(sentences.leaked())
    assert found
    assert set(map(sentences.digest, found)) <= left_out <= set(map(sentences.digest, texts))
    usable = {sentence.text for sentence in sentences.evaluation().sentences}
    assert {question["source"] for task in TASKS for question in questions_of(task)} <= usable
    assert not usable & found


def test_a_sentence_or_eight_words_of_it_are_found_in_the_training_text():
    training = ["A short one.\nOne two three four five six seven eight nine. Another."]
    found = {"A SHORT one.", "Zero one, two (three) four five six seven eight.", "Another."}
    free = {"A short one is here.", "Two three four five six seven eight."}
    assert sentences.trained_on(found | free, training) == found


def test_files_are_written_whole_and_left_alone_when_right(tmp_path):
    folder = questions.write(tmp_path / "tasks")
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in files} == {"validation.jsonl"} | {f"{t}.yaml" for t in TASKS}
    spoiled = folder / "embedded_rte" / "validation.jsonl"
    spoiled.write_text("{}\n")
    questions.write(folder)
    changed = [path for path, time in files.items() if path.stat().st_mtime_ns != time]
    assert changed == [spoiled]
    assert len(spoiled.read_text().splitlines()) == len(questions_of("embedded_rte"))


def test_paired_tasks_are_scored_as_winogrande_is(tmp_path):
    folder = questions.write(tmp_path)
    for task in TASKS:
        settings = yaml.safe_load((folder / task / f"{task}.yaml").read_text())
        paired = settings["doc_to_text"] == "label"
        assert paired == (CHOICES[task] == 2)


@pytest.mark.parametrize("name", loading.embedded_models())
def test_a_dense_model_is_above_chance(name, tmp_path):
    model, tokenizer = loading.load(name)
    manager = TaskManager(include_path=str(questions.write(tmp_path)), include_defaults=False)
    found = simple_evaluate(
        HFLM(pretrained=model, tokenizer=tokenizer, batch_size=64),
        tasks=list(TASKS),
        task_manager=manager,
        bootstrap_iters=0,
        log_samples=False,
    )["results"]
    above = [
        task
        for task in TASKS
        if claims.accuracy.above_chance(
            round(found[task]["acc,none"] * len(questions_of(task))),
            len(questions_of(task)),
            1 / CHOICES[task],
            len(TASKS),
        )
    ]
    assert len(above) >= 5


def test_an_unknown_task_is_named():
    with pytest.raises(StadeError, match="did you mean 'embedded_rte'"):
        questions_of("embedded_rtf")


def test_other_questions_are_said_plainly(monkeypatch):
    recorded = questions.recorded()
    recorded["embedded_rte"]["sha256"] = "0" * 64
    monkeypatch.setattr(questions, "recorded", lambda: recorded)
    said = questions.difference("embedded_rte")
    assert "questions of embedded_rte differ" in said
    assert "evaluation text is the recorded one" in said
