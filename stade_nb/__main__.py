"""The command line: `python -m stade_nb prune|evaluate|sweep|diagnose`."""

import sys

from stade_nb.cli import stopping


def run() -> int:
    """Read the words and do what they ask for; returns the exit status."""
    with stopping.at_once():
        from stade_nb.cli.program import main

        status = main()
    stopping.ignore()
    return status


if __name__ == "__main__":
    sys.exit(run())
