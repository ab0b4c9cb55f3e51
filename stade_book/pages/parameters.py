"""Parameters of the notebooks: what each one takes, checked before anything is computed.

Papermill runs a notebook with its defaults when a parameter's name is misspelt, and hands over
any type. `checked` looks at the notebook's own variables instead: it must be called before any
other plain value is assigned, so every plain value that exists is a parameter, declared or not.
"""

import datetime
import re

import pandas
from IPython.display import HTML
from pydantic import ValidationError

from stade_book.pages import fields
from stade_book.pages.fields import Parameters
from stade_book.pages.html import table, written
from stade_book.pages.notebooks import NOTEBOOKS
from stade_nb.errors import StadeError, unknown

_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}
LONG = 200  # a message shows no more characters of a value


def _given(variables: dict) -> dict:
    """The plain values among a notebook's variables, without IPython's own."""
    # YAML knows dates and bytes.
    plain = bool | int | float | str | bytes | list | tuple | dict | set | datetime.date | None
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and name not in _IPYTHON and isinstance(value, plain)
    }


def checked(variables: dict, notebook: str) -> Parameters:
    """The parameters of `notebook` found in `variables` (its `globals()`), checked and resolved.

    Raises StadeError for a name that the notebook does not take (with the nearest that it does),
    for one that its parameters cell lacks, and for a value of the wrong type or out of range.
    """
    if notebook not in NOTEBOOKS:
        raise unknown("notebook", notebook, NOTEBOOKS)
    kind, given = NOTEBOOKS[notebook], _given(variables)
    for name in given:
        if name not in kind.model_fields:
            raise unknown(f"parameter of {notebook}.ipynb", name, kind.model_fields)
    if missing := [name for name in kind.model_fields if name not in given]:
        raise StadeError(
            f"{notebook}.ipynb has no value for {', '.join(missing)}: "
            "its cell tagged `parameters` must give each a default"
        )
    try:
        found = kind(**given)
    except ValidationError as error:
        raise _refused(error.errors()[0], kind, given, notebook) from None
    found._order = tuple(given)
    return found


def _refused(error: dict, kind: type[Parameters], given: dict, notebook: str) -> StadeError:
    """What pydantic found wrong with one value, in the words of this project."""
    name = error["loc"][0]
    schema = kind.model_json_schema()["properties"][name]
    hint = str(error["ctx"]["error"]) if error["type"] == "value_error" else ""
    if error["type"] == "literal_error" and "enum" in schema:
        hint = str(unknown("value", error["input"], schema["enum"]))
    said = f"expected {fields.expected(schema)}" + (f" ({hint})" if hint else "")
    if error["type"] == "value_error" and hint.startswith("unknown value"):
        said = hint  # a method's: the long list of what is known is in there already
    return StadeError(
        f"parameter {name} = {_short(given[name])} of {notebook}.ipynb: {said}"
        + _in_yaml(name, given[name], schema, notebook)
    )


def _short(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    return said if len(said := repr(value)) <= LONG else f"{said[:LONG]}..."


def _in_yaml(name: str, value: object, schema: dict, notebook: str) -> str:
    """For the text that papermill's -p makes of a list: how a list is given."""
    of_many = {"items", "prefixItems"} & schema.keys()
    if not isinstance(value, str) or not of_many or len(value) > LONG:
        return ""
    items = [item.strip(" '\"") for item in value.strip().strip("[]()").split(",")]
    numbers = all(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", item) for item in items)
    pair = "prefixItems" in schema
    if (pair and (len(items) != 2 or not numbers)) or not (numbers or value.lstrip()[:1] == "["):
        return ""
    meant = ", ".join(items if numbers else map(repr, items))
    return (
        "; -p gives papermill a text, and a list comes by -y: papermill "
        f'notebooks/{notebook}.ipynb mine.ipynb -y "{name}: [{meant}]", or -f FILE with that line '
        "in the file"
    )


def shown(parameters: Parameters) -> HTML:
    """The resolved parameters for the page, a line that opens, in the order of the notebook's.

    Nothing for a page that has none.
    """
    if not parameters._order:
        return HTML("")
    rows = [(name, _joined(getattr(parameters, name))) for name in parameters._order]
    frame = pandas.DataFrame(rows, columns=["parameter", "value"])
    return HTML(
        '<details class="parameters"><summary>Parameters of this page, as it was run</summary>\n'
        f"{table(frame, caption='What may be changed.').data}</details>"
    )


def _joined(value: object) -> str:
    return ", ".join(map(written, value)) if isinstance(value, list | tuple) else written(value)
