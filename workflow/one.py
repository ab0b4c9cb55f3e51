"""One notebook on one model: run, written as a page, its verdicts printed. `make one` does this.

``python -m workflow.one table3_perplexity --model smollm2-135m --parameters mine.yaml`` leaves
the executed notebook and its page in ``build/one/table3_perplexity-smollm2-135m``. The book, its
notebooks and the verdicts of its scorecard stay as they are; finished cells are shared with them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from stade_nb.errors import StadeError, unknown
from workflow import ROOT, execute, profiles

FOLDER = ROOT / "build" / "one"


def parameters(notebook: Path, model: str | None, file: Path | None) -> dict:
    """What the run is given: a YAML file's names and values, and `model` as the only one.

    StadeError for a file that cannot be read, a name that the notebook does not take, and a model
    where it takes none.
    """
    given = {}
    if file is not None:
        try:
            given = yaml.safe_load(file.read_text("utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())
            raise StadeError(f"parameters {str(file)!r} cannot be read: {why}") from None
        if not isinstance(given, dict):
            raise StadeError(f"parameters {str(file)!r}: expected lines such as 'windows: 128'")
    if model:
        given["models"] = [model]
    takes = profiles.declared(notebook)
    if model and "models" not in takes:
        raise StadeError(f"{notebook.stem} takes no model: leave MODEL out")
    for name in given:
        if name not in takes:
            raise unknown(f"parameter of {notebook.stem}", name, takes)
    return given


def located(name: str, folder: Path = profiles.NOTEBOOKS) -> Path:
    """The notebook called `name`; StadeError, with the nearest name, where there is none."""
    known = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    stem = Path(name).name.removesuffix(".ipynb")
    if stem not in known:
        raise unknown("notebook", stem, known)
    return known[stem]


def run(notebook: Path, given: dict, folder: Path) -> tuple[Path, float]:
    """The executed notebook in `folder`, and the seconds that it took; verdicts go to `folder`."""
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError, execute_notebook

    folder.mkdir(parents=True, exist_ok=True)
    os.environ["STADE_NB_VERDICTS"] = str(folder)  # the kernel inherits it
    done, started = folder / notebook.name, time.perf_counter()
    try:
        result = execute_notebook(notebook, done, given, kernel_name="python3", cwd=ROOT)
    except (PapermillExecutionError, DeadKernelError) as error:
        raise execute.failure(notebook.name, error, done) from None
    text = json.dumps(execute.clean(result, ROOT), indent=1, ensure_ascii=False)
    done.write_text(text + "\n", "utf-8")
    return done, time.perf_counter() - started


def page(notebook: Path) -> Path | None:
    """The notebook as a page of HTML, as the book's are; None where it could not be written."""
    command = ["jupyter-book", "build", str(notebook), "--path-output", str(notebook.parent)]
    program = Path(sys.executable).with_name(command[0])
    command[0] = str(program) if program.exists() else command[0]
    log = notebook.with_suffix(".log")
    with log.open("w", encoding="utf-8") as file:
        options = ["--config", str(ROOT / "_config.yml")]
        subprocess.run([*command, *options], cwd=ROOT, stdout=file, stderr=file, check=False)
    return next(iter(sorted(notebook.parent.glob(f"_build/**/{notebook.stem}.html"))), None)


def verdicts(folder: Path) -> list[str]:
    """What a run says of each claim, a line each."""
    from stade_nb.claims import scorecard

    return [
        str(one)
        for path in sorted(folder.glob("*.json"))
        for one in scorecard.read(path.stem, folder)
    ]


def main(words: list[str] | None = None) -> int:
    """Run what `words` name; returns the exit status."""
    parser = argparse.ArgumentParser("python -m workflow.one", description=__doc__)
    parser.add_argument("notebook")
    parser.add_argument("--model", default="")
    parser.add_argument("--parameters", type=Path)
    options = parser.parse_args(words)
    try:
        notebook = located(options.notebook)
        given = parameters(notebook, options.model, options.parameters)
        tail = re.sub(r"[^\w.-]+", "-", options.model).strip("-.") if options.model else "defaults"
        folder = FOLDER / f"{notebook.stem}-{tail}"
        print(f"{notebook.stem}: threads: {os.environ.get('OMP_NUM_THREADS', 'all')}", flush=True)
        done, seconds = run(notebook, given, folder)
    except StadeError as error:
        print(error, file=sys.stderr)
        return 2
    for line in verdicts(folder):
        print(line)
    html = page(done)
    written = f"page: {html}" if html else f"no page was written, see {done.with_suffix('.log')}"
    print(f"{written}\nnotebook: {done}\n{seconds / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
