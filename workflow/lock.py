"""The pinned environment: what pyproject.toml asks for and all that it brings.

``python -m workflow.lock`` writes ``requirements.lock`` and, with the same pins for users of conda,
``environment.yml`` from the packages installed beside it; ``make lock`` does so in a fresh
environment.
"""

import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stade_nb.paths import ROOT

LOCK = ROOT / "requirements.lock"
CONDA = ROOT / "environment.yml"
HEADER = """\
# Every package of the environment, pinned. Made by `make lock`: a fresh environment with the newest
# versions that pyproject.toml allows, written down by `python -m workflow.lock`.
# No hashes and no "+cpu": pip takes the build of torch that is offered on the machine at hand, and
# with a CUDA build the CUDA packages of that build; these are therefore not pinned here.
"""
CONDA_HEADER = """\
# The environment of requirements.lock for users of conda: the same pins, written by the same
# command (`make lock`). conda env create -f environment.yml && conda activate stade-nb
name: stade-nb
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:"""
# Packages that only some builds of torch need.
BUILD_SPECIFIC = re.compile(r"nvidia-|cuda-|triton")


def groups() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for: ``{"dependencies": [...], "<extra>": [...], ...}``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(text) for text in texts] for name, texts in lists.items()}


def brought_by(requirements: list[Requirement]) -> set[str]:
    """Names of all installed packages that `requirements` need, themselves included."""
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if BUILD_SPECIFIC.match(name):
            continue
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in requires(name) or []]
    return {name for name, _ in seen}


def pin(name: str) -> str:
    """``name==version`` of the installed package, without a build's local suffix."""
    return f"{name}=={version(name).partition('+')[0]}"


def sections() -> dict[str, list[str]]:
    """The pins of the environment that runs this, under the group that asks for each."""
    asked = groups()
    pins: dict[str, list[str]] = {}
    listed: set[str] = set()
    for title, requirements in asked.items():
        names = {canonicalize_name(requirement.name) for requirement in requirements} - listed
        listed |= names
        pins[title] = [pin(name) for name in sorted(names)]
    everything = brought_by([requirement for group in asked.values() for requirement in group])
    pins["brought in by these"] = [pin(name) for name in sorted(everything - listed)]
    return pins


def pinned(lock: Path = LOCK) -> list[str]:
    """The ``name==version`` lines of a lock file."""
    lines = lock.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def conda_environment(pins: list[str]) -> str:
    """The text of ``environment.yml`` with the given pins."""
    return "\n".join([CONDA_HEADER, *(f"      - {entry}" for entry in [*pins, "-e ."]), ""])


def write() -> None:
    """Write ``requirements.lock`` and ``environment.yml`` for the environment that runs this."""
    parts = ["\n".join([f"# {title}", *pins, ""]) for title, pins in sections().items()]
    LOCK.write_text("\n".join([HEADER, *parts]), "utf-8")
    CONDA.write_text(conda_environment(pinned()), "utf-8")


if __name__ == "__main__":
    write()
