"""The command line of a study that reads a calibration text once with the dense model."""

import argparse
from collections.abc import Callable
from pathlib import Path

from stade_book.studies.measured import LENGTH, TEXTS, WINDOWS
from stade_nb.files import try_folder
from workflow import Words, status_of, study_words

AT_ONCE = "nothing of a model is kept before all of it is measured"


def asked(name: str, about: str | None) -> Words:
    """The words of such a study: those of every study, the text and its windows."""
    parser = study_words(name, about)
    parser.add_argument("--calibration", default=TEXTS[0])
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--length", type=int, default=LENGTH)
    return parser


def run(name: str, about: str | None, measure: Callable[..., Path], words: list[str] | None) -> int:
    """Measure one model and print the record's path; returns the exit status.

    measure: (model, text, (windows, tokens in each), device, folder) -> the path.
    """
    return measured(name, asked(name, about).parse_args(words), measure)


def measured(name: str, given: argparse.Namespace, measure: Callable[..., Path]) -> int:
    """As `run`, for the words that `asked` and perhaps others have `given`."""

    def work() -> None:
        size = given.windows, given.length
        try_folder(given.out)  # before the work, whose record comes at its end
        print(measure(given.model, given.calibration, size, given.device, given.out))

    return status_of(name, work, AT_ONCE)
