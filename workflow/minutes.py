"""How long a model takes: ``build/minutes.csv``, from the seconds in records that come along.

A pass over T tokens takes 2·P·T operations with P parameters; a cell makes one over its evaluation
text and two over its calibration text (statistics, and what goes on to the next block). What a
machine does a second is the only thing to be measured: here by the fastest record, because others
shared their cores with other work. Rows for other hardware are computed with the rate they name.
"""

import csv
import sys
from pathlib import Path

from stade_book.pages.tables import gpu
from stade_book.studies import shipped
from stade_nb.models.packaged import packaged_models
from workflow import ROOT, Words, status_of

# Parameters of models by name, in millions.
SIZES = {"0.4 million": 0.4, "125 million": 125, "1 billion": 1_000, "7 billion": 6_700,
         "13 billion": 13_000}  # fmt: skip
# The paper's: 128 calibration windows of 2048 tokens, and WikiText-2's test text in Llama's tokens.
CALIBRATION, EVALUATION = 128 * 2048, 341_469
# Pruned cells of one model on the page of Table 3, with one seed: four methods, three patterns. The
# dense one costs half of one.
TABLE = 12
ON_GPU = "LLaMA 7B"  # the shape that a GPU was timed on, in 16 bits


def operations(parameters: float, calibration: int, evaluation: int) -> float:
    """2·P·(E + 2·C): of one pruned cell.

    >>> operations(1e9, 0, 1000)
    2000000000000.0
    """
    return 2 * parameters * (evaluation + 2 * calibration)


def rate(rows: list[dict], parameters: int) -> tuple[float, int]:
    """Operations a second of the fastest record of a CPU, and its threads."""

    def one(row: dict) -> float:
        tokens = [
            row[f"{use}_corpus"]["windows"] * row[f"{use}_corpus"]["length"]
            for use in ("calibration", "evaluation")
        ]
        return operations(parameters, *tokens) / shipped.seconds(row)

    own = [row for row in rows if row["device"] == "cpu" and row["method"] != "dense"]
    fastest = max((row for row in own if shipped.seconds(row)), key=one)
    return one(fastest), fastest["computed"]["threads"]


def write(path: Path = ROOT / "build" / "minutes.csv", model: str = "smollm2-135m") -> None:
    """Write the table of minutes for the book."""
    measured, threads = rate(shipped.computed(model), packaged_models()[model].parameters)
    found = gpu.recorded()["shapes"][ON_GPU]
    fast = found["operations"] / found["engine_seconds"]
    cores = "1 CPU core" if threads == 1 else f"{threads} CPU cores"
    machines = {
        f"{cores} (measured, {measured / 1e9:.0f} GFLOP/s)": measured,
        "16 CPU cores (computed)": measured * 16 / threads,
        f"one H100 (measured on {ON_GPU}'s shape, {fast / 1e12:.0f} TFLOP/s)": fast,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["parameters", "of what", *machines])
        for name, millions in SIZES.items():
            cell = operations(millions * 1e6, CALIBRATION, EVALUATION)
            for what, times in (("one cell", 1), ("Table 3, one seed", TABLE + 0.5)):
                row = [shown(times * cell / speed / 60) for speed in machines.values()]
                table.writerow([name, what, *row])


def shown(minutes: float) -> str:
    """Minutes, or hours or days, with two digits.

    >>> shown(0.2), shown(42.3), shown(400), shown(9000)
    ('under a minute', '42 minutes', '6.7 hours', '6.2 days')
    """
    if minutes < 1:
        return "under a minute"
    for size, unit, most in ((1, "minutes", 120), (60, "hours", 2880), (1440, "days", None)):
        if most is None or minutes < most:
            value = minutes / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    raise AssertionError


def main(words: list[str] | None = None) -> int:
    """Write the table; returns the exit status."""
    Words(prog="python -m workflow.minutes", description=__doc__).parse_args(words)
    return status_of("minutes", write)


if __name__ == "__main__":
    sys.exit(main())
