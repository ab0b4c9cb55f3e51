"""The command line of a study that reads a calibration text once with the dense model."""

import argparse
from collections.abc import Callable
from pathlib import Path

from workflow import Words, status_of


def run(name: str, about: str | None, measure: Callable[..., Path], words: list[str] | None) -> int:
    """Measure one model and print the record's path; returns the exit status.

    measure: (model, text, (windows, tokens in each), device, folder) -> the path.
    """
    parser = Words(
        prog=f"python -m workflow.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--calibration", default="c4_documents.txt")
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder for the record")
    given = parser.parse_args(words)

    def measured() -> None:
        size = given.windows, given.length
        print(measure(given.model, given.calibration, size, given.device, given.out))

    return status_of(name, measured)
