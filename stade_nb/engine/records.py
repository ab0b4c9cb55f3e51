"""One result per file: written at once or not at all, found by what determines it, self-checking.

A record is a JSON file `<key>.json` with four entries: `fields`, everything that the result
depends on; `key`, their SHA-256; `result`; and `digest`, the SHA-256 of fields and result.
"""

import functools
import json
import warnings
from pathlib import Path

from stade_nb.errors import StadeError
from stade_nb.files import digest, write_at_once

# In every record's fields as "numerics": raise it when a change of the code changes results.
NUMERICS_VERSION = 1


def path_of(folder: Path | str, fields: dict) -> Path:
    """Where the record with these fields is, or will be."""
    return Path(folder) / f"{digest(fields)}.json"


def write(folder: Path | str, fields: dict, result: dict, indent: int | None = 1) -> Path:
    """Write a record; whoever reads meanwhile, or after a kill, sees the whole of it or nothing.

    indent: None is compact, all in one line.
    """
    path = path_of(folder, fields)
    content = {"key": path.stem, "fields": fields, "result": result}
    content["digest"] = digest([fields, result])
    path.parent.mkdir(parents=True, exist_ok=True)
    separators = (",", ":") if indent is None else None
    text = json.dumps(content, indent=indent, separators=separators, allow_nan=False)
    write_at_once(path, text + "\n")
    return path


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
    """What a table shows of a record that is there: fields, result, and its key as `record`."""
    return fields | read(folder, fields) | {"record": path_of(folder, fields).stem}


@functools.cache  # once a process: a missing record is looked for more than once
def _say_stale(path: Path, older: int, version: int) -> None:
    warnings.warn(
        f"record {path.name} is of numerics version {older}, and this is {version}; "
        "computing it again",
        stacklevel=3,
    )


def checked(path: Path) -> dict:
    """The content of a record. StadeError, naming the file, where it is not what was written."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fields, result = content["fields"], content["result"]
        named = {path.stem, content["key"], digest(fields)}
        intact = len(named) == 1 and content["digest"] == digest([fields, result])
    except (ValueError, KeyError, TypeError) as error:
        raise StadeError(f"record {path.name} is damaged ({type(error).__name__})") from error
    if not intact:
        raise StadeError(f"record {path.name} is damaged (content and checksum differ)")
    return content
