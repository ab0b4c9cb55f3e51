"""Take finished records over into data/results: `python -m workflow.ship FOLDER --threads 1`."""

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from stade_nb.engine import shipped
from stade_nb.errors import StadeError


def main(words: list[str] | None = None) -> int:
    """Ship every record of a folder; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workflow.ship", description=__doc__)
    parser.add_argument("folder", type=Path, help="where a sweep kept its records")
    parser.add_argument("--threads", type=int, required=True, help="that computed them")
    arguments = parser.parse_args(words)
    for path in sorted(arguments.folder.glob("*.json")):
        day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
        computed = {"date": day, "threads": arguments.threads, "processor": platform.machine()}
        try:
            print(shipped.ship(path, computed))
        except StadeError as error:
            print(f"workflow.ship: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
