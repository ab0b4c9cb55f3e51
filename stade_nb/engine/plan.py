"""Which cells travel together: equal ones as one, and as many as the memory holds."""

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from stade_nb.engine.cell import Cell
from stade_nb.models import architectures

# Beyond this the shared first block saves little more, and records would come late.
LARGEST_GROUP = 16
# Of the memory that is free, this share may be taken: pinned memory is rounded up to powers of 2,
# and blocks and activations need room too.
HOST_SHARE, DEVICE_SHARE = 1 / 3, 1 / 2

# Where a process's control groups are named, and of either version of them: where they are, with
# which files for the limit and for what is used, and what of that is only kept until it is needed.
OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = {
    "": (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    "memory": (
        Path("/sys/fs/cgroup/memory"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def units(model: nn.Module, cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells, each once, with those of equal treatments together; in order of seeds.

    Cells of one seed share what the first block is calibrated with.
    """
    block, found = architectures.blocks(model)[0], {}
    for cell in dict.fromkeys(cells):
        found.setdefault(cell.treatment(cell.types_in(block)), []).append(cell)
    return sorted(found.values(), key=lambda unit: unit[0].needs_calibration and unit[0].seed)


def group(
    model: nn.Module,
    planned: list[list[Cell]],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    memory: float,
    seconds: Mapping[Cell, float],
    most: float,
) -> list[list[Cell]]:
    """The first of `units` whose hidden states take at most `memory` bytes; one always goes.

    seconds: that the first cell of each unit takes; together they are at most `most`.
    Until all cells have left the first block, what they share is held beside what they have made:
    what enters the block, and what its attention makes of that where some leave it unpruned.
    """
    block, evaluation = architectures.blocks(model)[0], hidden_bytes(model, evaluation_ids)
    calibration = {seed: hidden_bytes(model, ids) for seed, ids in calibration_ids.items()}
    leaving = {unit[0]: architectures.leaves_attention(unit[0].types_in(block)) for unit in planned}
    for count in range(1, 1 + min(len(planned), LARGEST_GROUP)):
        together = planned[:count]
        seeds = [one[0].seed for one in together if one[0].needs_calibration]
        size = evaluation * (1 + len(together))
        size += sum(calibration[seed] for seed in [*seeds, *set(seeds)])
        if any(leaving[one[0]] for one in together):
            size += evaluation + sum(calibration[seed] for seed in set(seeds))
        takes = sum(seconds[one[0]] for one in together)
        if count > 1 and (size > memory or takes > most):
            return planned[: count - 1]
    return together


def hidden_bytes(model: nn.Module, ids: Tensor) -> int:
    """The size of the hidden states of `ids`, (windows, tokens), between two blocks."""
    return ids.numel() * model.config.hidden_size * model.dtype.itemsize


def limits(
    device: torch.device, device_memory: int | None, memory: int | None
) -> tuple[float, float]:
    """The bytes that hidden states may take on `device`, and in all: as given, or by what is free.

    On a CPU the two are the same place, and nothing needs to be spilled.
    """
    host = HOST_SHARE * free_host_memory()
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        on_device = DEVICE_SHARE * (free + idle)
    else:
        on_device = math.inf
    on_device = on_device if device_memory is None else device_memory
    if memory is None:
        memory = host + (on_device if device.type == "cuda" else 0)
    return on_device, memory


def card_memory(device: torch.device) -> int | None:
    """Bytes of memory that a GPU has, taken or not; None for what is no GPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.get_device_properties(device).total_memory


def free_host_memory() -> int:
    """Bytes of memory that this process could still take, as far as the system tells."""
    found = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        entries = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        found.append(1024 * int(entries["MemAvailable"].split()[0]))
    else:
        # Not all systems say how much is free: half of all of it, then.
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return max(0, min(found + _left_in_groups()))


def _left_in_groups() -> list[int]:
    """What the control groups of this process, its own and those above, leave of their limits.

    A job of Slurm has its limit in a group of its own, and there what a file's pages take counts as
    used until somebody needs it: after a checkpoint has been read, as much as the model itself.
    """
    found = []
    lines = OWN_GROUPS.read_text().splitlines() if OWN_GROUPS.exists() else []
    for _, kind, path in (line.split(":", 2) for line in lines):
        if kind not in GROUPS:
            continue
        place, limit, used, idle = GROUPS[kind]
        own = place / path.lstrip("/")
        for folder in (own, *own.parents):
            with suppress(OSError, ValueError):  # no such group, or no limit: "max"
                most = int((folder / limit).read_text())
                stat = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                found.append(most - int((folder / used).read_text()) + int(stat[idle]))
    return found
