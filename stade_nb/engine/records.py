"""One result per file: written at once or not at all, found by what determines it, self-checking.

A record is a JSON file `<key>.json` with four entries: `fields`, everything that the result
depends on; `key`, their SHA-256; `result`; and `digest`, the SHA-256 of fields and result. Those
that come with the project are compact; both kinds are read alike.
"""

import functools
import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from stade_nb.engine.folded import fold, unfold
from stade_nb.errors import StadeError
from stade_nb.files import digest, ordinary, remove_leftovers, try_folder, write_at_once

# In every record's fields as "numerics": raise it when a change of the code changes results.
NUMERICS_VERSION = 1
# Bytes of a record, at most: in general, for a window or question, for a layer.
_SIZE, _SIZE_OF_LOSS, _SIZE_OF_LAYER = 8_000, 32, 256
_BY_LAYER = ("zeros", "sizes", "added_bias")
# What results have under these names, by which another program's file with a digest is known.
_KINDS = {
    "model": lambda value: isinstance(value, str),
    "perplexity": lambda value: _is_number(value),
    "accuracy": lambda value: _is_number(value),
    "losses": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "correct": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    **dict.fromkeys(
        (*_BY_LAYER, "loaded"),
        lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    ),
}


def path_of(folder: Path | str, fields: dict) -> Path:
    """Where the record with these fields is, or will be."""
    return Path(folder) / f"{digest(fields)}.json"


def write(folder: Path | str, fields: dict, result: dict, indent: int | None = 1) -> Path:
    """Write a record; whoever reads meanwhile, or after a kill, sees the whole of it or nothing.

    indent: None is compact, all in one line, with counts by layer folded (`folded`): a third of
    the size or less. The digest is of the result as it is read.
    """
    path = path_of(folder, fields)
    content = {"key": path.stem, "fields": fields, "result": result}
    content["digest"] = digest([fields, result])
    if not path.parent.is_dir():
        try_folder(path.parent)
    separators = None
    if indent is None:
        separators, content["result"] = (",", ":"), _each_layer(result, fold)
    text = json.dumps(content, indent=indent, separators=separators, allow_nan=False)
    write_at_once(path, text + "\n")
    return path


def try_places(folder: Path | str, missing: Iterable[dict], losses: int, layers: int) -> None:
    """Try, before anything is computed, whether the records with these fields can be written.

    losses, layers: how many of each a record has. StadeError where the folder cannot be written or
    has no room for them, and where one's place is taken by what is no ordinary file.
    """
    paths = [path_of(folder, fields) for fields in missing]
    size = _SIZE + losses * _SIZE_OF_LOSS + layers * _SIZE_OF_LAYER
    if paths:
        remove_leftovers(try_folder(folder, len(paths) * size, f"{len(paths)} records"))
    for path in paths:
        ordinary(path)


def read(folder: Path | str, fields: dict) -> dict | None:
    """The result with these fields, or None where there is none yet.

    A damaged record, or one whose fields differ in an older "numerics" alone, is reported in a
    warning that names it, and counts as none.
    """
    path = path_of(folder, fields)
    if not path.exists():
        version = fields.get("numerics", 1)
        for older in range(1, version):
            stale = path_of(folder, fields | {"numerics": older})
            if stale.exists():
                _say_stale(stale, older, version)
        return None
    try:
        return checked(path)["result"]
    except StadeError as error:
        warnings.warn(f"{error}; computing it again", stacklevel=2)
        return None


def found(folder: Path | str, fields: dict) -> dict:
    """What a table shows of a record that is there: fields, result, and its key as `record`.

    StadeError where it is there no more: somebody has removed it while others were computed.
    """
    result, path = read(folder, fields), path_of(folder, fields)
    if result is None:
        raise StadeError(
            f"record {path.name} is gone or damaged since it was written into {str(folder)!r}: "
            "leave that folder alone during a run; the same run again computes it"
        )
    return fields | result | {"record": path.stem}


@functools.cache  # once a process: a missing record is looked for more than once
def _say_stale(path: Path, older: int, version: int) -> None:
    warnings.warn(
        f"record {path.name} is of numerics version {older}, and this is {version}; "
        "computing it again",
        stacklevel=3,
    )


def checked(path: Path) -> dict:
    """The content of a record. StadeError, naming the file, where it is not what was written."""
    if path.exists() and not path.is_file():  # a FIFO would never end
        raise StadeError(f"record {path.name} is damaged (not an ordinary file)")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fields, result = content["fields"], _each_layer(content["result"], unfold)
        named = {path.stem, content["key"], digest(fields)}
        intact = len(named) == 1 and content["digest"] == digest([fields, result])
        wrong = _wrong(fields, result)
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise StadeError(f"record {path.name} is damaged ({type(error).__name__})") from error
    if not intact:
        raise StadeError(f"record {path.name} is damaged (content and checksum differ)")
    if wrong:
        raise StadeError(f"record {path.name} is damaged ({wrong} is not what a record has there)")
    return content | {"result": result}


def _each_layer(result: dict, change: Callable[[dict], dict]) -> dict:
    """A result whose counts by layer are changed; what is no dict, none of a record's, stays."""
    if not isinstance(result, dict):
        return result
    found = {name: result[name] for name in _BY_LAYER if isinstance(result.get(name), dict)}
    return result | {name: change(by_layer) for name, by_layer in found.items()}


def _wrong(fields: object, result: object) -> str | None:
    """What of a record whose digest fits is of a type that no record has, by name."""
    if not isinstance(fields, dict) or not isinstance(result, dict):
        return "its result" if isinstance(fields, dict) else "its list of fields"
    known = _KINDS.keys() & result.keys()
    return next((name for name in sorted(known) if not _KINDS[name](result[name])), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
