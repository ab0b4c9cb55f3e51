"""Whatever papermill hands a notebook, and whatever words the program gets: refused in one line."""

import datetime

import click
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stade_book.pages import parameters
from stade_nb.cli.program import program
from stade_nb.errors import StadeError
from stade_nb.numerics.masks import parse_pattern
from workflow.profiles import NOTEBOOKS, defaults

EVERY = {path.stem: defaults(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
DEFAULTS = {name: given for name, given in EVERY.items() if given}  # one has nothing to choose
NAMES = sorted({name for given in DEFAULTS.values() for name in given})
WORDS = st.sampled_from(
    [
        *("0.5", "2:4", "50%", "wanda", "stade", "embedded", "auto", "cpu", "cuda:99", "row"),
        *("layer", "never", "float32", "0,1", "[0,1]", "-1,1", "None", "1e-999999999"),
        *("~nobody/x", ",", "''", "9223372036854775808"),
    ]
)
PLAIN = st.one_of(
    WORDS,
    st.none() | st.booleans() | st.integers() | st.floats(),
    st.text(max_size=6) | st.binary(max_size=4),
    st.dates() | st.datetimes(),  # YAML reads 2026-01-02 as a date
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2),
        st.sets(st.integers() | st.text(max_size=3), max_size=2),
    ),
    max_leaves=5,
)


def message_of(given, notebook):
    """The refusal's one line; None where the parameters are taken."""
    try:
        taken = parameters.checked(given, notebook)
    except StadeError as error:
        said = str(error)
        assert "\n" not in said and (f"{notebook}.ipynb" in said or "notebook" in said)
        return said
    parameters.shown(taken)
    for name, value in taken.model_dump().items():
        if name in ("patterns", "sparsities"):
            assert all(0 <= parse_pattern(one).sparsity <= 1 for one in value)
        if name in ("mean_range", "std_range"):
            assert value[0] <= value[1]
        if isinstance(value, list):
            assert value and len(set(map(str, value))) == len(value)
    # What was taken is taken again, as it is.
    again = {name: list(v) if isinstance(v, tuple) else v for name, v in taken.model_dump().items()}
    assert parameters.checked(again, notebook).model_dump() == taken.model_dump()
    return None


@settings(max_examples=400)
@given(st.sampled_from(sorted(DEFAULTS)), st.data(), VALUES)
def test_any_value_of_a_parameter_is_taken_or_named(notebook, data, value):
    name = data.draw(st.sampled_from(sorted(DEFAULTS[notebook])))
    said = message_of(DEFAULTS[notebook] | {name: value}, notebook)
    # One that fits no more is named, and which it must fit.
    assert said is None or f"parameter {name} = " in said or f"among {name} = " in said


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [
        ("bias", "seed", datetime.date(2026, 1, 2)),
        ("bias", "mean_range", [10**400, 1]),
        ("bias", "mean_range", "\n1,2"),
        ("bias", "device", "\ud800"),
        ("table3_perplexity", "seeds", "9" * 5000),
        ("table3_perplexity", "patterns", 10**4000),
        ("table3_perplexity", "patterns", "1e-99999999999999999999"),
        ("table3_perplexity", "patterns", [[["0.5"]]]),
        ("table3_perplexity", "models", {"a": 1}),
        ("table3_perplexity", "methods", {"wanda"}),
    ],
    ids=range(10),
)
def test_values_that_are_hard_to_say(notebook, name, value):
    said = message_of(DEFAULTS[notebook] | {name: value}, notebook)
    assert f"parameter {name} = " in said and len(said) < 2500


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), VALUES, max_size=4))
def test_any_variables_at_all_are_refused(variables):
    for notebook in ("bias", "table3_perplexity"):
        assert message_of(variables, notebook) is not None


COMMANDS = sorted(program.commands)
OPTIONS = sorted({name for one in program.commands.values() for o in one.params for name in o.opts})


@settings(max_examples=200)
@given(
    st.sampled_from(COMMANDS),
    st.lists(st.sampled_from(OPTIONS) | WORDS | st.text(max_size=5), max_size=6),
)
@example("sweep", ["--memory", 400 * "9"])
@example("sweep", ["--device-memory", 400 * "9" + "GiB"])
@example("sweep", ["--seeds", 5000 * "9"])
@example("evaluate", ["--batch-size", 5000 * "9"])
def test_any_words_are_read_or_are_a_usage_error(command, words):
    try:
        program.commands[command].make_context(command, list(words))
    except (click.UsageError, click.exceptions.Exit) as end:
        assert isinstance(end, click.exceptions.Exit) or end.format_message()
