"""What a cell needs to go on where a killed run has left it: one file, between two blocks.

The file holds the hidden states of its windows and what is known of it so far, as safetensors: no
code can hide in it. It is written whole or not at all, and its name and its content say which cell
it is of, in batches of how many windows, and which code wrote it, so that no other one reads it.
"""

import functools
import hashlib
import json
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stade_nb import paths
from stade_nb.engine.report import LayerReport, Report
from stade_nb.engine.streams import Carried
from stade_nb.errors import StadeError
from stade_nb.files import digest, remove_leftovers, try_folder, write_at_once

FOLDER = "unfinished"  # beside the records
# The rooms whose code decides what a cell comes to.
_ROOMS = ("numerics", "beyond", "models", "evaluation", "engine")
_STREAMS = ("calibration", "evaluation")


@functools.cache
def code() -> str:
    """SHA-256 of the code that computes cells, and the versions of what it computes with."""
    found = hashlib.sha256(torch.__version__.encode())
    for room in _ROOMS:
        for path in sorted((paths.PACKAGE / room).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


def path_of(results_dir: str | Path, fields: dict, batch_size: int) -> Path:
    """Where what is unfinished of the cell with these fields of its record is, or will be."""
    how = digest([batch_size, code()])
    return Path(results_dir) / FOLDER / f"{digest(fields)}-{how[:16]}.safetensors"


def write(path: Path, one: Carried) -> None:
    """Keep what a cell needs to go on behind the blocks that it has passed.

    StadeError as `write_state` has it.
    """
    streams = {use: getattr(one, use) for use in _STREAMS}
    tensors = {
        f"{use}.{place:06}": batch
        for use, stream in streams.items()
        if stream is not None
        for place, batch in enumerate(stream.batches)
    }
    report = {name: [r.zeros, r.size, r.added_bias] for name, r in one.report.items()}
    write_state(path, {"passed": one.passed, "seconds": one.seconds, "report": report}, tensors)


def read(path: Path) -> dict | None:
    """What `write` has kept: passed, seconds, report, and calibration and evaluation in batches.

    None where there is nothing of use, see `read_state`.
    """
    found = read_state(path)
    if found is None:
        return None
    state, tensors = found
    state["report"] = Report({name: LayerReport(*r) for name, r in state["report"].items()})
    for use in _STREAMS:
        state[use] = [tensors[name] for name in tensors if name.startswith(f"{use}.")]
    return state


def write_state(path: Path, state: dict, tensors: dict[str, Tensor]) -> None:
    """Keep `state`, which JSON can write, and tensors by name, in one file.

    StadeError where it cannot be written; what was there before stays then.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(state)
    metadata = {"name": path.stem, "state": text, "digest": _digest(path.stem, text, tensors)}
    try_folder(path.parent)
    try:
        write_at_once(path, lambda file: save_file(tensors, file.name, metadata))
    except SafetensorError as error:
        raise StadeError(f"{path.name} cannot be written ({error})") from error


def read_state(path: Path) -> tuple[dict, dict[str, Tensor]] | None:
    """What `write_state` has kept, the tensors in the order of their names.

    None where there is nothing; where it is damaged a warning says so, and the work begins anew.
    """
    if not path.exists():
        return None
    try:
        if not path.is_file():
            raise ValueError("not an ordinary file")
        with safe_open(path, "pt") as file:
            metadata, names = file.metadata(), sorted(file.keys())
            # Clones lie where torch puts tensors: their products have the same bits.
            tensors = {name: file.get_tensor(name).clone() for name in names}
        if metadata["digest"] != _digest(path.stem, metadata["state"], tensors):
            raise ValueError("content and checksum differ")
        return json.loads(metadata["state"]), tensors
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        warnings.warn(f"unfinished {path.name} is damaged ({error}); beginning anew", stacklevel=2)
        return None


def passed(path: Path) -> int:
    """How many blocks a cell has left, by what is kept of it; 0 where that is nothing of use."""
    try:
        if not path.is_file():
            return 0
        with safe_open(path, "pt") as file:
            return int(json.loads(file.metadata()["state"])["passed"])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, OSError):
        return 0  # `read` says why


def clear(results_dir: str | Path, keys: Iterable[dict], wanted: Iterable[Path]) -> None:
    """Remove what is kept of these cells but for the files `wanted`; of other cells it all stays.

    Not wanted is what belongs to a record that is there, and what other code has left.
    """
    folder, wanted = Path(results_dir) / FOLDER, set(wanted)
    if not folder.is_dir():
        return
    remove_leftovers(folder)
    names = {digest(fields) for fields in keys}
    # Another process may empty, fill or remove the folder meanwhile: no cell is lost for that.
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.partition("-")[0] in names and path not in wanted and path.is_file():
                path.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _digest(name: str, state: str, tensors: dict[str, Tensor]) -> str:
    found = hashlib.sha256(f"{name}{state}".encode())
    for tensor_name in sorted(tensors):
        tensor = tensors[tensor_name]
        found.update(f"{tensor_name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()
