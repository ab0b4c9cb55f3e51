"""A pretend GPU: tensors that lie on the CPU, say that they are on "cuda:0" and act accordingly.

Like those of a GPU they cannot be computed with together with a tensor of the CPU, and are no NumPy
array before `cpu()`. So code that forgets a device fails on a machine without one. It says nothing
about kernels, precision or speed.

    python tests/pretend_gpu.py problem '{"seed": 1}'    # runs the cells of a notebook on it
"""

import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")
MEMORY = 16 << 30
# Places and values of both kinds may meet here on a real GPU, too.
MEET = {"__getitem__", "__setitem__", "copy_", "index_put_", "__set__"}


class Far(Tensor):
    """A tensor on the pretend GPU."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return call(function, args, kwargs or {})


class Generator(torch.Generator):
    """A random generator on the pretend GPU."""

    device = GPU


class Pretence(TorchFunctionMode):
    """Sees every call of torch, those that make a tensor included."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return call(function, args, kwargs or {})


def tensors_in(given) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, dict):
        yield from tensors_in(list(given.values()))
    elif isinstance(given, list | tuple):
        for each in given:
            yield from tensors_in(each)


def far(found):
    """What was found, on the pretend GPU."""
    if isinstance(found, Far):
        return found
    if isinstance(found, Tensor):
        # A parameter stays one in `as_subclass`, and a leaf of autograd is to be one there.
        if not found.is_leaf:
            return found.as_subclass(Far)
        return found.detach().as_subclass(Far).requires_grad_(found.requires_grad)
    if isinstance(found, list | tuple) and not isinstance(found, torch.Size):
        every = [far(each) for each in found]
        return type(found)(*every) if hasattr(found, "_fields") else type(found)(every)
    return found


def on_gpu(device) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def call(function, args, kwargs):
    """What torch would do with a GPU."""
    name = getattr(function, "__name__", "")
    with torch._C.DisableTorchFunction():
        given = list(tensors_in([args, kwargs]))
        there = any(isinstance(one, Far) for one in given)
        here = any(one.dim() and not isinstance(one, Far) for one in given)
        if name == "__get__" and function.__self__ is Tensor.device:
            return GPU if there else args[0].device
        if name == "__get__" and function.__self__ is Tensor.is_cuda:
            return there
        if name == "_has_compatible_shallow_copy_type":
            return not (there and here)
        if name == "to":
            return moved(*args, **kwargs)
        if name in ("cpu", "__format__") or (name == "numpy" and kwargs.get("force")):
            found = args[0].detach().as_subclass(Tensor) if there else args[0]
            return found if name == "cpu" else getattr(found, name)(*args[1:])
        if there and name in ("numpy", "__array__"):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if there and here and name not in MEET:
            raise RuntimeError(f"{name}: tensors of cuda:0 and of the CPU")
        if name in MEET and here and not isinstance(args[0], Far) and there and name != "copy_":
            raise RuntimeError(f"{name}: a tensor of the CPU by one of cuda:0")
        return made(function, name, args, dict(kwargs), there)


def moved(tensor: Tensor, *args, **kwargs) -> Tensor:
    """`Tensor.to`: a device, a dtype or another tensor's, and whether to copy."""
    words = dict(
        zip(("non_blocking", "copy"), [a for a in args if isinstance(a, bool)], strict=False)
    )
    words |= {key: kwargs[key] for key in ("copy", "memory_format") if key in kwargs}
    there, dtype = isinstance(tensor, Far), tensor.dtype
    for each in (*args, *(kwargs.get(key) for key in ("other", "device", "dtype"))):
        if isinstance(each, Tensor):
            there, dtype = isinstance(each, Far), each.dtype
        elif isinstance(each, str | torch.device):
            there = on_gpu(each)
        elif isinstance(each, torch.dtype):
            dtype = each
    found = tensor.to(dtype, **words)
    if there:
        return far(found)
    return found.detach().as_subclass(Tensor) if isinstance(found, Far) else found


def made(function, name, args, kwargs, there: bool):
    """What a function makes, on the GPU where its tensors are or where it is asked to."""
    if kwargs.get("device") is not None:
        there = on_gpu(kwargs["device"])
        kwargs["device"] = CPU if there else kwargs["device"]
    generator = kwargs.get("generator")
    if generator is not None and isinstance(generator, Generator) != there:
        raise RuntimeError(f"{name}: a generator of another device than the tensor")
    kwargs.pop("pin_memory", None)
    found = function(*args, **kwargs)
    return far(found) if there and name != "tolist" else found


def installed() -> None:
    """From here on this process has the pretend GPU."""

    class Door:
        def __new__(cls, device="cpu"):
            return Generator() if on_gpu(device) else own(device)

    own = torch.Generator
    torch.Generator = Door
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda.get_device_name = lambda *_: "pretend GPU"
    torch.cuda.get_device_properties = lambda *_: SimpleNamespace(total_memory=MEMORY)
    torch.cuda.mem_get_info = lambda *_: (MEMORY, MEMORY)
    torch.cuda.synchronize = lambda *_: None
    # Both see through no subclass.
    torch.vmap = lambda call: (
        lambda *every: torch.stack([call(*x) for x in zip(*every, strict=True)])
    )
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    Pretence().__enter__()


def run(notebook: str, given: dict) -> None:
    """Run a notebook's cells with device "cuda"; an error ends it with the cell's number."""
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell

    from stade_nb.models import loading  # noqa: F401 — transformers before the pretence

    matplotlib.use("Agg")
    installed()
    shell = InteractiveShell.instance()
    path = Path(__file__).parents[1] / "notebooks" / f"{notebook}.ipynb"
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        if cell["cell_type"] != "code":
            continue
        done = shell.run_cell("".join(cell["source"]), silent=True)
        if error := done.error_before_exec or done.error_in_exec:
            traceback.print_exception(error)
            sys.exit(f"cell {number}: {type(error).__name__}: {error}")
        if "parameters" in cell["metadata"].get("tags", []):
            shell.user_ns.update({"device": "cuda"} | given)


if __name__ == "__main__":
    run(sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
