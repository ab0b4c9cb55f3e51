"""The command line: `python -m stade_nb prune|evaluate|sweep|diagnose`."""

import sys

from stade_nb.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
