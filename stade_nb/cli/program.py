"""The program `python -m stade_nb`: its commands with their options, and how it ends.

click reads the words: underscores may stand for dashes, and the answer to a name that it does not
know has the nearest one.
"""

import codecs
import io
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import click

from stade_nb.cli import options, stopping
from stade_nb.cli.ending import complain, explain
from stade_nb.errors import shortened

PROGRAM = "python -m stade_nb"
SETTINGS = {
    "token_normalize_func": lambda name: name.replace("_", "-"),
    "help_option_names": ["-h", "--help"],
    "max_content_width": 98,
}


class Command(click.Command):
    """A command whose help has its options under headings, and the required ones in its usage."""

    def __init__(self, name: str, what: str, *sections: options.Section) -> None:
        """what: the command does, in a sentence."""
        self.sections = sections
        super().__init__(
            name,
            SETTINGS,
            params=[one for _, listed in sections for one in listed],
            help=what,
            short_help=what,
            epilog="Underscores may stand for dashes: --prune_method is --prune-method.",
        )

    def invoke(self, ctx: click.Context) -> None:
        """Do the command's work, loaded only now.

        transformers takes seconds, which --help and misspelt options need not wait for.
        """
        with stopping.at_once():
            from stade_nb.cli import commands
            from stade_nb.models import saving

        bars = saving.without_bars() if ctx.params.get("quiet") else nullcontext()
        with stopping.at_work(), bars:
            getattr(commands, self.name)(SimpleNamespace(**ctx.params))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The words behind the command in the first line of its help."""
        required = [f"{one.opts[0]} {one.metavar}" for one in self.params if one.required]
        return [*required, "[options]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading and the options under it, with one column for all."""
        for title, listed in [*self.sections, ("help", [self.get_help_option(ctx)])]:
            records = [one.get_help_record(ctx) for one in listed]
            with formatter.section(title):
                formatter.write_dl([(names.ljust(28), text) for names, text in records], 28)


COMMANDS = [
    Command(
        "prune",
        "Prune a model, report its zeros, save it, measure its perplexity.",
        options.PRUNING,
        options.MODEL,
        options.CALIBRATION,
        options.EVALUATION_IF_ASKED,
        options.ZERO_SHOT,
        options.PRUNED,
    ),
    Command(
        "evaluate",
        "Measure the perplexity of a model.",
        options.MODEL,
        options.EVALUATION,
        options.ZERO_SHOT,
        options.MEASURED,
    ),
    Command(
        "sweep",
        "Measure many methods, patterns and layers on one model, in one traversal of it.",
        options.CELLS,
        options.MODEL,
        options.MEMORY,
        options.CALIBRATION,
        options.EVALUATION,
        options.SWEPT,
    ),
    Command(
        "diagnose",
        "Name probable causes of a perplexity that is not the expected one.",
        options.DIAGNOSED,
    ),
]
program = click.Group(
    "stade_nb",
    COMMANDS,
    context_settings=SETTINGS,
    options_metavar=None,
    subcommand_metavar="COMMAND [options]",
    help="Prune causal language models as the STADE paper (arXiv 2503.22451) does.",
    epilog=f"{PROGRAM} COMMAND --help lists the options of a command. "
    "Bad input gives one line that says what to do, and exit status 2.",
)


def main(words: list[str] | None = None) -> int:
    """Do what `words` (default: the process's arguments) ask for; returns the exit status."""
    words = sys.argv[1:] if words is None else words
    stopping.forget()
    print_anything()
    go_on_unheard()
    try:
        return program.main(words or ["--help"], PROGRAM, standalone_mode=False) or 0
    except click.UsageError as error:
        said = shortened(error.format_message(), 500)
        return complain(f"{said[0].lower()}{said[1:]} {remedy(error)}")
    except (Exception, KeyboardInterrupt, stopping.Stopped) as error:
        if stopping.came():
            return complain(stopping.line(), stopping.status())
        if not isinstance(error, Exception) or isinstance(error, click.Abort):
            return complain(f"interrupted; {stopping.GOES_ON}", 130)
        return explain(error)


def print_anything() -> None:
    """A character that stdout's encoding lacks is written in others: output never fails on it."""

    def in_others(error: UnicodeError) -> tuple[str, int]:
        lost = error.object[error.start : error.end].replace("±", "+-")
        return lost.encode("ascii", "backslashreplace").decode(), error.end

    codecs.register_error("in_others", in_others)
    if isinstance(sys.stdout, io.TextIOWrapper):  # not what a test or a notebook has put there
        sys.stdout.reconfigure(errors="in_others")


class Unfailing(io.FileIO):
    """A file in which what cannot be written is lost: no work ends for what is said about it."""

    def write(self, content: bytes) -> int | None:
        """The number of bytes; where writing fails, as if all were written."""
        try:
            return super().write(content)
        except OSError:
            return len(content)


def go_on_unheard() -> None:
    """Progress and remarks never end the program: the log's disk is full, its reader is gone.

    Results are on stdout, which must not fail unseen.
    """
    if sys.stderr is not None and sys.stderr is sys.__stderr__:  # no test's, no notebook's
        buffer = io.BufferedWriter(Unfailing(sys.stderr.fileno(), "w", closefd=False))
        how = {"encoding": sys.stderr.encoding, "errors": sys.stderr.errors}
        sys.stderr = io.TextIOWrapper(buffer, line_buffering=True, write_through=True, **how)


def in_one_line(message: Warning | str, *_: object, **__: object) -> str:
    """A warning as the program says everything: one line, without the place in the code."""
    return f"stade_nb: warning: {' '.join(str(message).split())}\n"


def remedy(error: click.UsageError) -> str:
    """What to do about words that cannot be read."""
    if isinstance(error, click.NoSuchOption):
        # An example in the authors' README has the model's name in place of an option.
        if "/" in error.option_name:
            return "The name of a model goes behind --model"
        if error.ctx.command is program:
            names = ", ".join(program.commands)
            return f"A command comes first: {names}; the authors' main.py is the command prune"
    return f"See {error.ctx.command_path if error.ctx else f'{PROGRAM} COMMAND'} --help"
