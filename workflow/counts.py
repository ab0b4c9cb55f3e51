"""How large the package is, beside the limits that keep it readable.

``python -m workflow.counts`` prints the counts and ends with status 1 where a limit is broken, or
with ``--report`` prints them alone.

The limits on files and lines were set for the house as it was planned: `ROOMS`. What features
brought that nobody knew of then is counted apart, line by line: rooms that are not among these, and
the files that `LATER` names. The sums of all there is stand below.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import stade_nb
from workflow import ROOT, Words

PACKAGE = ROOT / "stade_nb"
LONGEST, SHORTEST, PARAMETERS = 300, 40, 7
ROOMS = (
    "numerics", "models", "evaluation", "engine", "cli",
    "corpus", "training", "theory", "claims", "pages",
)  # fmt: skip
# By feature, the files that it brought into a planned room.
LATER = {
    "models from the package index": (
        "models/packaged.py", "models/gguf_file.py", "models/hub_access.py",
    ),
    "GGUF written, read again, compared": (
        "models/gguf_export.py", "models/gguf_tokenizer.py", "models/conformance.py",
        "pages/tables/conformance.py",
    ),
    "records computed elsewhere": (
        "engine/shipped.py", "pages/tables/earlier.py", "pages/tables/real.py",
        "pages/tables/ladder.py", "pages/tables/gpu.py", "pages/plots/real.py",
        "pages/tables/guessed.py",
    ),
    "runs that go on after a kill": (
        "engine/unfinished.py", "engine/keeping.py", "engine/kept.py", "engine/effort.py",
        "evaluation/kept_answers.py", "cli/going_on.py", "cli/stopping.py", "cli/ending.py",
    ),
    "speed and scale": (
        "engine/speed.py", "engine/arithmetic.py", "models/shapes.py", "pages/tables/speed.py",
        "pages/tables/scale.py", "pages/plots/speed.py",
    ),
    "what a checkpoint or token ids have wrong": (
        "models/checkpoint.py", "models/token_ids.py",
    ),
    "one pruned model on many texts": (
        "engine/texts.py", "pages/tables/texts.py", "pages/plots/texts.py",
    ),
    "the studies' pages": (
        "pages/tables/studies.py", "pages/tables/losses.py", "pages/plots/studies.py",
    ),
    "which number should I get": ("evaluation/diagnosis.py",),
}  # fmt: skip
# Doors, and the one equation that the paper sets apart.
MAY_BE_SHORT = ("errors.py", "__main__.py", "training/__main__.py", "numerics/bias.py")


class Count(NamedTuple):
    """A number and its limit (None: just to be known); `broken` names what is over it."""

    what: str
    number: int
    limit: int | None = None
    broken: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the limit is kept."""
        return not self.broken and (self.limit is None or self.number <= self.limit)

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"  at most {self.limit:,}"
        verdict = "" if self.holds else "  BROKEN"
        named = "".join(f"\n    {name}" for name in self.broken)
        return f"{self.what:<52}{self.number:>7,}{limit}{verdict}{named}"


def lengths(folder: Path) -> dict[str, int]:
    """Lines of every module below `folder`, by its path from there."""
    paths = sorted(folder.rglob("*.py"))
    return {
        path.relative_to(folder).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in paths
    }


def _functions(tree: ast.AST, inside: tuple = ()) -> Iterator[tuple[str, int]]:
    """(dotted name, number of parameters) of each function, `self` and `cls` not counted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            asked = node.args
            names = [a.arg for a in [*asked.posonlyargs, *asked.args, *asked.kwonlyargs]]
            names += [a.arg for a in (asked.vararg, asked.kwarg) if a]
            own = names[:1] in (["self"], ["cls"])
            yield ".".join((*inside, node.name)), len(names) - own
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from _functions(node, (*inside, node.name) if named else inside)


def _public(tree: ast.Module) -> int:
    """Functions and classes of a module that others may use."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return sum(isinstance(n, kinds) and not n.name.startswith("_") for n in tree.body)


def part(name: str) -> str:
    """Where a module counts: its planned room, "the top", or what brought it later."""
    room, inside, _ = name.partition("/")
    if inside and room not in ROOMS:
        return f"{room}/, a later room"
    later = (feature for feature, files in LATER.items() if name in files)
    return next(later, f"{room}/" if inside else "the top")


def sizes(lines: dict[str, int]) -> list[Count]:
    """Files and lines of the planned house, of each part of it and of what came later, of all."""
    parts = dict.fromkeys([*(f"{room}/" for room in ROOMS), "the top"])
    house = [name for name in lines if part(name) in parts]
    files = [name for name in lines if Path(name).name != "__init__.py"]
    apart = len(set(files) & set(house))
    every = dict.fromkeys([*parts, *LATER, *map(part, lines)])
    by_part = {each: [name for name in lines if part(name) == each] for each in every}
    return [
        Count("files of the planned house, __init__.py apart", apart, 85),
        Count("lines of the planned house", sum(lines[name] for name in house), 10_900),
        *(
            Count(f"  lines of {each}, files {len(set(names) & set(files))}",
                  sum(lines[name] for name in names), 850 if each == "numerics/" else None)
            for each, names in by_part.items() if names
        ),
        Count("files, all together", len(files)),
        Count("lines, all together", sum(lines.values())),
    ]  # fmt: skip


def counts(folder: Path = PACKAGE) -> list[Count]:
    """Every count of the package in `folder`."""
    lines = lengths(folder)
    modules = {name: n for name, n in lines.items() if Path(name).name != "__init__.py"}
    long = tuple(f"{name} {n}" for name, n in modules.items() if n > LONGEST)
    short = tuple(
        f"{name} {n}" for name, n in modules.items() if n < SHORTEST and name not in MAY_BE_SHORT
    )
    trees = {name: ast.parse((folder / name).read_text("utf-8")) for name in lines}
    wide = tuple(
        f"{name} {function} {number}"
        for name, tree in trees.items()
        for function, number in _functions(tree)
        if number > PARAMETERS
    )
    return [
        *sizes(lines),
        Count(f"files of more than {LONGEST} lines", len(long), 0, long),
        Count(f"files of fewer than {SHORTEST} lines, doors apart", len(short), 0, short),
        Count(f"functions of more than {PARAMETERS} parameters", len(wide), 0, wide),
        Count("lines of the longest file", max(modules.values())),
        Count("lines of the shortest file", min(modules.values())),
        Count("public functions and classes", sum(map(_public, trees.values()))),
    ]


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Words(prog="python -m workflow.counts", description=__doc__)
    parser.add_argument("--report", action="store_true", help="print, and refuse nothing")
    report = parser.parse_args(words).report
    door = Count("names at the front door", len(stade_nb.__all__), 23)
    found = [*counts(), door]
    print(*found, sep="\n")
    return 0 if report else int(not all(count.holds for count in found))


if __name__ == "__main__":
    sys.exit(main())
