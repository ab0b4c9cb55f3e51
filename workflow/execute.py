"""Run one notebook with the parameters of a profile, as `make book` does.

``python -m workflow.execute notebooks/bias.ipynb --profile smoke`` leaves the executed notebook in
``book/notebooks``, its printed output in ``build/logs`` and, where a cell fails, the notebook as
far as it came in ``build/failed``. With ``--timings`` alone it writes ``build/timings.json`` and
``build/timings.csv``, and ``build/minutes.csv`` for other models and machines.
"""

import csv
import json
import logging
import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from stade_nb.errors import StadeError
from stade_nb.files import try_folder
from workflow import ROOT, Words, profiles, status_of

# Below the checkout.
EXECUTED = Path("book", "notebooks")
BUILD = Path("build")
ERROR_LINES = 12


def _log_to(path: Path) -> None:
    """Send what papermill reports, the cells' printed output included, to a file."""
    try_folder(path.parent)
    logger = logging.getLogger("papermill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.FileHandler(path, mode="w", encoding="utf-8"))


def failure(notebook: str, error: Exception, kept: Path) -> StadeError:
    """What went wrong where, from papermill's or the kernel's error.

    A StadeError of a cell says all there is to say: its message alone. Of another error the last
    lines of the traceback follow.
    """
    where = f"cell {error.cell_index}" if hasattr(error, "cell_index") else "the kernel"
    as_far = f"the notebook as far as it came is in {kept}"
    if getattr(error, "ename", "") == StadeError.__name__:
        return StadeError(f"{notebook}, {where}: {' '.join(error.evalue.split())}; {as_far}")
    traceback = getattr(error, "traceback", None) or [str(error)]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traceback)).rstrip().splitlines()
    return StadeError(
        f"{notebook}: {where} failed; {as_far}. "
        "The error's last lines:\n" + "\n".join(f"    {line}" for line in plain[-ERROR_LINES:])
    )


def clean(notebook: dict, root: Path) -> dict:
    """`notebook` as a reader downloads it: without what only the machine that ran it has to say.

    Progress bars and warnings (stderr) go, they are in the log; so do papermill's and the kernel's
    clocks; a path below `root` is written from there.
    """
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        for name in ("papermill", "execution"):
            cell["metadata"].pop(name, None)
        if "outputs" in cell:
            cell["outputs"] = [one for one in cell["outputs"] if one.get("name") != "stderr"]
    here = json.dumps(str(root))[1:-1]
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    return json.loads(text.replace(f"{here}/", "").replace(here, "."))


def execute(
    notebook: Path,
    profile: str,
    progress: bool = False,
    root: Path = ROOT,
    part: dict | None = None,
    name: str | None = None,
) -> Path:
    """Run `notebook` and return the path of the executed copy, written only when all cells ran.

    root: the checkout that the notebook belongs to. part: parameters beside the profile's, for a
    run of a part of the notebook's cells alone; its copy is no page of the book and goes to
    build/parts. name: of the copy, if not the notebook's own.

    Raises StadeError naming the cell that failed.
    """
    from papermill import PapermillExecutionError, execute_notebook

    folder = root / profiles.NOTEBOOKS.name
    runs = profiles.load(profile, folder)
    if notebook.resolve().parent != folder.resolve() or notebook.stem not in runs:
        raise StadeError(f"{notebook} is no notebook of {folder}")
    run, name = runs[notebook.stem], name or notebook.stem
    run = run | {"parameters": run["parameters"] | (part or {})}
    _log_to(root / BUILD / "logs" / f"{name}.log")
    if run["offline"]:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the kernel inherits it
    # The kernel inherits this, too: the scorecard shows what the book's own pages found.
    os.environ.setdefault("STADE_NB_VERDICTS", str(root / BUILD / "verdicts"))
    kept_in = BUILD / "parts" if part else EXECUTED
    running, failed, done = (
        root / each / f"{name}.ipynb" for each in (BUILD / "running", BUILD / "failed", kept_in)
    )
    for path in (running, failed, done):
        try_folder(path.parent)
    started, clock = datetime.now(UTC), time.perf_counter()
    try:
        result = execute_notebook(
            notebook,
            running,
            parameters=run["parameters"],
            kernel_name="python3",
            log_output=True,
            progress_bar={"desc": notebook.stem} if progress else False,
            cwd=root,
        )
    except (PapermillExecutionError, RuntimeError) as error:
        kept = running.replace(failed).relative_to(root)
        raise failure(notebook.name, error, kept) from None
    result.metadata["stade_nb"] = run | {
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
    }
    kept = json.dumps(clean(result, root), indent=1, ensure_ascii=False)
    running.write_text(kept + "\n", "utf-8")
    return running.replace(done)


def timings(root: Path = ROOT) -> dict[str, dict]:
    """When, how and how long each executed notebook ran, from the notebooks' own metadata."""
    read = {
        path.stem: json.loads(path.read_text("utf-8")) for path in (root / EXECUTED).glob("*.ipynb")
    }
    return {name: read[name]["metadata"]["stade_nb"] for name in sorted(read)}


def write_timings(root: Path = ROOT) -> None:
    """Write ``build/timings.json``, and the same as a table for the book: ``build/timings.csv``."""
    runs, build = timings(root), root / BUILD
    build.mkdir(exist_ok=True)
    (build / "timings.json").write_text(json.dumps(runs, indent=1) + "\n", "utf-8")
    with (build / "timings.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["notebook", "profile", "started", "seconds"])
        for name, run in runs.items():
            table.writerow([name, run["profile"], run["started"], f"{run['seconds']:.0f}"])


def _run(notebook: Path, profile: str, progress: bool) -> None:
    """Run a notebook, and say when it begins and ends."""
    name = notebook.stem
    print(f"{name}: running, printed output goes to build/logs/{name}.log", flush=True)
    executed = execute(notebook, profile, progress)
    run = json.loads(executed.read_text("utf-8"))["metadata"]["stade_nb"]
    print(f"{name}: done in {run['seconds']} s", flush=True)


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Words(prog="python -m workflow.execute", description=__doc__)
    parser.add_argument("notebook", type=Path, nargs="?")
    parser.add_argument("--profile", default="embedded")
    parser.add_argument("--progress", action="store_true", help="show a bar of the cells done")
    parser.add_argument("--timings", action="store_true", help="write build/timings.json and .csv")
    given = parser.parse_args(words)
    if not given.notebook and not given.timings:
        parser.error("expected a notebook, such as notebooks/bias.ipynb, or --timings")
    status = 0
    if given.notebook:
        status = status_of("execute", lambda: _run(given.notebook, given.profile, given.progress))
    if given.timings and not status:
        from workflow import minutes  # torch takes seconds

        status = status_of("execute", write_timings) or status_of("execute", minutes.write)
    return status


if __name__ == "__main__":
    sys.exit(main())
