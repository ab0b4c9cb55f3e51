"""The whole book as one PDF: ``python -m workflow.pdf``, after `make book`. `make pdf` does both.

The executed notebooks and the other pages become one page of HTML, which a Chromium without a
window prints. Nothing is fetched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stade_nb.errors import StadeError
from workflow import ROOT, Words, status_of

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TARGET = ROOT / "book" / "_build" / "stade.pdf"
LOG = ROOT / "build" / "pdf.log"
MINUTES = 30


def browser() -> str:
    """A browser that prints; StadeError where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise StadeError(f"a PDF needs a browser, one of {', '.join(BROWSERS)}: install one")
    return found


def logged(command: list[str], **environment: str) -> None:
    """Run `command` with its output in the log; StadeError where it fails."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a", encoding="utf-8") as file:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=file,
            stderr=file,
            timeout=60 * MINUTES,
        )
    if done.returncode:
        raise StadeError(f"{Path(command[0]).name} failed: see {LOG.relative_to(ROOT)}")


def single_page(folder: Path) -> Path:
    """The book as one page of HTML in `folder`."""
    tools = Path(sys.executable).parent
    logged(
        ["jupyter-book", "build", "book", "--path-output", str(folder), "--config", "_config.yml",
         "--builder", "custom", "--custom-builder", "singlehtml"],
        PATH=f"{tools}{os.pathsep}{os.environ['PATH']}", COLUMNS="98",
    )  # fmt: skip
    return folder / "_build" / "singlehtml" / "index.html"


def write(target: Path = TARGET) -> Path:
    """Print the book into `target`."""
    chromium = browser()
    LOG.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = single_page(Path(folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        # Equations are set by a script: the page's clock runs until they are.
        logged(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
             f"--user-data-dir={folder}/user", f"--virtual-time-budget={60_000 * MINUTES}",
             f"--print-to-pdf={target}", page.as_uri()]
        )  # fmt: skip
    return target


def main(words: list[str] | None = None) -> int:
    """Print the book; returns the exit status."""
    Words(prog="python -m workflow.pdf", description=__doc__).parse_args(words)
    return status_of("pdf", lambda: print(f"The book on paper: {write().relative_to(ROOT)}"))


if __name__ == "__main__":
    sys.exit(main())
