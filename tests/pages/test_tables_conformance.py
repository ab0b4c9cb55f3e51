"""The recorded fates follow from the recorded distances, and this run's are what they were."""

from types import SimpleNamespace

import pandas
import pytest

from stade_book.pages.tables import conformance as table
from stade_book.studies import conformance
from stade_book.studies.conformance import KEPT, LOST, OTHER, SAME, TOLERANCE
from stade_nb.models import architectures
from stade_nb.models.gguf_export import BIASES


@pytest.fixture(scope="module")
def found():
    return table.recorded()


def test_every_recorded_word_follows_from_the_distances_beside_it(found):
    seen = set()
    for case in found["cases"]:
        for one in case["runtimes"].values():
            word, kept, lost = one["biases"], one["from_kept"], one["from_lost"]
            assert (kept is None) == (word == conformance.REFUSED)
            if word in (KEPT, SAME):
                assert kept < TOLERANCE
            elif word in (LOST, OTHER):
                assert kept >= TOLERANCE and (lost < TOLERANCE) == (word == LOST)
            assert (word == SAME) <= (case["method"] == "wanda")
            seen.add(word)
    assert {KEPT, LOST, SAME, conformance.REFUSED} <= seen


def test_what_may_be_written_as_gguf_is_what_llama_cpp_keeps(found):
    """The list by which `--save-gguf` refuses is the one that was measured."""
    for case in found["cases"]:
        kind = case["model"].partition(",")[0].partition("-")[0]
        if case["method"] != "wanda":
            known = kind in ("llama", "mistral", "smollm2")  # SmolLM2 is a Llama
            assert known == (case["runtimes"]["llama.cpp, GGUF"]["biases"] == KEPT)
            assert bool(case["llama_cpp_says"]) != known
    assert BIASES["llama"] == architectures.GATED


def test_a_row_for_each_case_and_a_column_for_each_runtime(found):
    frame = table.fates(found)
    assert len(frame) == len(found["cases"]) and list(frame)[:2] == ["model", "method"]
    assert list(frame)[2:-1] == list(found["cases"][0]["runtimes"])


def test_only_models_with_added_biases_are_counted():
    rows = [("a", "wanda", "same", ""), ("a", "std", "kept", ""), ("b", "stade", "lost", "no")]
    frame = pandas.DataFrame(rows, columns=["model", "method", "runtime", "says"])
    assert table.counts(frame) == {"runtime": "1 of 2"}


def test_models_are_handed_on_and_loaded_again_here():
    p = SimpleNamespace(models=["llama-230k"], methods=["stade"], pattern="2:4", windows=2, seed=0)
    ran = table.here(p).set_index("runtime")
    words = {"transformers, folder": KEPT, "transformers, GGUF": LOST, "this package, GGUF": KEPT}
    assert ran["biases"].to_dict() == words
    assert ran["from_kept"]["transformers, folder"] == 0 and (ran["megabytes"] > 0.5).all()
