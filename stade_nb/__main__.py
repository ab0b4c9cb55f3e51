"""The command line: `python -m stade_nb prune|evaluate|sweep`."""

import sys

import torch

from stade_nb.cli.command_line import parse
from stade_nb.errors import StadeError


def main(words: list[str] | None = None) -> int:
    """Do what `words` (default: the process's arguments) ask for; returns the exit status."""
    try:
        options = parse(sys.argv[1:] if words is None else words)
        # Only now, because transformers takes seconds that --help and misspelt options need not.
        from stade_nb.cli import commands

        getattr(commands, options.command)(options)
    except torch.OutOfMemoryError as error:
        return complain(f"{error}; take a smaller --batch-size or shorter windows")
    except (StadeError, OSError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return complain("interrupted; the same command goes on with a sweep", 130)
    return 0


def complain(message: str, status: int = 2) -> int:
    """Say what is wrong in one line on stderr; returns the exit status."""
    lines = (line.strip().removesuffix(".") for line in message.splitlines())
    print(f"stade_nb: {'. '.join(filter(None, lines))}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
