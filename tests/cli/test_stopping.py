"""Ctrl-C and SIGTERM at chosen moments: one line, a shell's exit status, finished work kept."""

import os
import signal
import subprocess
import sys

import pytest

from stade_nb.cli import stopping
from stade_nb.cli.program import main
from workflow import ROOT

# The program in a process that gets a signal in the middle of importing one module, or of one call.
WHILE_IMPORTING = """
import os, runpy, signal, sys

class Sender:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Sender())
sys.argv = ["stade_nb", *{words!r}]
runpy.run_module("stade_nb", run_name="__main__", alter_sys=True)
"""
WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
}


@pytest.fixture(autouse=True)
def answering():
    """No signal is ignored, as Ctrl-C is behind a shell's &, and a closed terminal by nohup."""
    usual = dict.fromkeys(WORDS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    earlier = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


def stopped(script, tmp_path):
    """Exit status and the lines on stderr of a process that runs the script."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("stade_nb.cli.program", signal.SIGINT),
        ("torch", signal.SIGTERM),
        ("transformers", signal.SIGINT),
        ("transformers.models.llama.modeling_llama", signal.SIGTERM),
        ("transformers.models.llama.configuration_llama", signal.SIGINT),
    ],
)
@pytest.mark.slow
def test_a_signal_while_a_module_is_imported_ends_in_one_line(tmp_path, workplace, module, number):
    words = ["evaluate", "--model", str(workplace / "model"), "--device", "cpu", "--quiet"]
    words += ["--evaluation", str(workplace / "evaluation.npy")]
    script = WHILE_IMPORTING.format(module=module, number=int(number), words=words)
    status, said = stopped(script, tmp_path)
    assert status == 128 + number
    assert len(said) == 1 and said[0].startswith(f"stade_nb: {WORDS[number]}")
    assert not list(tmp_path.glob("*.log"))


@pytest.fixture
def sweep(workplace, tmp_path):
    words = ["sweep", "--model", str(workplace / "model"), "--methods", "dense,magnitude"]
    words += ["--patterns", "0.5", "--device", "cpu", "--quiet"]
    words += ["--evaluation", str(workplace / "evaluation.npy")]
    words += ["--calibration", str(workplace / "calibration.npy")]
    return [*words, "--results-dir", str(tmp_path / "results")]


@pytest.mark.parametrize("number", WORDS)
def test_a_signal_at_work_leaves_what_is_finished(capsys, sweep, tmp_path, monkeypatch, number):
    """It comes when the first record has been written; the next run computes only the other."""
    from stade_nb.engine import records

    write, written = records.write, []

    def interrupted(*args, **options):
        written.append(write(*args, **options))
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(records, "write", interrupted)
        assert main(sweep) == 128 + number
    said = capsys.readouterr()
    assert said.err == (f"stade_nb: {WORDS[number]}; the same command goes on with what is kept\n")
    kept = sorted((tmp_path / "results").iterdir())
    assert kept == written and len(kept) == 1
    before = kept[0].read_bytes()
    assert main(sweep) == 0
    assert kept[0].read_bytes() == before
    assert len(list((tmp_path / "results").iterdir())) == 2


def test_an_error_that_a_library_made_of_the_signal_is_no_error(capsys, sweep, monkeypatch):
    """As transformers does: "Could not import module LlamaConfig"."""
    from stade_nb.cli import commands

    def converting(*_, **__):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):  # Python answers between two steps
                pass
        except BaseException as error:
            raise ModuleNotFoundError("Could not import module 'LlamaConfig'") from error

    monkeypatch.setattr(commands, "engine_sweep", converting)
    assert main(sweep) == 130
    assert capsys.readouterr().err.startswith("stade_nb: interrupted; the same command goes on")


def test_a_signal_during_imports_ends_the_process_though_nobody_can_read_why():
    code = (
        "import os, signal\nfrom stade_nb.cli import stopping\nos.close(2)\n"
        "with stopping.at_once():\n    os.kill(os.getpid(), signal.SIGTERM)\n    os._exit(1)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 143


def test_afterwards_signals_are_answered_as_before(sweep):
    before = [signal.getsignal(number) for number in WORDS]
    assert main(sweep) == 0
    assert [signal.getsignal(number) for number in WORDS] == before
    assert stopping.came() is None


def test_a_signal_that_was_ignored_stays_ignored(monkeypatch):
    """As nohup and a shell's & have it."""
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.at_work():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, earlier)
