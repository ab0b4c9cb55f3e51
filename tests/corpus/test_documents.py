"""The embedded corpus: recorded, reproducible, and disjoint."""

import importlib.metadata

import pytest
from packaging.utils import canonicalize_name

from stade_nb.corpus import documents
from stade_nb.corpus.prose import template_key
from stade_nb.errors import StadeError
from stade_nb.models import saving


@pytest.mark.parametrize("name", ["evaluation", "calibration"])
def test_the_text_is_the_recorded_one(name):
    assert documents.difference(name) is None


def test_no_paragraph_is_calibrated_on_and_evaluated():
    keys = {
        name: {
            template_key(paragraph)
            for document in documents.part(name)
            for paragraph in document.splitlines()
        }
        for name in ("calibration", "evaluation")
    }
    assert not keys["calibration"] & keys["evaluation"]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A corpus of three packages of one file each, in an empty cache."""
    text = '"""{} This sentence is long enough to be counted as prose."""\n'
    shared = "Every one of the three packages repeats this sentence word for word."
    for package in ("evaluated", "calibrated", "trained"):
        (tmp_path / package).mkdir()
        own = f"The package that is {package} says so here, in its own few words."
        path = tmp_path / package / "__init__.py"
        path.write_text(
            text.format("Zero.") + f'\n"""x"""\ndef f():\n    """{shared}\n\n    {own}"""\n'
        )
    groups = {
        "evaluation": ("evaluated",),
        "calibration": ("calibrated",),
        "training": ("trained",),
    }
    monkeypatch.setattr(documents, "PACKAGES", groups)
    monkeypatch.setattr(documents, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(documents, "_held_out", lambda name: False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_kept_text_that_is_not_utf_8_is_named_and_built_again_without_it(small):
    whole = documents.part("evaluation")
    path = small / "cache" / "evaluation.txt"
    path.write_bytes("caf\xe9".encode("latin-1"))
    with pytest.raises(StadeError, match=r"evaluation.txt' .* not UTF-8 .*: remove it, and"):
        documents.part("evaluation")
    path.unlink()
    assert documents.part("evaluation") == whole


def test_a_paragraph_of_several_parts_stays_in_the_evaluation_part(small):
    assert any("repeats this sentence" in d for d in documents.part("evaluation"))
    for name in ("calibration", "train"):
        (document,) = documents.part(name)
        assert "repeats this sentence" not in document
        assert "says so here" in document


def test_a_built_corpus_can_be_moved_to_a_machine_without_the_packages(small, monkeypatch):
    built = documents.part("evaluation")
    monkeypatch.setattr(documents, "PACKAGES", {"evaluation": ("no_such_package",)})
    assert documents.part("evaluation") == built
    (small / "cache" / "evaluation.txt").unlink()
    with pytest.raises(StadeError, match=r"no_such_package.*STADE_CORPUS"):
        documents.part("evaluation")


def test_an_unknown_part_is_named():
    with pytest.raises(StadeError, match="did you mean 'validation'"):
        documents.part("validaton")


def test_a_changed_text_is_said_plainly(monkeypatch):
    recorded = documents.recorded()
    recorded["evaluation"]["sha256"] = "0" * 64
    recorded["evaluation"]["packages"]["scipy"] = "0.1"
    monkeypatch.setattr(documents, "recorded", lambda: recorded)
    assert "scipy 0.1 -> " in documents.difference("evaluation")


def test_every_package_of_the_recorded_texts_is_pinned_at_its_version(pins):
    distributions = importlib.metadata.packages_distributions()
    for group in documents.recorded().values():
        for package, version in group["packages"].items():
            if package != "stdlib":
                assert pins[canonicalize_name(distributions[package][0])] == version.split("+")[0]


def test_bars_of_reading_are_shown_and_hidden_by_the_one_switch(small, capsys):
    with saving.without_bars():
        documents.part("evaluation")
    assert capsys.readouterr().err == ""
    documents.part("calibration")
    assert "prose of calibrated" in capsys.readouterr().err
