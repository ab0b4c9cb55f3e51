"""What the commands read and write: token windows, the device, patterns, folders, JSON files."""

import json
from argparse import Namespace
from pathlib import Path

from stade_nb.engine.cell import Windows
from stade_nb.errors import StadeError, unknown
from stade_nb.files import write_at_once
from stade_nb.models import loading
from stade_nb.models.windows import stored_shape
from stade_nb.numerics.masks import parse_pattern

CALIBRATION_WINDOWS = 128


def device_of(options: Namespace) -> str:
    """The device that --device or --cuda_device asks for, by default "auto".

    StadeError where they name different ones.
    """
    if options.cuda_device is None:
        return options.device or "auto"
    numbered = f"cuda:{options.cuda_device}"
    if options.device not in (None, numbered):
        raise StadeError(
            f"--device {options.device} and --cuda_device {options.cuda_device}: expected one of "
            "the two, or twice the same"
        )
    return numbered


def pattern_of(options: Namespace) -> str:
    """The pattern that --sparsity_type and --sparsity_ratio ask for together.

    StadeError where the two contradict each other or are not known.
    """
    kind, share = options.sparsity_type, options.sparsity_ratio
    if kind == "unstructured":
        if share is None or parse_pattern(share).m is not None:
            raise StadeError(
                f"--sparsity_type unstructured with --sparsity_ratio {share}: expected a share "
                "such as 0.5; an N:M pattern is a --sparsity_type"
            )
        return share
    if ":" not in kind:
        raise unknown("sparsity type", kind, ["unstructured", "2:4", "4:8"])
    pattern = parse_pattern(kind)
    if share is not None and parse_pattern(share).sparsity != pattern.sparsity:
        raise StadeError(
            f"--sparsity_ratio {share} with --sparsity_type {kind}, of which "
            f"{pattern.sparsity:g} goes: leave the ratio out"
        )
    return kind


def calibration_corpus(options: Namespace) -> Windows:
    """The calibration windows that the options ask for."""
    source = options.calibration or _usual(options.model, "c4")
    return _corpus(source, options.nsamples, options.window_length, CALIBRATION_WINDOWS)


def evaluation_corpus(options: Namespace) -> Windows:
    """The evaluation windows that the options ask for."""
    source = options.evaluation or _usual(options.model, "wikitext2")
    return _corpus(source, options.evaluation_windows, options.window_length, None)


def _usual(model: str, papers: str) -> str:
    """The paper's text for a model of the hub; one that needs no network for what lies here."""
    return "embedded" if Path(loading.locate(model)).is_dir() else papers


def _corpus(source: str, windows: int | None, length: int | None, usual: int | None) -> Windows:
    """A .npy array has its own number and length of windows, where the options name no others."""
    if Path(source).suffix == ".npy":
        stored = stored_shape(source)
        return Windows(source, windows or stored[0], length or stored[1])
    return Windows(source, windows or usual, length)


def empty_folder(name: str) -> Path:
    """The folder `name`, made where it is not there; StadeError where something is in it."""
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise StadeError(f"{name!r} is a file: expected a new or an empty folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise StadeError(
            f"folder {name!r} is not empty: expected a new or an empty one, so that nothing is "
            "overwritten"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_out(name: str | None) -> None:
    """StadeError where no file `name` could be written."""
    if name is not None and (Path(name).is_dir() or not Path(name).absolute().parent.is_dir()):
        raise StadeError(f"--out {name!r}: expected a file in a folder that exists")


def write_json(path: Path, content: object) -> None:
    """Write the whole file or nothing."""
    write_at_once(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
