"""The command line read: options with dashes, or with underscores as the authors spell them."""

import argparse
from difflib import get_close_matches

from stade_nb.cli import options
from stade_nb.errors import StadeError, unknown

WIDTH = 96  # the same help on every terminal, and in the book
COMMANDS = {
    "prune": "prune a model, report its zeros, save it, measure its perplexity",
    "evaluate": "measure the perplexity of a model",
    "sweep": "measure many methods, patterns and layers on one model, in one traversal of it",
}
_REQUIRED = {
    "prune": "--model MODEL --prune-method METHOD",
    "evaluate": "--model MODEL",
    "sweep": "--model MODEL --methods LIST --patterns LIST",
}


class _Help(argparse.HelpFormatter):
    """One look on all versions of Python."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=WIDTH)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar}"


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are StadeErrors."""

    def error(self, message: str) -> None:
        raise StadeError(f"{message}; see {self.prog} --help")


def parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the program, and those of its commands by name."""
    common = {"formatter_class": _Help, "allow_abbrev": False}
    top = _Parser(
        prog="python -m stade_nb",
        usage="python -m stade_nb COMMAND [options]",
        description="Prune causal language models as the STADE paper (arXiv 2503.22451) does.",
        epilog="python -m stade_nb COMMAND --help lists the options of a command. "
        "Bad input gives one line that says what to do, and exit status 2.",
        **common,
    )
    places = top.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=True)
    commands = {}
    for name, what in COMMANDS.items():
        command = places.add_parser(
            name,
            prog=f"python -m stade_nb {name}",
            help=what,
            usage=f"python -m stade_nb {name} {_REQUIRED[name]} [options]",
            description=what[0].upper() + what[1:] + ".",
            epilog="Underscores may stand for dashes: --prune_method is --prune-method.",
            **common,
        )
        getattr(options, name)(command)
        commands[name] = command
    return top, commands


def parse(words: list[str]) -> argparse.Namespace:
    """The options that `words`, without the program's name, ask for; StadeError for bad ones."""
    top, commands = parser()
    if not words:
        words = ["--help"]
    if words[0] not in ("-h", "--help"):
        if words[0].startswith("-"):
            raise StadeError(
                f"no command before {words[0]!r}: expected {', '.join(COMMANDS)}; the authors' "
                "main.py is the command prune here"
            )
        if words[0] not in commands:
            raise unknown("command", words[0], commands)
        words = [words[0], *(_checked(word, commands[words[0]]) for word in words[1:])]
    return top.parse_args(words)


def _checked(word: str, command: argparse.ArgumentParser) -> str:
    """A word of the command line, an option with dashes; StadeError where there is no such one."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    name = name.replace("_", "-")
    known = [option for action in command._actions for option in action.option_strings]
    if name in known:
        return f"{name}{equals}{value}"
    # An example in the authors' README has the model's name in place of an option.
    readme = [f"--model {word.lstrip('-')}"] if "/" in word else []
    close = readme or get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise StadeError(f"unknown option {word!r}: {hint}see {command.prog} --help")
