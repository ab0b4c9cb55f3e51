"""Where the commands write, tried before the work begins."""

from pathlib import Path
from types import SimpleNamespace

from stade_nb.errors import StadeError
from stade_nb.files import try_file, try_folder
from stade_nb.models import saving

SIZE_OF_CELL = 1 << 17  # bytes in a file of results, about, of a large model


def empty_folder(name: str, ours: bool = False) -> Path:
    """The folder `name`, made where it is not there; StadeError where something is in it.

    ours: what is in it a run of the same command has left, and may be replaced.
    """
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise StadeError(f"{name!r} is a file: expected a new or an empty folder")
    if folder.is_dir() and not ours and any(one.name != saving.HALF for one in folder.iterdir()):
        raise StadeError(
            f"folder {name!r} is not empty: expected a new or an empty one, so that nothing is "
            "overwritten"
        )
    return try_folder(folder)


def new_gguf(name: str | None, ours: bool = False) -> Path | None:
    """The file of --save-gguf, if there is to be one; StadeError where it cannot be made."""
    if name is None:
        return None
    path = Path(name)
    there = path.exists() and not ours
    if path.suffix != ".gguf" or there or not path.absolute().parent.is_dir():
        raise StadeError(f"--save-gguf {name!r}: expected a new .gguf file in a folder that exists")
    return try_file(path)


def out_file(options: SimpleNamespace, cells: int = 1) -> Path | None:
    """The file of --out, if there is to be one; StadeError where it cannot be written.

    cells: how many are to be written.
    """
    if options.out is None:
        return None
    path = Path(options.out)
    results = getattr(options, "results_dir", None)
    if results is not None and path.resolve() == Path(results).resolve():
        raise StadeError(f"--out {options.out!r} is the --results-dir: expected a file")
    try:
        return try_file(path, cells * SIZE_OF_CELL, "the file of --out")
    except StadeError as error:
        raise StadeError(f"--out {error}") from error
