"""Store the outputs of the check cells in the notebook sources again, and no other output.

A cell with the line ``# NBVAL_CHECK_OUTPUT`` shows rounded verdicts; the tests run the notebook and
compare. After a change that is meant to alter them, ``make checks`` runs the notebooks with their
defaults and takes the outputs over; the difference is then read and committed like any other.
"""

import sys
from pathlib import Path

import nbformat

from stade_nb.errors import StadeError
from workflow import ROOT, Words, status_of
from workflow.execute import EXECUTED
from workflow.profiles import NOTEBOOKS

MARK = "# NBVAL_CHECK_OUTPUT"


def store(source: Path, executed: Path) -> bool:
    """Rewrite `source` with the outputs of `executed` in its check cells; True if it changed.

    Raises StadeError when `executed` was run with other parameters than the defaults.
    """
    notebook, result = nbformat.read(source, 4), nbformat.read(executed, 4)
    if given := result.metadata["stade_nb"]["parameters"]:
        raise StadeError(
            f"{executed.name} was run with {given}, expected its defaults: "
            "run `make book` without a PROFILE first"
        )
    outputs = {cell.id: cell.outputs for cell in result.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            checked = MARK in cell.source.splitlines()
            cell.outputs = outputs[cell.id] if checked else []
            # nbval takes a cell without a count as one that never ran.
            cell.execution_count = 1 if checked else None
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = 1
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    if text == source.read_text("utf-8"):
        return False
    source.write_text(text, "utf-8")
    executed.touch()  # stored outputs change no result: `make` need not run the notebook again
    return True


def _store_all() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        changed = store(path, ROOT / EXECUTED / path.name)
        print(f"{path.name}: {'changed' if changed else 'as it was'}")


def main(words: list[str] | None = None) -> int:
    """Store the outputs of all notebooks; returns the exit status."""
    Words(prog="python -m workflow.check_cells", description=__doc__).parse_args(words)
    return status_of("check_cells", _store_all)


if __name__ == "__main__":
    sys.exit(main())
