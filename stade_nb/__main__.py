"""The command line: `python -m stade_nb prune|evaluate|sweep|diagnose`."""

import sys
import warnings

from stade_nb.cli import stopping
from stade_nb.errors import StadeError


def run() -> int:
    """Read the words and do what they ask for; returns the exit status."""
    with stopping.at_once():
        try:
            from stade_nb.cli.program import in_one_line, main
        except StadeError as error:  # of a folder that the environment names
            print(f"stade_nb: {error}", file=sys.stderr)
            return 2
        warnings.formatwarning = in_one_line
        status = main()
    stopping.ignore()
    return status


if __name__ == "__main__":
    sys.exit(run())
