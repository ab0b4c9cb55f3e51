"""Parameters of the notebooks: what each one takes, checked before anything is computed.

Papermill runs a notebook with its defaults when a parameter's name is misspelt, and hands over
any type. `checked` looks at the notebook's own variables instead: it must be called before any
other plain value is assigned, so every plain value that exists is a parameter, declared or not.
"""

import types
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas
from IPython.display import HTML

from stade_nb.errors import StadeError, unknown
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS
from stade_nb.pages.html import table, written


class Rule(NamedTuple):
    """What a parameter may be: in words, and as a function that returns the value to use."""

    expected: str
    accept: Callable[[Any], Any]


def _need(condition: bool, hint: str = "") -> None:
    """Refuse a value; `checked` adds the parameter's name, the value and what was expected."""
    if not condition:
        raise ValueError(hint)


def _bounded(kind: type, least: float, most: float) -> Callable[[Any], Any]:
    def accept(value):
        _need(isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most)
        return value

    return accept


def whole(least: int, most: int) -> Rule:
    """A whole number from `least` to `most`, both included."""
    return Rule(f"a whole number from {least:,} to {most:,}", _bounded(int, least, most))


def number(least: float, most: float) -> Rule:
    """A number from `least` to `most`, both included."""
    return Rule(f"a number from {least:g} to {most:g}", _bounded(int | float, least, most))


def span(least: float, most: float) -> Rule:
    """Two numbers [low, high], low <= high, both from `least` to `most`."""
    accept_one = _bounded(int | float, least, most)

    def accept(value):
        _need(isinstance(value, list | tuple) and len(value) == 2)
        low, high = map(accept_one, value)
        _need(low <= high)
        return low, high

    return Rule(f"two numbers [low, high] from {least:g} to {most:g}", accept)


def text(what: str) -> Rule:
    """Any string that is not blank; `what` says what it names."""

    def accept(value):
        _need(isinstance(value, str) and bool(value.strip()))
        return value

    return Rule(what, accept)


def one_of(*options: str) -> Rule:
    """One of the strings `options`; StadeError for another."""

    def accept(value):
        if value not in options:
            raise unknown("value", value, options)
        return value

    return Rule("one of " + ", ".join(options), accept)


def several(rule: Rule, read: Callable[[str], Any] = str.strip) -> Rule:
    """A list without repeats. One value is a list of one; a string is split at its commas.

    read: what makes an item out of each of the string's parts, `int` for whole numbers.
    """

    def accept(value):
        if isinstance(value, str):
            value = [read(item) for item in value.split(",")]
        items = [rule.accept(item) for item in (value if isinstance(value, list) else [value])]
        _need(bool(items), "the list is empty")
        _need(len(set(items)) == len(items), "something is named twice")
        return items

    return Rule(f"a list of: {rule.expected}", accept)


def or_none(rule: Rule, meaning: str) -> Rule:
    """What `rule` accepts, or None with a meaning of its own."""
    accept = rule.accept
    return Rule(
        f"{rule.expected}, or None {meaning}",
        lambda value: None if value is None else accept(value),
    )


def _pattern(value):
    if isinstance(value, int) and value > 1:
        # YAML 1.1 reads an unquoted 2:4 as the base-60 number 124, and 4:8 as 248.
        meant = f"{value // 60}:{value % 60}"
        _need(False, f"YAML reads an unquoted {meant} as {value}: put '{meant}' in quotes")
    return str(parse_pattern(value))


def or_auto(rule: Rule) -> Rule:
    """What `rule` accepts, or "auto"."""
    return Rule(
        f"{rule.expected}, or 'auto'",
        lambda value: value if value == "auto" else rule.accept(value),
    )


PATTERN = Rule("a sparsity such as 0.5 or an N:M pattern such as '2:4'", _pattern)


def _share(value):
    pattern = parse_pattern(value)
    _need(pattern.m is None and pattern.sparsity > 0)
    return str(pattern)


SHARE = Rule("a sparsity such as 0.5, above 0 and at most 1", _share)

_TABLE = {
    "models": several(text("'embedded', an embedded model, a local folder or a hub id")),
    "methods": several(one_of(*METHODS)),
    "patterns": several(PATTERN),
    "magnitude_scope": one_of("layer", "row"),
    "calibration": text("'embedded', 'c4', or the path of a text or token file"),
    "evaluation": text("'embedded', 'wikitext2', or the path of a text or token file"),
    "windows": whole(1, 1_000_000),
    "evaluation_windows": or_none(whole(2, 1_000_000), "for all that the text has"),
    "window_length": or_none(whole(2, 1_000_000), "for the model's own, at most 2048"),
    "seeds": several(whole(0, 2**31 - 1), read=int),
    "device": text("'cpu', 'cuda', 'cuda:1' or 'auto'"),
    "dtype": one_of("float32", "float16", "bfloat16"),
    "batch_size": whole(1, 4096),
    "results_dir": text("a folder, made if it does not exist"),
}
# A name means the same in every notebook that has it, unless its schema says otherwise.
_KNOWN = _TABLE | {
    "seed": whole(0, 2**31 - 1),
    "inputs": whole(2, 512),
    "outputs": whole(1, 512),
    "layers": whole(1, 1_000_000),
    "mean_range": span(-100, 100),
    "std_range": span(1e-3, 100),
    "samples": whole(10_000, 10**9),
    "repetitions": whole(100, 10**8),
    "tokens": whole(10, 10**8),
    "correlation": number(0, 0.99),
    "example": text("an embedded model, a local folder or a hub id"),
    "sparsities": several(SHARE),
    "correlations": several(number(0, 0.99)),
    "sample_tokens": whole(1, 500),
    "train": or_none(several(text("the name of a recipe")), "to train nothing"),
    "tasks": several(text("'embedded', 'official' or a task, such as 'arc_easy'")),
    "tasks_dir": or_none(text("a folder with <task>/<split>.jsonl"), "for the hub"),
    "limit": or_none(whole(2, 1_000_000), "for all questions"),
    "requests_at_once": or_auto(whole(1, 4096)),
    "prompt": text("the beginning of a sentence"),
    "verdicts_dir": text("a folder of the pages' verdicts"),
}


def _schema(names: str, **others: Rule) -> dict[str, Rule]:
    """The rules of `names`, in this order; `others` replace those of the same name."""
    return {name: _KNOWN[name] for name in names.split()} | others


_LAYER_TYPES = _schema(
    "models sparsities calibration evaluation windows evaluation_windows window_length seeds "
    "device dtype batch_size results_dir"
)
SCHEMAS: dict[str, dict[str, Rule]] = {
    "problem": _schema("inputs outputs mean_range std_range samples seed device"),
    "wanda": _schema("inputs outputs layers std_range repetitions seed device"),
    "bias": _schema("inputs outputs layers mean_range std_range samples seed device"),
    "stade": _schema(
        "inputs outputs tokens mean_range std_range correlation patterns models calibration "
        "windows window_length seed device dtype batch_size",
        inputs=whole(4, 4096),
        outputs=whole(1, 4096),
    ),
    "many_weights": _schema(
        "inputs outputs layers mean_range std_range correlations patterns samples seed device",
        inputs=whole(2, 64),
    ),
    "figure1_layers": _LAYER_TYPES,
    "table2_layer_types": _LAYER_TYPES,
    "table3_perplexity": _TABLE,
    "table4_zero_shot": _schema(
        "models methods patterns tasks tasks_dir limit calibration evaluation windows "
        "evaluation_windows window_length seeds device dtype batch_size requests_at_once "
        "results_dir"
    ),
    "table5_without_bias": _TABLE,
    "table6_weight_update": _TABLE,
    "audit": _schema(
        "models patterns example sparsities calibration evaluation windows evaluation_windows "
        "window_length seeds device dtype batch_size results_dir",
    ),
    "scorecard": _schema("verdicts_dir"),
    "embedded_models": _schema("models sample_tokens prompt train device"),
}
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def _given(variables: dict) -> dict:
    """The plain values among a notebook's variables, without IPython's own."""
    plain = bool | int | float | str | list | tuple | dict | set | None
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and name not in _IPYTHON and isinstance(value, plain)
    }


def checked(variables: dict, notebook: str) -> types.SimpleNamespace:
    """The parameters of `notebook` found in `variables` (its `globals()`), checked and resolved.

    Raises StadeError for a name that the notebook does not take (with the nearest that it does),
    for one that its parameters cell lacks, and for a value of the wrong type or out of range.
    """
    if notebook not in SCHEMAS:
        raise unknown("notebook", notebook, SCHEMAS)
    schema, given = SCHEMAS[notebook], _given(variables)
    for name in given:
        if name not in schema:
            raise unknown(f"parameter of {notebook}.ipynb", name, schema)
    if missing := [name for name in schema if name not in given]:
        raise StadeError(
            f"{notebook}.ipynb has no value for {', '.join(missing)}: "
            "its cell tagged `parameters` must give each a default"
        )
    resolved = {}
    for name, rule in schema.items():
        try:
            resolved[name] = rule.accept(given[name])
        except ValueError as error:
            hint = f" ({error})" if str(error) else ""
            raise StadeError(
                f"parameter {name} = {given[name]!r} of {notebook}.ipynb: "
                f"expected {rule.expected}{hint}"
            ) from None
    return types.SimpleNamespace(**resolved)


def shown(parameters: types.SimpleNamespace) -> HTML:
    """The resolved parameters as a small table for the page."""
    rows = [(name, _joined(value)) for name, value in vars(parameters).items()]
    return table(pandas.DataFrame(rows, columns=["parameter", "value"]))


def _joined(value):
    return ", ".join(map(written, value)) if isinstance(value, list | tuple) else written(value)
