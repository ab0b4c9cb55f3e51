"""A name stands for one model: a path is that path, and what could be two models is neither."""

from pathlib import Path

import pytest
from tiny_models import build

from stade_nb.errors import StadeError
from stade_nb.models import loading, papers_model, saving


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, with another model in a folder called as an embedded one is."""
    monkeypatch.chdir(tmp_path)
    _, tokenizer = loading.load("llama-390k")
    saving.save(build("llama"), tokenizer, tmp_path / "llama-390k")
    return tmp_path


@pytest.mark.parametrize("path", ["./llama-390k", "llama-390k/", "../{here}/llama-390k", "{all}"])
def test_a_path_is_that_folder_whatever_an_embedded_model_is_called(here, path):
    name = path.format(here=here.name, all=here / "llama-390k")
    model, _ = loading.load(name)
    assert loading.fingerprint(model) == loading.fingerprint(build("llama"))
    assert loading.architecture(name) == "llama"


def test_a_name_that_is_two_models_is_refused_and_both_are_named(here):
    for ask in (loading.locate, loading.architecture, loading.load):
        with pytest.raises(StadeError, match=r"embedded model and also .* say './llama-390k' for"):
            ask("llama-390k")
    _, tokenizer = loading.load("./llama-390k")
    saving.save(build("llama"), tokenizer, here / "smollm2-135m")
    for ask in (loading.locate, loading.architecture):
        with pytest.raises(StadeError, match=r"packaged model and also .* say './smollm2-135m'"):
            ask("smollm2-135m")


def test_a_folder_that_holds_no_model_is_in_nobodys_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llama-390k").mkdir()
    assert loading.locate("llama-390k") == str(loading.EMBEDDED / "llama-390k")
    with pytest.raises(StadeError, match=r"'./llama-390k' has no config.json"):
        loading.locate("./llama-390k")


def test_the_project_s_own_folders_are_in_nobodys_way(monkeypatch):
    monkeypatch.chdir(loading.EMBEDDED)
    assert loading.locate("llama-390k") == str(loading.EMBEDDED / "llama-390k")
    assert loading.locate("./llama-390k") == "llama-390k"


def test_a_path_outside_does_not_reach_an_embedded_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("./opt-340k", "../models/opt-340k", ".", "opt-340k/.", ""):
        with pytest.raises(StadeError, match=r"no model|model ''|has no config.json"):
            loading.locate(name)


def test_a_path_called_as_a_model_of_the_project_is_told_from_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StadeError, match=r"no model 'opt-340k': a Path .* text 'opt-340k'; exp"):
        loading.load(Path("opt-340k"))


@pytest.mark.parametrize("end", ["", ".gguf", "/x"])
def test_a_name_that_no_file_can_have_is_no_model(end, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    name = 300 * "n" + end
    assert papers_model(name) is None
    with pytest.raises(StadeError, match=r"n{80}\.\.\. \(30\d characters\)|cannot load"):
        loading.load(name)


def test_models_of_the_paper_are_recognised_by_id_or_folder(tmp_path):
    assert papers_model("meta-llama/Llama-3.2-1B") == "llama-3.2-1b"
    assert papers_model("meta-llama/llama-3.2-1b") == "llama-3.2-1b"
    assert papers_model("facebook/opt-125m") == "opt-125m"
    for other in ("llama-390k", "me/Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct", "opt-125m"):
        assert papers_model(other) is None
    for name in ("Llama-2-7b-hf", "LLAMA-3-8B", "opt-125m", "Llama-3.2-1B-pruned"):
        (tmp_path / name).mkdir()
    assert papers_model(f"{tmp_path}/Llama-2-7b-hf/") == "llama-2-7b"
    assert papers_model(str(tmp_path / "LLAMA-3-8B")) == "llama-3-8b"
    assert papers_model(str(tmp_path / "opt-125m")) == "opt-125m"
    assert papers_model(str(tmp_path / "Llama-3.2-1B-pruned")) is None


def test_a_name_is_checked_without_fetching_or_converting_anything(tmp_path, monkeypatch):
    def never(*given):
        raise AssertionError(given)

    for module, name in ((loading, "folder_of"), (loading.gguf_file, "folder_of")):
        monkeypatch.setattr(module, name, never)
    monkeypatch.setattr(loading, "is_here", lambda name: False)
    (tmp_path / "mine.gguf").touch()
    for name in ("llama-230k", "smollm2-135m", str(tmp_path / "mine.gguf"), "facebook/opt-125m"):
        loading.check_name(name)
    for name, said in (("llama-23k", "did you mean 'llama-230k'"), ("", "expected a name")):
        with pytest.raises(StadeError, match=said):
            loading.check_name(name)
    monkeypatch.delenv("STADE_NB_ACCEPT_GEMMA", raising=False)
    with pytest.raises(StadeError, match="before its terms are accepted"):
        loading.check_name("gemma-3-270m")


@pytest.mark.parametrize("name", [None, 3, b"llama-230k", ["llama-230k"], build("llama")])
def test_what_is_no_name_at_all(name):
    for ask in (loading.locate, loading.check_name, loading.load):
        with pytest.raises(StadeError, match=r"model of the type .*: expected a name, such as"):
            ask(name)


def test_a_name_that_is_longer_than_any_file_has():
    with pytest.raises(StadeError, match=r"no model 'x+\.\.\. \(5000 characters\)'"):
        loading.load("x" * 5000)
