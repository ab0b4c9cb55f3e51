"""Profiles: the parameters that each notebook is run with, one file each in notebooks/parameters.

::

    offline: true                          # no hub is asked
    common: {device: cpu}                  # for every notebook that has such a parameter
    notebooks:
      table3_perplexity: {windows: 8}      # for one notebook

What a profile does not name keeps the default of the notebook's own ``parameters`` cell.
``python -m workflow.profiles PROFILE FOLDER`` writes what each notebook gets to
``FOLDER/<notebook>.json`` and touches no file whose content is the same: `make` reruns a notebook
when its file is newer.
"""

import ast
import json
import sys
from pathlib import Path

import yaml

from stade_nb.errors import StadeError, unknown
from workflow import ROOT, Words, status_of

NOTEBOOKS = ROOT / "notebooks"
PROFILES = NOTEBOOKS / "parameters"
SECTIONS = ("offline", "common", "notebooks")


def declared(notebook: Path) -> list[str]:
    """The names that the cell tagged ``parameters`` of `notebook` assigns, in order.

    A page may have nothing to choose; its cell says so. StadeError where there is no such cell.
    """
    from papermill import inspect_notebook  # takes seconds

    names = list(inspect_notebook(notebook))
    if not names and not _cells(notebook):
        raise StadeError(
            f"{notebook.name} has no parameters: tag the cell that gives the defaults `parameters`"
        )
    return names


def defaults(notebook: Path) -> dict:
    """What the cell tagged ``parameters`` of `notebook` assigns, by name."""
    (cell,) = _cells(notebook)
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse("".join(cell["source"])).body
    }


def _cells(notebook: Path) -> list[dict]:
    """The cells that are tagged ``parameters``."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [one for one in cells if "parameters" in one["metadata"].get("tags", [])]


def _content(path: Path) -> dict:
    """The sections of a profile's file. StadeError where it is no YAML, or laid out otherwise."""
    name = f"profile {path.stem}"
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise StadeError(f"{name} ({path.name}) is no YAML: {said}") from error
    if not isinstance(content, dict):
        raise StadeError(f"{name} is {content!r}: expected the sections {', '.join(SECTIONS)}")
    for section in content:
        if section not in SECTIONS:
            raise unknown(f"section of {name}", section, SECTIONS)
    if not isinstance(content.get("offline", False), bool):
        raise StadeError(f"offline: {content['offline']!r} in {name}: expected true or false")
    common, own = content.get("common") or {}, content.get("notebooks") or {}
    for where, given in {"common": common, "notebooks": own}.items():
        if not isinstance(given, dict):
            raise StadeError(f"{where}: {given!r} in {name}: expected {{name: value}}")
    for notebook, given in own.items():
        if not isinstance(given, dict):
            raise StadeError(f"{notebook}: {given!r} in {name}: expected {{parameter: value}}")
    return content


def load(profile: str, folder: Path = NOTEBOOKS) -> dict[str, dict]:
    """What every notebook is run with: ``{notebook: {"profile", "offline", "parameters"}}``.

    folder: of the notebooks, with the profiles in ``folder/parameters``.
    Raises StadeError for an unknown profile, section, notebook or parameter, and for a profile
    that is no YAML or has something else in a section's place.
    """
    profiles = folder / PROFILES.name
    known = sorted(path.stem for path in profiles.glob("*.yaml"))
    if profile not in known:
        raise unknown("profile", profile, known)
    content = _content(profiles / f"{profile}.yaml")
    common, own = content.get("common") or {}, content.get("notebooks") or {}

    notebooks = sorted(folder.glob("*.ipynb"))
    # A profile that gives nothing need not know what there is to give.
    names = {path.stem: declared(path) if common or own else [] for path in notebooks}
    for notebook, parameters in own.items():
        if notebook not in names:
            raise unknown(f"notebook in profile {profile}", notebook, names)
        for name in parameters:
            if name not in names[notebook]:
                raise unknown(
                    f"parameter of {notebook} in profile {profile}", name, names[notebook]
                )
    everywhere = sorted({name for each in names.values() for name in each})
    for name in common:
        if name not in everywhere:
            raise unknown(f"common parameter in profile {profile}", name, everywhere)
    return {
        notebook: {
            "profile": profile,
            "offline": content.get("offline", False),
            "parameters": {name: common[name] for name in names[notebook] if name in common}
            | own.get(notebook, {}),
        }
        for notebook in names
    }


def resolved(notebook: Path, run: dict) -> dict:
    """The values that a notebook runs with: its own defaults, and what a `run` of `load` gives.

    As the notebook itself has them, so that lists are lists. StadeError for one that it would
    refuse, which need not wait for it.
    """
    from stade_book.pages import parameters  # takes seconds

    try:
        return dict(parameters.checked(defaults(notebook) | run["parameters"], notebook.stem))
    except StadeError as error:
        raise StadeError(f"profile {run['profile']}: {error}") from None


def write(profile: str, folder: Path, notebooks: Path = NOTEBOOKS) -> None:
    """Write ``folder/<notebook>.json`` for all `notebooks`, leaving equal files as they are.

    StadeError, and nothing written, as `load` and `resolved` have it.
    """
    runs = load(profile, notebooks)
    for notebook, run in runs.items():
        if run["parameters"]:
            resolved(notebooks / f"{notebook}.ipynb", run)
    folder.mkdir(parents=True, exist_ok=True)
    for notebook, run in runs.items():
        path, text = folder / f"{notebook}.json", json.dumps(run, indent=1) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Words(prog="python -m workflow.profiles", description=__doc__)
    parser.add_argument("profile", help="the name of a file of notebooks/parameters")
    parser.add_argument("folder", type=Path, help="for what each notebook gets")
    given = parser.parse_args(words)
    return status_of("profiles", lambda: write(given.profile, given.folder))


if __name__ == "__main__":
    sys.exit(main())
