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

import json
import sys
from pathlib import Path

import yaml

from stade_nb.errors import StadeError, unknown
from workflow import ROOT

NOTEBOOKS = ROOT / "notebooks"
PROFILES = NOTEBOOKS / "parameters"
SECTIONS = ("offline", "common", "notebooks")


def declared(notebook: Path) -> list[str]:
    """The names that the cell tagged ``parameters`` of `notebook` assigns, in order.

    StadeError where there is no such cell, or nothing in it.
    """
    from papermill import inspect_notebook  # takes seconds

    names = list(inspect_notebook(notebook))
    if not names:
        raise StadeError(
            f"{notebook.name} has no parameters: tag the cell that gives the defaults `parameters`"
        )
    return names


def load(profile: str, folder: Path = NOTEBOOKS) -> dict[str, dict]:
    """What every notebook is run with: ``{notebook: {"profile", "offline", "parameters"}}``.

    folder: of the notebooks, with the profiles in ``folder/parameters``.
    Raises StadeError for an unknown profile, section, notebook or parameter.
    """
    profiles = folder / PROFILES.name
    known = sorted(path.stem for path in profiles.glob("*.yaml"))
    if profile not in known:
        raise unknown("profile", profile, known)
    content = yaml.safe_load((profiles / f"{profile}.yaml").read_text("utf-8")) or {}
    for section in content:
        if section not in SECTIONS:
            raise unknown(f"section of profile {profile}", section, SECTIONS)
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


def write(profile: str, folder: Path, notebooks: Path = NOTEBOOKS) -> None:
    """Write ``folder/<notebook>.json`` for all `notebooks`, leaving equal files as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for notebook, run in load(profile, notebooks).items():
        path, text = folder / f"{notebook}.json", json.dumps(run, indent=1) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    try:
        write(sys.argv[1], Path(sys.argv[2]))
    except StadeError as error:
        sys.exit(str(error))
