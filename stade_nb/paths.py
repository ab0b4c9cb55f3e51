"""The one file that knows folders: where data is read, and where anything may be written.

The package is either part of a checkout or installed. An installed package carries `data/` as
`_data` and writes nothing beside itself: what it makes goes to the user's cache folder or, where
the environment variable STADE_NB_HOME names one, to that folder.
"""

import os
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from stade_nb.errors import StadeError

PACKAGE = Path(__file__).resolve().parent
_CARRIED = PACKAGE / "_data"  # only a wheel has it
CHECKOUT = None if _CARRIED.is_dir() else PACKAGE.parent
# Models, printed tables and manifests. Read only, but for `maintained`.
DATA = CHECKOUT / "data" if CHECKOUT else _CARRIED


def expanded(path: str | Path) -> Path:
    """`path` with "~" and "~name" as the home folder; StadeError where nobody has that name.

    And for what is neither text nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise StadeError(f"path {path!r}: expected text or a pathlib.Path")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        first = Path(path).parts[0]
        raise StadeError(
            f"path {str(path)!r}: this machine knows no home folder {first!r}; write the folder "
            f"out, or './{path}' for one that is called so"
        ) from None


def _named(variable: str) -> Path | None:
    """The folder that an environment variable names; None where it is unset or empty."""
    try:
        return expanded(os.environ[variable]) if os.environ.get(variable) else None
    except StadeError as error:
        raise StadeError(f"{variable}: {error}") from None


_GIVEN = _named("STADE_NB_HOME")
# What the package makes and can make again.
HOME = _GIVEN or (CHECKOUT / "build" if CHECKOUT else user_cache_path("stade-nb"))
# What each page found: of the book's own run where `workflow.execute` says it, for the scorecard;
# of a notebook that papermill runs by hand, on any model, apart from it.
VERDICTS = _named("STADE_NB_VERDICTS") or HOME / "verdicts-by-hand"
# The built texts of the embedded corpus.
CORPUS = _named("STADE_CORPUS") or (
    CHECKOUT / "data" / "corpus" if CHECKOUT and not _GIVEN else HOME / "corpus"
)
# Texts that are no part of the project, under the names that records have for them.
TEXTS = _named("STADE_NB_TEXTS")


def log_folders() -> list[Path]:
    """Where the full account of an error goes: the first of these that can be written."""
    return [HOME / "logs", Path(tempfile.gettempdir())]


def results(folder: str | Path) -> Path:
    """The folder of a page's records: a relative one begins at the checkout, if there is one.

    Installed, it begins at the folder that the process runs in. StadeError for the home of nobody.
    """
    return (CHECKOUT or Path.cwd()) / expanded(folder)


def maintained(path: Path) -> Path:
    """`path`, a file or folder of `data/` about to be written by a maintainer's step.

    StadeError in an installed package, whose data are not to be changed.
    """
    if CHECKOUT is None and path.is_relative_to(DATA):
        raise StadeError(
            f"{path.name!r} of an installed package is not to be written: run this step in a "
            "checkout of the project"
        )
    return path
