"""What a notebook's parameters may be: types for the classes in `notebooks`, with their words.

Each type says what values have, as pydantic checks it, and carries the words of the message for
another value. `expected` puts these together for lists and for what may be None.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from stade_nb.beyond.methods import BEYOND
from stade_nb.errors import StadeError, unknown
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS

T = TypeVar("T")


class Parameters(BaseModel):
    """Parameters of a notebook: a field for each, no other, and no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    _order: tuple[str, ...] = ()  # of the names, as the notebook's own cell has them


def whole(least: int, most: int) -> FieldInfo:
    """For `int`: from `least` to `most`, both included."""
    return Field(ge=least, le=most, description=f"a whole number from {least:,} to {most:,}")


def between(least: float, most: float) -> FieldInfo:
    """For `int | float`: from `least` to `most`, both included."""
    return Field(ge=least, le=most, description=f"a number from {least:g} to {most:g}")


def text(what: str) -> FieldInfo:
    """For `str`: not blank; `what` says what it names."""
    return Field(pattern=r"\S", description=what)


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _ordered(value: tuple[T, T]) -> tuple[T, T]:
    low, high = value
    if low > high:
        raise ValueError
    return value


Span = Annotated[tuple[T, T], BeforeValidator(_pair), AfterValidator(_ordered)]
"""Two numbers [low, high], low <= high."""


def _split(read: Callable[[str], Any]) -> BeforeValidator:
    """One value becomes a list of one; a string is split at its commas, its parts are `read`.

    A string in brackets is a list that papermill's -p took for text: no name begins like that.
    """

    def items(value: Any) -> list:
        if isinstance(value, str) and value.lstrip()[:1] == "[":
            raise ValueError("a text in brackets is no list")
        if isinstance(value, str):
            return [read(item) for item in value.split(",")]
        return value if isinstance(value, list) else [value]

    return BeforeValidator(items)


def _whole(item: str) -> int:
    if not re.fullmatch(r"\s*-?[0-9]{1,20}\s*", item):
        raise ValueError(f"{item[:30]!r} is no whole number")
    return int(item)


def _distinct(value: list[T]) -> list[T]:
    if not value:
        raise ValueError("the list is empty")
    if len(set(value)) < len(value):
        raise ValueError("something is named twice")
    return value


Several = Annotated[list[T], _split(str.strip), AfterValidator(_distinct)]
"""A list without repeats; see `_split` for what else becomes one."""


def _method(value: Any) -> Any:
    if value not in list(METHODS):  # a value from YAML need not be hashable
        if value in list(BEYOND):
            raise StadeError(
                f"unknown value {value!r}: a method beyond the paper, which this page does not "
                "show; take python -m stade_nb, or newer_methods.ipynb"
            )
        raise unknown("value", value, METHODS)
    return value


def _any_method(value: Any) -> Any:
    if value not in list(METHODS | BEYOND):
        raise unknown("value", value, METHODS | BEYOND)
    return value


# METHODS is asked when it is needed: a method that somebody adds to it is one.
MethodName = Annotated[
    str,
    BeforeValidator(_method),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(METHODS))),
]
# One of the paper's, or of `stade_nb.beyond`.
AnyMethod = Annotated[
    str,
    BeforeValidator(_any_method),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(METHODS | BEYOND))),
]


def _pattern(value: Any) -> str:
    if isinstance(value, int) and 60 < value < 3600 and value // 60 <= value % 60:
        # YAML 1.1 reads an unquoted 2:4 as the base-60 number 124, and 4:8 as 248.
        meant = f"{value // 60}:{value % 60}"
        raise ValueError(f"YAML reads an unquoted {meant} as {value}: put '{meant}' in quotes")
    return str(parse_pattern(value))


def _share(value: Any) -> str:
    pattern = parse_pattern(value)
    if pattern.m is not None or not pattern.sparsity:
        raise ValueError
    return str(pattern)


PatternText = Annotated[
    str,
    BeforeValidator(_pattern),
    Field(description="a sparsity such as 0.5 or an N:M pattern such as '2:4'"),
]
Share = Annotated[
    str,
    BeforeValidator(_share),
    Field(description="a sparsity such as 0.5, above 0 and at most 1"),
]
Seed = Annotated[int, whole(0, 2**31 - 1)]
Seeds = Annotated[Several[Seed], _split(_whole)]
Device = Annotated[str, text("'cpu', 'cuda', 'cuda:1' or 'auto'")]
Dtype = Literal["float32", "float16", "bfloat16"]
Windows = Annotated[int, whole(1, 1_000_000)]
AtLeastTwo = Annotated[int, whole(2, 1_000_000)]
Batch = Annotated[int, whole(1, 4096)]
Inputs = Annotated[int, whole(2, 512)]
Outputs = Annotated[int, whole(1, 512)]
Layers = Annotated[int, whole(1, 1_000_000)]
Samples = Annotated[int, whole(10_000, 10**9)]
MeanRange = Span[Annotated[int | float, between(-100, 100)]]
StdRange = Span[Annotated[int | float, between(1e-3, 100)]]
Correlation = Annotated[int | float, between(0, 0.99)]
ONE_MODEL = "an embedded or a packaged model, a local folder, a .gguf file or a hub id"
ModelName = Annotated[str, text(f"'embedded', {ONE_MODEL}")]


def expected(schema: dict) -> str:
    """What a field may be, in words, from its part of the class's JSON schema."""
    match schema:
        case {"items": one}:
            return f"a list of: {expected(one)}"
        case {"prefixItems": [one, _]}:
            return "two numbers [low, high]" + expected(one).removeprefix("a number")
        case {"anyOf": [one, {"type": "null"}], "description": meaning}:
            return f"{expected(one)}, or None {meaning}"
        case {"enum": options}:
            return "one of " + ", ".join(options)
    return schema["description"]
