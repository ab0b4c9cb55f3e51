"""What runs the notebooks and keeps the checkout in order; no part of the packages."""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from stade_nb.errors import StadeError, Words

ROOT = Path(__file__).resolve().parents[1]


def study_words(name: str, about: str | None) -> Words:
    """The words that the command of every study has: the model, the device, where the record goes.

    about: the command's docstring, shown as it is.
    """
    parser = Words(
        prog=f"python -m workflow.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    return parser


GOES_ON = "cells with a record are kept, and the same command goes on"


def status_of(step: str | None, work: Callable[[], object], kept: str = GOES_ON) -> int:
    """The exit status of `work`: 0, or 2 where it ends in bad input, said in one line on stderr.

    And 130 where Ctrl-C ends it. step: named before the line, if it is not `make` that was called.
    kept: what is left of an interrupted one, in words.
    """
    named = f"python -m workflow.{step}: " if step else ""
    try:
        work()
    except (StadeError, OSError) as error:
        print(f"{named}{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # What papermill leaves of its tasks would be reported with tracebacks.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        print(f"{named}interrupted; {kept}", file=sys.stderr)
        return 130
    return 0
