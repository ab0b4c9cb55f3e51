"""The same command again goes on where a kill has stopped it, and leaves nothing behind."""

import json
import os

import pytest
import torch

from stade_nb.cli import commands
from stade_nb.cli.program import main
from stade_nb.engine import kept
from stade_nb.models import loading

PRUNE = (
    "prune --model llama-230k --prune_method stade --sparsity_type 2:4 --nsamples 4 "
    "--window-length 32 --evaluation embedded --evaluation-windows 6 --batch-size 2 --quiet "
    "--keep-every 0.001s --save"
)
EVALUATE = (
    "evaluate --model llama-230k --evaluation-windows 6 --window-length 32 --batch-size 2 "
    "--quiet --keep-every 0.001s --out"
)


class Killed(BaseException):
    """What no handler of errors catches."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(kept.paths, "HOME", tmp_path / "home")
    return tmp_path / "home"


def kill(monkeypatch, of, steps):
    """The next run ends after so many steps of `of`."""
    left, count = of.left, []

    def stop(self, *what):
        left(self, *what)
        count.append(1)
        if len(count) == steps:
            raise Killed

    monkeypatch.setattr(of, "left", stop)


@pytest.mark.parametrize(("of", "steps"), [(kept.KeptBlocks, 2), (kept.KeptLosses, 1)])
def test_prune_goes_on(of, steps, tmp_path, home, monkeypatch, capsys):
    assert main([*PRUNE.split(), str(tmp_path / "whole")]) == 0
    assert not any((home / kept.FOLDER).iterdir())
    with monkeypatch.context() as patched:
        kill(patched, of, steps)
        with pytest.raises(Killed):
            main([*PRUNE.split(), str(tmp_path / "out")])
    assert any((home / kept.FOLDER).iterdir())
    capsys.readouterr()
    # The folder may hold the model already: it is of the same run.
    assert main([*PRUNE.split(), str(tmp_path / "out")]) == 0
    assert "going on with what is whole of" in capsys.readouterr().err
    assert not any((home / kept.FOLDER).iterdir())
    one, other = (loading.load(str(tmp_path / name))[0].state_dict() for name in ("whole", "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    reports = [json.loads((tmp_path / n / "pruning.json").read_text()) for n in ("whole", "out")]
    assert reports[0] == reports[1]


def test_prune_goes_on_where_it_was_killed_soon_after_saving(tmp_path, home, monkeypatch, capsys):
    """Sooner than anything is kept of blocks and losses; the folder holds the model."""
    words = PRUNE.replace("0.001s", "5m").split()

    def stop(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(commands, "window_losses", stop)
        with pytest.raises(Killed):
            main([*words, str(tmp_path / "out")])
    assert (tmp_path / "out" / "config.json").exists()
    assert main([*words, str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "pruning.json").read_text())["perplexity"] > 1
    assert not any((home / kept.FOLDER).iterdir())
    assert main([*words, str(tmp_path / "out")]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_of_another_run_stays_refused(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        kill(patched, kept.KeptLosses, 1)
        with pytest.raises(Killed):
            main([*PRUNE.split(), str(tmp_path / "out")])
    other = PRUNE.replace("stade", "wanda")
    assert main([*other.split(), str(tmp_path / "out")]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_that_the_killed_run_did_not_name_stays_refused(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        kill(patched, kept.KeptLosses, 1)
        with pytest.raises(Killed):
            main([*PRUNE.split(), str(tmp_path / "out")])
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text("of somebody else")
    assert main([*PRUNE.split(), str(foreign)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (foreign / "config.json").read_text() == "of somebody else"
    gguf = tmp_path / "other.gguf"
    gguf.write_text("of somebody else")
    assert main([*PRUNE.split(), str(tmp_path / "out"), "--save-gguf", str(gguf)]) == 2
    assert gguf.read_text() == "of somebody else"


def test_evaluate_goes_on(tmp_path, home, monkeypatch):
    assert main([*EVALUATE.split(), str(tmp_path / "whole.json")]) == 0
    with monkeypatch.context() as patched:
        kill(patched, kept.KeptLosses, 2)
        with pytest.raises(Killed):
            main([*EVALUATE.split(), str(tmp_path / "out.json")])
    assert main([*EVALUATE.split(), str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "whole.json").read_text()) == json.loads(
        (tmp_path / "out.json").read_text()
    )
    assert not any((home / kept.FOLDER).iterdir())


def test_what_another_run_saved_meanwhile_stays(tmp_path, monkeypatch, capsys):
    """Killed before anything of it lay there, a run finds another one's model when it goes on."""

    def stop(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(commands.saving, "save", stop)
        with pytest.raises(Killed):
            main([*PRUNE.split(), str(tmp_path / "out")])
    other = PRUNE.replace("stade", "wanda")
    assert main([*other.split(), str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main([*PRUNE.split(), str(tmp_path / "out")]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "pruning.json").read_text())["method"] == "wanda"


def test_what_is_half_moved_is_saved_again(tmp_path, monkeypatch):
    """Killed between the weights and the configuration, which makes a folder a model."""
    replace = commands.saving.os.replace

    def stop(source, target):
        if os.path.realpath(target) == str(tmp_path / "out" / "config.json"):
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(commands.saving.os, "replace", stop)
        with pytest.raises(Killed):
            main([*PRUNE.split(), str(tmp_path / "out")])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "model.safetensors" in names and "config.json" not in names
    assert main([*PRUNE.split(), str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "config.json").exists()


def test_what_nobody_goes_on_with_is_removed_in_time(home, monkeypatch):
    old, new = home / kept.FOLDER / "old", home / kept.FOLDER / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "losses.safetensors").write_bytes(b"0")
    past = kept.time.time() - kept.OLD - 60
    for path in (old / "losses.safetensors", old, new):  # the file of the new one is of today
        os.utime(path, (past, past))
    kept.clear_old()
    assert new.is_dir() and not old.exists()
