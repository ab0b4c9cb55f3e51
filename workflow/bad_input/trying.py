"""Bad input is given, in a folder of its own, and what comes of it is written down."""

import contextlib
import hashlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from workflow import ROOT
from workflow.bad_input.row import Row

# Seconds, of computing and by the clock, after which an answer is not waited for.
LIMITS = {signal.ITIMER_PROF: 20, signal.ITIMER_REAL: 60}


@dataclass(frozen=True)
class Outcome:
    """What a row came to: the lines said on stderr (of Python: the error), the others on stdout.

    status: of the process, None for Python. remains: what is new, changed or gone in the folder.
    """

    said: tuple[str, ...]
    shown: tuple[str, ...]
    status: int | None
    remains: tuple[str, ...]

    @property
    def line(self) -> str:
        """All that was said, in one line."""
        return " ".join(self.said)


def attempt(row: Row, template: Path) -> Outcome:
    """Try a row in a copy of `template`, see `stage.build`."""
    with tempfile.TemporaryDirectory() as made:
        place, home = Path(made).resolve() / "place", Path(made).resolve() / "home"
        shutil.copytree(template, place)
        home.mkdir()
        if row.change:
            row.change(place)
        before = _listed(place)
        with _surroundings(place, home), _captured(row.output) as heard:
            status = _python(row) if row.is_python else _command(row)
        remains = _differences(before, _listed(place))
        said, shown = (_without_places(text, place, home) for text in (heard.err, heard.out))
        return Outcome(said, shown, status, remains)


def _command(row: Row) -> int:
    """Do what a shell does with the words; returns the exit status."""
    program, *words = shlex.split(row.given)
    try:
        if program == "papermill":
            return _papermill(words)
        if program == "make":
            return _make(words)
        if program.startswith("workflow."):
            return _step(program, words)
        from stade_nb.cli.program import main

        quiet = ["--quiet"] if program in ("evaluate", "prune", "sweep") else []
        return main([program, *quiet, *words])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


def _python(row: Row) -> None:
    """Evaluate an expression as a script would, with a model and its windows at hand."""
    import numpy as np
    import torch

    import stade_nb as snb

    model, _ = snb.load("model")
    ids = torch.from_numpy(np.load("ids.npy"))
    try:
        eval(row.given, {"snb": snb, "model": model, "ids": ids, "torch": torch})
    except snb.StadeError as error:
        print(f"StadeError: {error}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()


def _papermill(words: list[str]) -> int:
    """Papermill reads its words; the notebook's second cell checks what they hand over."""
    from papermill import cli

    from stade_book.pages import parameters
    from stade_nb.errors import StadeError
    from workflow.profiles import defaults

    handed = {}
    with mock.patch.object(cli, "execute_notebook", lambda **given: handed.update(given)):
        cli.papermill.main(words, standalone_mode=False)
    notebook = Path(handed["input_path"])
    try:
        given = defaults(ROOT / notebook) | handed["parameters"]
        parameters.checked(given, notebook.stem)
    except StadeError as error:  # papermill shows it below the traceback of the cell, status 1
        print(f"StadeError: {error}", file=sys.stderr)
        return 1
    return 0


def _make(words: list[str]) -> int:
    """Run make in the checkout, with nothing of a make that runs this.

    With -n: a row that is not refused, as it should be, is planned and not done.
    """
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    outer |= {"CPUS", "GEMMA", "JOBS", "PROFILE", "PYTHON", "UPGRADE", "VENV"}
    kept = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(["make", "-n", *words], cwd=ROOT, env=kept, check=False).returncode


def _step(program: str, words: list[str]) -> int:
    """`python -m workflow.NAME`."""
    from importlib import import_module

    return import_module(program).main(words)


@contextlib.contextmanager
def _surroundings(place: Path, home: Path) -> Iterator[None]:
    """Work in `place`, without the hub, with `home` for caches, for at most LIMITS."""
    from huggingface_hub import constants

    from stade_nb import paths

    def late(*_: object) -> None:
        raise TimeoutError("no answer in time")

    ends = [signal.SIGPROF, signal.SIGALRM]
    before = [signal.signal(end, late) for end in ends]
    for timer, seconds in LIMITS.items():
        signal.setitimer(timer, seconds)
    try:
        with (
            contextlib.chdir(place),
            mock.patch.object(paths, "HOME", home),
            mock.patch.object(constants, "HF_HUB_OFFLINE", True),
            mock.patch.dict(os.environ, {"HF_HUB_OFFLINE": "1", "STADE_NB_HOME": str(home)}),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("default")
            yield
    finally:
        for timer in LIMITS:
            signal.setitimer(timer, 0)
        for end, handler in zip(ends, before, strict=True):
            signal.signal(end, handler)


@contextlib.contextmanager
def _captured(encoding: str) -> Iterator[SimpleNamespace]:
    """Yields what gets `out` and `err`: all that went there, that of libraries in Rust included."""
    heard = SimpleNamespace(out="", err="")
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = [os.dup(1), os.dup(2)]
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        streams = [
            io.TextIOWrapper(os.fdopen(os.dup(number), "wb"), encoding, write_through=True)
            for number in (1, 2)
        ]
        try:
            with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
                yield heard
        finally:
            for number, copy in enumerate(kept, 1):
                os.dup2(copy, number)
                os.close(copy)
            for stream in streams:
                stream.close()
            for name, file in (("out", out), ("err", err)):
                file.seek(0)
                setattr(heard, name, file.read().decode("utf-8", "backslashreplace"))


def _without_places(text: str, place: Path, home: Path) -> tuple[str, ...]:
    """The lines of `text`, without the folders of this machine."""
    packages = Path(contextlib.__file__).parent
    named = {
        f"{place}/": "",
        str(place): ".",
        str(home): "build",  # what it is in a checkout
        f"{ROOT}/": "",
        str(ROOT): ".",
        f"{packages}/": "",
        str(Path.home()): "~",
    }
    for path in sys.path:
        if path.endswith("site-packages"):
            named[f"{path}/"] = ""
    for path in sorted(named, key=len, reverse=True):
        text = text.replace(path, named[path])
    text = re.sub(r"^Makefile:\d+: ", "Makefile: ", text, flags=re.M)
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())


def _listed(place: Path) -> dict[str, str]:
    """What there is: SHA-256 of each file, and the kind of everything else, by path."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_dir():
            found[f"{name}/"] = "folder"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "other"
    return found


def _differences(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    new = [name for name in after if name not in before]
    changed = [
        f"{name} changed" for name in before if after.get(name, before[name]) != before[name]
    ]
    lost = [f"{name} gone" for name in before if name not in after]
    return (*new, *changed, *lost)
