"""All rows of the table by group, in the order of the page."""

from workflow.bad_input import data, names, places
from workflow.bad_input.row import Row

GROUPS: dict[str, tuple[Row, ...]] = {
    "The words of a command": names.WORDS,
    "Names and folders": names.NAMES,
    "Damaged checkpoints": names.CHECKPOINTS,
    "Texts": data.TEXTS,
    "Token arrays": data.ARRAYS,
    "Numbers": data.NUMBERS,
    "Patterns, methods, layers": data.METHODS,
    "Output places": places.OUTPUTS,
    "Records": places.RECORDS,
    "Parameters of the notebooks": places.PARAMETERS,
    "make": places.MAKE,
    "In Python": places.PYTHON,
}
