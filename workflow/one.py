"""One notebook on one model: run, written as a page, its verdicts printed. `make one` does this.

``python -m workflow.one table3_perplexity --model smollm2-135m --parameters mine.yaml`` leaves
the executed notebook and its page in ``build/one/table3_perplexity-smollm2-135m``. The book, its
notebooks and the verdicts of its scorecard stay as they are; finished cells are shared with them.
What an earlier run has left there is replaced when a run ends well. A failed one leaves its
notebook, as far as it came, in the folder ``failed`` there.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from filelock import FileLock, Timeout

from stade_nb.errors import StadeError, unknown
from stade_nb.files import try_folder
from workflow import ROOT, Words, execute, one_fits, profiles, status_of
from workflow.one_fits import refused
from workflow.one_page import link, page

if TYPE_CHECKING:  # the import takes seconds
    from stade_book.claims.verdicts import Verdict

FOLDER = ROOT / "build" / "one"
# Below the folder of a notebook and a model.
RUNNING, FAILED = "running", "failed"


def parameters(notebook: Path, model: str | None, file: Path | None) -> dict:
    """What the run is given: a YAML file's names and values, and `model` as the only one.

    Where a page looks at an example's layers one by one, that is `model` too.

    StadeError for a file that cannot be read, a name that the notebook does not take, and a model
    where it takes none. `check` looks at the values.
    """
    given = {}
    if file is not None:
        try:
            given = yaml.safe_load(file.read_text("utf-8")) or {}
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())
            raise StadeError(f"parameters {str(file)!r} cannot be read: {why}") from None
        if not isinstance(given, dict):
            raise StadeError(f"parameters {str(file)!r}: expected lines such as 'windows: 128'")
    takes = profiles.declared(notebook)
    of_models = {"models": [model], "model": model, "example": model}
    named = {name: value for name, value in of_models.items() if name in takes}
    if model and not named:
        raise refused(notebook.stem, f"{notebook.stem} takes no model: leave MODEL out")
    given |= named if model else {}
    for name in given:
        if name not in takes:
            raise unknown(f"parameter of {notebook.stem}", name, takes)
    return given


def check(notebook: Path, given: dict) -> None:
    """StadeError, before anything is computed, for a value that the notebook would refuse.

    Models, texts and the device are looked for as well; of a page of records alone, the records.
    """
    from stade_book.pages import parameters
    from stade_nb.models import loading, texts  # torch takes seconds

    values = parameters.checked(profiles.defaults(notebook) | given, notebook.stem)
    if hasattr(values, "device"):
        loading.check_device(values.device)
    with contextlib.chdir(ROOT):  # as in `run`: a relative path is a folder or a file from there
        one_fits.check(notebook.stem, values)
        for use in ("calibration", "evaluation"):
            if hasattr(values, use):
                texts.check_source(getattr(values, use), use)


def located(name: str) -> Path:
    """The notebook called `name`; StadeError, with the nearest name, where there is none."""
    known = {path.stem: path for path in sorted(profiles.NOTEBOOKS.glob("*.ipynb"))}
    stem = Path(name).name.removesuffix(".ipynb")
    if stem not in known:
        raise unknown("notebook", stem, known)
    return known[stem]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder` against another run of the same page and model: StadeError where one goes on.

    The lock ends with the process, however that ends.
    """
    try_folder(folder.parent)
    try:
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
            yield
    except Timeout:
        raise StadeError(
            f"another run of {folder.name} goes on: wait until it ends, or stop it"
        ) from None


def run(notebook: Path, given: dict, folder: Path) -> Path:
    """The executed notebook; it and its verdicts are in RUNNING.

    Nothing else in `folder` is touched, but for FAILED: StadeError says that the notebook is there.
    """
    from papermill import PapermillExecutionError, execute_notebook

    running, failed = folder / RUNNING, folder / FAILED
    shutil.rmtree(running, ignore_errors=True)  # what a killed run may have left
    try_folder(running)
    os.environ["STADE_NB_VERDICTS"] = str(running)  # the kernel inherits it
    done = running / notebook.name
    try:
        result = execute_notebook(notebook, done, given, kernel_name="python3", cwd=ROOT)
    except (PapermillExecutionError, RuntimeError) as error:
        try_folder(failed)
        kept = done.replace(failed / notebook.name)
        shutil.rmtree(running)
        raise execute.failure(notebook.name, error, kept) from None
    text = json.dumps(execute.clean(result, ROOT), indent=1, ensure_ascii=False)
    done.write_text(text + "\n", "utf-8")
    return done


def settle(folder: Path) -> None:
    """Move what a run has left in RUNNING to `folder`, in the place of an earlier run's."""
    # An earlier page would be of another notebook than the one beside it, even without a new page.
    for gone in ("_build", FAILED):
        shutil.rmtree(folder / gone, ignore_errors=True)
    for path in sorted((folder / RUNNING).iterdir()):
        path.replace(folder / path.name)
    (folder / RUNNING).rmdir()


def main(words: list[str] | None = None) -> int:
    """Run what `words` name; returns the exit status."""
    parser = Words(prog="python -m workflow.one", description=__doc__)
    parser.add_argument("notebook")
    parser.add_argument("--model", default="")
    parser.add_argument("--parameters", type=Path)
    options = parser.parse_args(words)
    return status_of(None, lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    """Run a notebook, write its page, and say what came out and how long all of it took."""
    started = time.perf_counter()
    notebook = located(options.notebook)
    given = parameters(notebook, options.model, options.parameters)
    check(notebook, given)
    tail = re.sub(r"[^\w.-]+", "-", options.model).strip("-.") if options.model else "defaults"
    folder = FOLDER / f"{notebook.stem}-{tail}"
    with alone(folder):
        print(f"{notebook.stem}: threads: {os.environ.get('OMP_NUM_THREADS', 'all')}", flush=True)
        done = run(notebook, given, folder)
        html = page(done)
        settle(folder)
        html = html and folder / html.relative_to(done.parent)
        if html:
            link(html)
    say(done.stem, folder, html)
    print(elapsed(time.perf_counter() - started))


def elapsed(seconds: float) -> str:
    """A time as a clock shows it, in seconds below two minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} minutes"


def say(name: str, folder: Path, html: Path | None) -> None:
    """Print what a run says of the paper's claims, and where its page and its notebook are."""
    from stade_book.claims import scorecard

    files = sorted(folder.glob("*.json"))
    found = [verdict for file in files for verdict in scorecard.read(file.stem, folder)]
    none = f"{name} decides no claim of the paper: what this run found is in the tables of its page"
    width = shutil.get_terminal_size().columns
    if zeros := loaded_zeros(folder / f"{name}.ipynb"):
        print(_wrapped(f"as loaded, some weights are zero: {zeros}", width))
    print(told(found, width) or none)
    print(f"page: {html}" if html else f"no page was written, see {folder / f'{name}.log'}")
    print(f"notebook: {folder / f'{name}.ipynb'}")


def loaded_zeros(notebook: Path) -> str:
    """What the last table of an executed notebook says of zeros that a model came with, or ""."""
    from stade_book.pages.tables.perplexity import ZEROS

    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    shown = [one.get("data", {}) for cell in cells for one in cell.get("outputs", [])]
    tables = ("".join(one.get("text/html", "")) for one in shown)
    found = re.findall(rf"<td>{ZEROS}</td>\s*<td>(.*?)</td>", "\n".join(tables), re.DOTALL)
    return unescape(found[-1]).replace("\N{NO-BREAK SPACE}", " ") if found else ""


def told(found: "list[Verdict]", width: int) -> str:
    """Verdicts as a terminal of `width` columns shows them, those on the models of the run first.

    Of those by records only how many there are: a page of records alone has no others, and says
    them all.
    """
    from stade_book.claims.verdicts import RECORDS, RUNS

    own = [verdict for verdict in found if verdict.by != RECORDS]
    own.sort(key=lambda verdict: (verdict.by != RUNS, not verdict.count.total))
    parts = [_verdict(verdict, width) for verdict in own or found]
    earlier = [verdict for verdict in found if own and verdict.by == RECORDS]
    if earlier:
        where = dict.fromkeys(name for verdict in earlier for name in verdict.where.split(", "))
        models = ", ".join(filter(None, where)) or "other models"
        text = f"by records of {models}, computed earlier: {len(earlier)} more, on the page"
        parts.append(_wrapped(text, width))
    return "\n".join(parts)


def _verdict(verdict: "Verdict", width: int) -> str:
    """The word and the claim, and below them a line for each count."""
    counts = str(verdict.count)
    head = str(verdict).removesuffix(f": {counts}")
    below = [_wrapped(part, width, "  ") for part in counts.split("; ") if part]
    return "\n".join([_wrapped(head, width), *below])


def _wrapped(text: str, width: int, indent: str = "") -> str:
    further = f"{indent}    "
    return textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    sys.exit(main())
