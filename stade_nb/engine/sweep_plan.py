"""Which cells travel together: equal ones as one, and as many as the memory holds."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stade_nb.engine.cell import Cell
from stade_nb.errors import StadeError
from stade_nb.models import architectures
from stade_nb.numerics import masks, methods

# Beyond this the shared first block saves little more, and records would come late.
LARGEST_GROUP = 16
# Of the memory that is free, this share may be taken: pinned memory is rounded up to powers of 2,
# and blocks and activations need room too.
HOST_SHARE, DEVICE_SHARE = 1 / 3, 1 / 2


def recipe(cell: Cell, types: Sequence[str]) -> tuple:
    """What is done to each of the layers of `types`: cells with equal recipes have equal results.

    STADE, for one, is Wanda on q_proj.
    """
    if cell.method == "dense":
        return ("dense",)
    chosen = methods.METHODS[cell.method]
    steps = []
    for layer_type in types:
        centred = architectures.is_centred(layer_type)
        metric = chosen.centred if centred else chosen.uncentred
        steps.append((layer_type, metric, chosen.corrects(centred)))
    seed = cell.seed if cell.depends_on_seed else None
    scope = cell.scope if masks.parse_pattern(cell.pattern).m is None else None
    return (*steps, chosen.updates_weights, chosen.needs, cell.pattern, scope, seed)


def units(model: nn.Module, cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells, each once, with those of equal recipes together; in order of seeds.

    Cells of one seed share what the first block is calibrated with.
    """
    found: dict[tuple, list[Cell]] = {}
    for cell in dict.fromkeys(cells):
        key = recipe(cell, architectures.chosen_types(model, cell.layers))
        found.setdefault(key, []).append(cell)
    return sorted(found.values(), key=lambda unit: unit[0].needs_calibration and unit[0].seed)


def types_of(model: nn.Module, cell: Cell) -> list[str]:
    """The layer types that are pruned in the cell."""
    return [] if cell.method == "dense" else architectures.chosen_types(model, cell.layers)


def groups(
    model: nn.Module,
    planned: Sequence[list[Cell]],
    calibration_ids: dict[int, Tensor],
    evaluation_ids: Tensor,
    memory: float,
) -> list[list[list[Cell]]]:
    """`units` in groups whose hidden states take at most `memory` bytes; one unit always goes.

    Until all cells have left the first block, what they share is held beside what they have made:
    what enters the block, and what its attention makes of that where some leave it unpruned.
    """
    evaluation = hidden_bytes(model, evaluation_ids)
    calibration = {seed: hidden_bytes(model, ids) for seed, ids in calibration_ids.items()}
    leaving = {
        unit[0]: architectures.leaves_attention(types_of(model, unit[0])) for unit in planned
    }
    parts: list[list[list[Cell]]] = []
    for unit in planned:
        together = [*parts[-1], unit] if parts else [unit]
        seeds = [one[0].seed for one in together if one[0].needs_calibration]
        size = evaluation * (1 + len(together))
        size += sum(calibration[seed] for seed in [*seeds, *set(seeds)])
        if any(leaving[one[0]] for one in together):
            size += evaluation + sum(calibration[seed] for seed in set(seeds))
        if parts and size <= memory and len(together) <= LARGEST_GROUP:
            parts[-1] = together
        else:
            parts.append([unit])
    return parts


def hidden_bytes(model: nn.Module, ids: Tensor) -> int:
    """The size of the hidden states of `ids`, (windows, tokens), between two blocks."""
    return ids.numel() * model.config.hidden_size * model.dtype.itemsize


def check_bytes(**sizes: int | None) -> None:
    """StadeError, naming the argument, where a memory limit is none."""
    for name, size in sizes.items():
        if size is not None and (isinstance(size, bool) or not size >= 0):
            raise StadeError(
                f"{name} {size!r}: expected a number of bytes, such as {2**30} for 1 GiB, or None "
                "to go by what is free"
            )


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
    control = Path("/sys/fs/cgroup")
    limit, used = control / "memory.max", control / "memory.current"
    if limit.exists() and used.exists() and limit.read_text().strip() != "max":
        found.append(max(0, int(limit.read_text()) - int(used.read_text())))
    return min(found)
