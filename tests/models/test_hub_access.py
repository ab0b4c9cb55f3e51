"""A hub that does not answer is asked once, and its cache read; one that answers is asked."""

import socket
import time

import datasets
import pytest
from huggingface_hub import constants
from local_hub import serving

from stade_nb.errors import StadeError
from stade_nb.evaluation import tasks
from stade_nb.models import hub_access, loading
from stade_nb.models.hub_access import answering
from stade_nb.models.windows import evaluation_windows


@pytest.fixture(autouse=True)
def anew(monkeypatch):
    """Online, and nobody has been asked."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    hub_access._silence.cache_clear()
    yield
    hub_access._silence.cache_clear()


@pytest.fixture
def silent(monkeypatch):
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    return address


def switches():
    return constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE


def test_a_hub_that_does_not_answer_is_asked_once_and_said(silent, capsys, monkeypatch):
    for _ in range(2):
        with answering("someone/model"):
            assert switches() == (True, True)
        assert switches() == (False, False)
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and said.startswith(f"stade_nb: {silent} does not answer (")
        monkeypatch.setattr(hub_access, "get_session", lambda: pytest.fail("asked again"))


def test_a_switch_that_the_caller_has_set_stays_set(silent, monkeypatch):
    """HF_DATASETS_OFFLINE sets that of datasets alone."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with answering("someone/model"):
        assert switches() == (True, True)
    assert switches() == (False, True)


def test_what_is_not_in_the_cache_either_is_one_error(silent, capsys):
    words = r"does not answer \(.+\), and in its cache: no such file"
    with pytest.raises(OSError, match=words), answering("someone/model"):
        raise FileNotFoundError("no such file")
    assert not capsys.readouterr().err and switches() == (False, False)


@pytest.mark.parametrize("use", ["model", "text"])
def test_a_cache_that_cannot_be_made_is_refused_before_the_hub_is_asked(
    use, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(hub_access, "get_session", lambda: pytest.fail("asked"))
    (tmp_path / "file").write_text("")
    cache = str(tmp_path / "file" / "cache")
    with pytest.raises(StadeError, match=r"folder .*file/cache' cannot be written .*another one"):
        if use == "model":
            loading.load("someone/model", cache_dir=cache)
        else:
            evaluation_windows("wikitext2", str, cache_dir=cache)
    assert not capsys.readouterr().err


def test_a_cache_that_is_there_need_not_be_written(silent, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_access, "try_folder", lambda _: pytest.fail("tried"))
    with answering("someone/model", str(tmp_path)):
        pass


def test_a_hub_that_answers_whatever_is_asked(tmp_path, monkeypatch, capsys):
    with serving(tmp_path) as (address, sent):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        with answering("someone/model"):
            assert switches() == (False, False)
    assert not sent and not capsys.readouterr().err


def test_a_folder_needs_no_hub_and_whoever_is_offline_asks_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_access, "get_session", lambda: pytest.fail("asked"))
    with answering(tmp_path):
        assert switches() == (False, False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with answering("someone/model"):
        assert constants.HF_HUB_OFFLINE
    assert constants.HF_HUB_OFFLINE


def test_the_switches_go_back_after_an_error(silent):
    with pytest.raises(KeyError), answering("someone/model"):
        raise KeyError
    assert switches() == (False, False)


def test_without_a_hub_a_model_a_text_and_questions_are_refused_in_seconds(
    silent, tmp_path, monkeypatch
):
    _, tokenizer = loading.load("llama-230k")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    for read in (
        lambda: loading.load("someone/model", cache_dir=str(tmp_path)),
        lambda: evaluation_windows("wikitext2", tokenizer, 1, 8, str(tmp_path)),
        lambda: tasks.load(["boolq"]),
    ):
        start = time.monotonic()
        with pytest.raises(StadeError, match=r"(?s)does not answer .*ithout network"):
            read()
        # Asked six times with growing pauses, as the clients do by themselves, it takes more.
        assert time.monotonic() - start < 20
