"""How large the packages are, beside the limits that keep them readable.

``python -m workflow.counts`` prints the counts and ends with status 1 where a limit is broken, or
with ``--report`` prints them alone.

The limits on files and lines are the library's, which is what a reader of the numerics and a
maintainer of methods need to know: all of `stade_nb`, with nothing set apart. The book's package
grows with its pages; its files and lines are counted, and its files keep the same limits.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import stade_nb
from workflow import ROOT, Words

LIBRARY, BOOK = "stade_nb", "stade_book"
LONGEST, SHORTEST, PARAMETERS = 300, 40, 7
FILES, LINES, NUMERICS = 85, 10_900, 860
# Doors, and the one equation that the paper sets apart.
MAY_BE_SHORT = (
    "stade_nb/errors.py", "stade_nb/__main__.py", "stade_nb/numerics/bias.py",
    "stade_book/training/__main__.py",
)  # fmt: skip


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


def sizes(lines: dict[str, int]) -> list[Count]:
    """Files and lines of each package and of each of its rooms; `lines`: by path from `ROOT`."""
    found = []
    for package, files, most in ((LIBRARY, FILES, LINES), (BOOK, None, None)):
        inside = [name for name in lines if Path(name).parts[0] == package]
        modules = {name for name in inside if Path(name).name != "__init__.py"}
        found.append(Count(f"files of {package}, __init__.py apart", len(modules), files))
        found.append(Count(f"lines of {package}", sum(lines[name] for name in inside), most))
        parts = {name: Path(name).parts[1] if name.count("/") > 1 else "the top" for name in inside}
        for part in [*sorted(set(parts.values()) - {"the top"}), "the top"]:
            names = [name for name in inside if parts[name] == part]
            limit = NUMERICS if (package, part) == (LIBRARY, "numerics") else None
            what = f"  lines of {part}, files {len(modules.intersection(names))}"
            found.append(Count(what, sum(lines[name] for name in names), limit))
    return found


def counts(root: Path | None = None) -> list[Count]:
    """Every count of the two packages in `root`, or in the checkout."""
    root = root or ROOT
    lines = {
        f"{package}/{name}": number
        for package in (LIBRARY, BOOK)
        for name, number in lengths(root / package).items()
    }
    modules = {name: n for name, n in lines.items() if Path(name).name != "__init__.py"}
    long = tuple(f"{name} {n}" for name, n in modules.items() if n > LONGEST)
    short = tuple(
        f"{name} {n}" for name, n in modules.items() if n < SHORTEST and name not in MAY_BE_SHORT
    )
    trees = {name: ast.parse((root / name).read_text("utf-8")) for name in lines}
    wide = tuple(
        f"{name} {function} {number}"
        for name, tree in trees.items()
        for function, number in _functions(tree)
        if number > PARAMETERS
    )
    return [
        *sizes(lines),
        Count("files, all together", len(modules)),
        Count("lines, all together", sum(lines.values())),
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
