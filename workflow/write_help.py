"""The help texts on the book's page about the command line: what the program prints.

``python -m workflow.write_help`` writes them anew, after a change of the options.
"""

import re
import sys

from stade_nb.cli.command_line import parser
from stade_nb.errors import StadeError
from workflow import ROOT

PAGE = ROOT / "book" / "command_line.md"
BLOCK = re.compile(r"^```\{code-block\} text\n:name: help-(\w+)\n\n(.*?)^```$", re.M | re.S)


def helps() -> dict[str, str]:
    """What `--help` prints, by command."""
    return {name: command.format_help() for name, command in parser()[1].items()}


def with_helps(page: str) -> str:
    """The page's text with its help blocks as they should be; StadeError where one has no place."""
    texts = helps()
    found = [match[1] for match in BLOCK.finditer(page)]
    if sorted(found) != sorted(texts):
        raise StadeError(
            f"help blocks for {', '.join(found) or 'nothing'}: expected one each for "
            f"{', '.join(texts)}, a code block of text named help-COMMAND"
        )
    return BLOCK.sub(
        lambda match: f"```{{code-block}} text\n:name: help-{match[1]}\n\n{texts[match[1]]}```",
        page,
    )


if __name__ == "__main__":
    try:
        PAGE.write_text(with_helps(PAGE.read_text("utf-8")), "utf-8")
    except StadeError as error:
        sys.exit(str(error))
