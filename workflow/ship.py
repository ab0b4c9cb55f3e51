"""Take finished records over into data/results: `python -m workflow.ship FOLDER --threads 1`.

Of records that a GPU computed `--processor` says which: "NVIDIA H100 80GB HBM3".
"""

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from stade_book.studies import shipped
from stade_nb.errors import StadeError
from workflow import Words, status_of


def _ship(folder: Path, threads: int, processor: str) -> None:
    """Ship every record. StadeError for fewer threads than 1, and where there is no record."""
    if threads < 1:
        raise StadeError(f"--threads {threads}: expected 1 or more, as many as computed them")
    records = sorted(folder.glob("*.json"))
    if not records:
        raise StadeError(f"folder {str(folder)!r} holds no records: expected a sweep's results-dir")
    for path in records:
        day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
        computed = {"date": day, "threads": threads, "processor": processor}
        print(shipped.ship(path, computed))


def main(words: list[str] | None = None) -> int:
    """Ship every record of a folder; returns the exit status."""
    parser = Words(prog="python -m workflow.ship", description=__doc__)
    parser.add_argument("folder", type=Path, help="where a sweep kept its records")
    parser.add_argument("--threads", type=int, required=True, help="that computed them")
    parser.add_argument("--processor", default=platform.machine(), help="that computed them")
    given = parser.parse_args(words)
    return status_of("ship", lambda: _ship(given.folder, given.threads, given.processor))


if __name__ == "__main__":
    sys.exit(main())
