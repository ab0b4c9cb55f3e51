"""What a page's numbers were made with, shown at its end."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import pandas
import torch
from IPython.display import HTML

from stade_book.pages import STARTED, html
from stade_nb import __version__
from stade_nb.paths import CHECKOUT

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pandas", "scipy", "matplotlib")


def commit() -> str:
    """The project's git commit, with a note where files differ from it; "not recorded" without."""
    if CHECKOUT is None:
        return f"not recorded (stade-nb {__version__}, installed as a package)"

    complaints = []

    def git(*words: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(CHECKOUT), *words],
            capture_output=True,
            text=True,
            env=os.environ | {"LC_ALL": "C"},  # its complaints are looked at, in English
        )
        complaints.append(run.stderr)
        return run.stdout.strip() if run.returncode == 0 else ""

    try:
        found, changed = git("rev-parse", "HEAD"), git("status", "--porcelain", "-uno")
    except FileNotFoundError:
        return "not recorded (no git here)"
    if not found and "dubious ownership" in complaints[0]:
        return (
            "not recorded (git refuses a checkout of another owner: git config --global --add "
            "safe.directory FOLDER)"
        )
    return (found + (" with changes" if changed else "")) or "not recorded (no git repository)"


def processor(device: str) -> str:
    """The hardware behind a device name."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.machine()}, threads: {torch.get_num_threads()})"


def versions() -> str:
    """Python and the packages that numbers depend on."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} absent")
    return ", ".join(found)


def shown(records: pandas.DataFrame | None = None, folder: str = "", **facts) -> HTML:
    """The facts of a page, one a row, and then date, hardware, versions and commit.

    records: a row for each cell that the page shows, and its record, for a table that
    opens when asked. folder: where the records' files are.
    """
    device = str(facts.pop("device", "cpu"))
    rows = {name.replace("_", " "): str(value) for name, value in facts.items()} | {
        "device": processor(device),
        "run time": f"{time.monotonic() - STARTED:.0f} s, without what was on disk already",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions(),
        "commit": commit(),
    }
    table = pandas.DataFrame(rows.items(), columns=["what", "value"])
    shown = html.table(table, caption="What the numbers of this page were made with.")
    return shown if records is None else HTML(shown.data + folded(records, folder))


def folded(records: pandas.DataFrame, folder: str) -> str:
    """`records` behind a line to click: which file each number of the page was read from."""
    caption = f"Each number is read from the file {folder}/<record>*.json."
    heading = f"<summary>Records of {len(records)} cells</summary>"
    table = html.table(records, caption=caption).data
    return f'<details class="records">{heading}\n{table}</details>'
