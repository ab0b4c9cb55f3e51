"""The lock pins everything that the project asks for, and names nothing of one machine."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workflow import ROOT

LOCK = ROOT / "requirements.lock"
CONDA = ROOT / "environment.yml"
# Packages that only some builds of torch need.
BUILD_SPECIFIC = ("nvidia-", "cuda-", "triton")


@pytest.fixture(scope="module")
def asked() -> list[Requirement]:
    """What pyproject.toml asks for, every extra included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for texts in lists for text in texts]


def installed(name: str) -> str | None:
    """The version beside this test, without a build's suffix; None for an absent package."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def test_every_entry_is_one_plain_pin(pins):
    entries = [line for line in LOCK.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(entries) == len(pins)
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9A-Za-z.]*", entry), entry


def test_everything_asked_for_is_pinned_within_its_range(pins, asked):
    for requirement in asked:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_what_the_packages_bring_is_pinned_too(pins, asked):
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in asked]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name.startswith(BUILD_SPECIFIC):
            continue
        assert name in pins, f"{name} is not pinned: `make lock UPGRADE=` pins it"
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in requires(name) or []]


def test_no_pin_belongs_to_one_build_of_torch(pins):
    assert not [name for name in pins if name.startswith(BUILD_SPECIFIC)]


def test_what_is_installed_is_what_is_pinned(pins):
    # Another platform may need fewer packages; none may have another version.
    differing = {
        name: found for name in pins if (found := installed(name)) not in (None, pins[name])
    }
    assert not differing, "the environment differs from requirements.lock: run `make` again"


@pytest.mark.parametrize("path", [LOCK, CONDA], ids=lambda path: path.name)
def test_names_no_address_and_no_folder(path):
    text = path.read_text("utf-8")
    assert not re.search(r"https?:|file:|--|\+cpu|@|(?<![\w.])/\w", text)


def test_the_conda_environment_is_that_of_the_lock():
    environment = yaml.safe_load(CONDA.read_text("utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock", "-e ."]
