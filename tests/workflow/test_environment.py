"""The lock and the conda environment name the same packages, and nothing of one machine."""

import re

import pytest
import yaml
from packaging.utils import canonicalize_name

from workflow.lock import CONDA, LOCK, groups, pinned, sections


def test_every_entry_is_one_plain_pin():
    pins = pinned()
    for entry in pins:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9A-Za-z.]*", entry), entry
    names = [entry.partition("==")[0] for entry in pins]
    assert len(names) == len(set(names))
    assert "torch==2.13.0" in pins
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-", "triton"))]


@pytest.mark.parametrize("path", [LOCK, CONDA], ids=lambda path: path.name)
def test_names_no_address_and_no_folder(path):
    text = path.read_text("utf-8")
    assert not re.search(r"https?:|file:|--|\+cpu\b(?!\")|@|(?<![\w.])/\w", text)


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load(CONDA.read_text("utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == [*pinned(), "-e ."]


def test_everything_asked_for_is_pinned_within_its_range():
    versions = dict(entry.split("==") for entry in pinned())
    for requirements in groups().values():
        for requirement in requirements:
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_lock_is_what_is_installed():
    locked = dict(entry.split("==") for entry in pinned())
    installed = dict(entry.split("==") for pins in sections().values() for entry in pins)
    # Another platform may add a package of its own; none may have another version.
    differing = [name for name in locked.keys() & installed if locked[name] != installed[name]]
    assert not differing, "the environment differs from requirements.lock: run `make` again"
