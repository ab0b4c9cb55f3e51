"""The types of options' values that click lacks: lists, places, sizes, whole numbers, durations."""

import re

import click

from stade_nb.errors import StadeError, shortened
from stade_nb.paths import expanded

DIGITS = 18  # of a whole number


class Listed(click.ParamType):
    """Items with commas between them, each of the type `item`."""

    name = "list"

    def __init__(self, item: click.ParamType = click.STRING) -> None:
        self.item = item

    def convert(self, value: str, param: click.Parameter, ctx: click.Context) -> list:
        """The items; a usage error where one is empty or not of the type."""
        items = [item.strip() for item in value.split(",")]
        if not all(items):
            self.fail(f"{value!r} names nothing between two commas.", param, ctx)
        return [self.item.convert(item, param, ctx) for item in items]


class Text(click.ParamType):
    """Words that are not empty: what a shell makes of a variable that is not set is no answer."""

    name = "text"

    def convert(self, value: str, param: click.Parameter, ctx: click.Context) -> str:
        """The words as they are; a usage error where there are none."""
        if not value.strip():
            self.fail("nothing is given; leave the option out for its default.", param, ctx)
        return value


class Place(Text):
    """A file or folder, with "~" as the home folder: a shell leaves it where it is quoted."""

    def convert(self, value: str, param: click.Parameter, ctx: click.Context) -> str:
        """The place, or the name of a text, as it is but for the home folder."""
        value = super().convert(value, param, ctx)
        try:
            return str(expanded(value)) if value.startswith("~") else value
        except StadeError as error:
            self.fail(str(error), param, ctx)


class Size(click.ParamType):
    """Bytes: a number alone, or with MiB or GiB behind it."""

    name = "size"

    def convert(self, value: str, param: click.Parameter, ctx: click.Context) -> int:
        """The number of bytes; a usage error for what is no size."""
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) *(MiB|GiB)?", value)
        if not match:
            given = shortened(value)
            self.fail(f"{given!r} is no size such as 20GiB, 500MiB or 1000000.", param, ctx)
        return int(float(match[1]) * {None: 1, "MiB": 2**20, "GiB": 2**30}[match[2]])


class Whole(click.IntRange):
    """A whole number within bounds, of no more digits than a machine's own."""

    def convert(self, value: str, param: click.Parameter, ctx: click.Context) -> int:
        """The number; a usage error for another, quoted as far as it can be read."""
        if len(str(value)) > DIGITS:
            given = shortened(value, 30)
            self.fail(f"{given!r}: expected a whole number of at most {DIGITS} digits.", param, ctx)
        number = super().convert(value, param, ctx)
        if str(value).strip() != str(number):  # such as the 000 of the seeds 1,000
            self.fail(f"{value!r}: write it as {number}, or without commas.", param, ctx)
        return number


class Duration(click.ParamType):
    """Seconds: a number alone, or with s, m or h behind it."""

    name = "duration"

    def convert(self, value: str, param: click.Parameter, ctx: click.Context) -> float:
        """The number of seconds; a usage error for what is no duration, or none at all."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) *([smh])?", value)
        seconds = float(match[1]) * {None: 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0
        if not seconds:
            self.fail(f"{value!r} is no duration such as 5m, 90s or 1h.", param, ctx)
        return seconds
