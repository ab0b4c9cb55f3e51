"""A GGUF file as an ordinary folder of transformers: its weights written out in float32, once.

GGUF is the format of llama.cpp: one file with the configuration, the tokenizer and weights that
may be stored in few bits. Written out, every weight is the exact number its bits stand for, so a
model of b bits has at most 2^b different values in each block of 32 weights: magnitudes tie.
"""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    modeling_gguf_pytorch_utils,
)
from transformers.modeling_gguf_pytorch_utils import (
    TENSOR_PROCESSORS,
    TensorProcessor,
    get_gguf_hf_weights_map,
)

from stade_nb import paths
from stade_nb.errors import StadeError, unknown
from stade_nb.files import try_folder
from stade_nb.models import checkpoint
from stade_nb.models.architectures import SUPPORTED
from stade_nb.models.saving import bars_are_shown, give_rights, quiet, with_biases

# What transformers needs to read a GGUF file, besides itself.
NEEDED = ("gguf", "accelerate")
# In each converted folder: what it was made from.
ORIGIN = "origin.json"


def cache() -> Path:
    """The folder of the converted models: below STADE_NB_HOME, or else build/ of the checkout."""
    return paths.HOME / "models"


def folder_of(file: Path) -> Path:
    """The folder with what `file` holds, converted at the first call and kept, by its SHA-256.

    StadeError as `convert` has it.
    """
    stat = file.stat()
    sha256 = _sha256(file.resolve(), stat.st_size, stat.st_mtime_ns)
    folder = cache() / f"gguf-{sha256[:16]}"
    return kept(folder, {"sha256": sha256, "file": file.name}, lambda half: convert(file, half))


@functools.lru_cache
def _sha256(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def is_kept(folder: Path, sha256: str) -> bool:
    """Whether `folder` was made from the file with this SHA-256, all of it.

    It was not where its origin cannot be read: what is damaged there may be damaged elsewhere.
    """
    try:
        return json.loads((folder / ORIGIN).read_text("utf-8"))["sha256"] == sha256
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return False


def kept(folder: Path, origin: dict, write: Callable[[Path], None]) -> Path:
    """`folder`, which `write` fills unless it was made before from the same file.

    It is there whole or not at all: `write` fills a folder beside it, which is renamed. Of two
    processes the second waits for the first.
    origin: what it is made from, with the file's "sha256"; written into it.
    StadeError where a folder of that name was not made here: it is not ours to remove.
    """
    if is_kept(folder, origin["sha256"]):
        return folder
    try_folder(folder.parent)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if is_kept(folder, origin["sha256"]):
            return folder
        if folder.exists() and not (folder / ORIGIN).is_file():
            raise StadeError(
                f"{str(folder)!r} is in the way: it has no {ORIGIN}, so it was not made from a "
                "packaged file; move it elsewhere, and give its new place where you want that model"
            )
        half = folder.with_name(f".{folder.name}.half")
        # What a killed process may have left.
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        try:
            write(half)
            made = origin | {name: version(name) for name in ("transformers", "gguf")}
            (half / ORIGIN).write_text(json.dumps(made, indent=1) + "\n")
            shutil.rmtree(folder, ignore_errors=True)
            half.rename(folder)
        finally:
            shutil.rmtree(half, ignore_errors=True)
    return folder


def check_reader() -> None:
    """StadeError where a package is missing that reading a GGUF file needs."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise StadeError(
            f"reading a GGUF file needs {' and '.join(missing)}: pip install {' '.join(missing)}"
        )


def check_room(folder: Path, needed: int, what: str) -> None:
    """StadeError where the disk of `folder`, which exists, has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StadeError(
            f"{what} takes {needed / 1e6:,.1f} MB in {str(cache())!r}, where {free / 1e6:,.1f} MB "
            "are free: make room, or set STADE_NB_HOME to a folder on a larger disk"
        )


def convert(file: Path, folder: Path) -> None:
    """Write what the GGUF file holds into `folder`, which exists: weights in float32, tokenizer.

    StadeError where a package is missing, the file is damaged or of an architecture that is not
    supported, or the disk has no room for 4 bytes a parameter.
    """
    check_reader()
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    config = _read(file, lambda: AutoConfig.from_pretrained(**place))
    if config.model_type not in SUPPORTED:
        raise unknown(f"architecture of {file.name}:", config.model_type, SUPPORTED)
    reader = _read(file, lambda: _opened(file))
    biases = sum(tensor.name.endswith(".bias") for tensor in reader.tensors)
    config = with_biases(config) if biases else config
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config)
    taken = sum(name.endswith("proj.bias") for name in empty.state_dict())
    if biases > taken:
        raise StadeError(
            f"{file.name} has {biases} biases, of which {type(empty).__name__} takes {taken}: "
            "the others would be lost, so that this would be another model"
        )
    _read(file, lambda: check_all_read(file, reader, empty))
    parameters = sum(parameter.numel() for parameter in empty.parameters())
    check_room(folder, 4 * parameters, f"{file.name} written out in float32")
    tokenizer = _read(file, lambda: AutoTokenizer.from_pretrained(**place))
    model = _read(file, lambda: _model(file.name, place, config))
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    give_rights(folder)


def check_all_read(file: Path, reader: object, empty: nn.Module) -> None:
    """StadeError where the file holds what transformers' reader would leave out without a word.

    reader: gguf's own, of the file, which sees all of it. empty: the model that transformers makes
    of it, whose weights need not be there. Left out may be what llama.cpp leaves out itself: tables
    of positions, and factors of frequencies that are 1.
    """
    architecture = str(reader.fields["general.architecture"].contents())
    processor = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config={})
    places = get_gguf_hf_weights_map(empty, processor)
    left = [
        tensor.name
        for tensor in reader.tensors
        if tensor.name not in places
        and not tensor.name.endswith((".attn_rot_embd", ".attn_rot_embd.weight"))
        and not (tensor.name == "rope_freqs.weight" and (tensor.data == 1).all())
    ]
    scaling = reader.fields.get(f"{architecture}.rope.scaling.type")
    if scaling is not None and (kind := scaling.contents()) != "none":
        left.append(f"{scaling.name} ({kind})")
    if left:
        raise StadeError(
            f"{file.name} holds {len(left)} entries that transformers has no place for when it "
            f"reads GGUF, first {', '.join(left[:3])}: they would be left out; take the model's "
            "folder in transformers' own format"
        )


def _opened(file: Path) -> object:
    """gguf's reader of the file, with all that is in it."""
    from gguf import GGUFReader  # an extra of the package

    return GGUFReader(file)


def _model(name: str, place: dict, config: object) -> nn.Module:
    """The model in float32, rid of the mark that it comes from a quantised file.

    With the mark `save_pretrained` refuses; it is in the configuration and in the model.
    """
    with _bar(bars_are_shown()), quiet():
        marked, report = AutoModelForCausalLM.from_pretrained(
            **place, config=config, dtype=torch.float32, output_loading_info=True
        )
    checkpoint.check_complete(name, report)
    settings = marked.config.to_dict()
    settings.pop("quantization_config", None)
    with torch.device("meta"):
        model = type(marked)(type(marked.config)(**settings))
    model.load_state_dict(marked.state_dict(), assign=True)
    model.tie_weights()
    return model


@contextmanager
def _bar(shown: bool) -> Iterator[None]:
    """Inside, transformers' bar over a file's tensors, which its own switch misses, if `shown`."""
    usual = modeling_gguf_pytorch_utils.tqdm
    modeling_gguf_pytorch_utils.tqdm = functools.partial(usual, disable=not shown)
    try:
        yield
    finally:
        modeling_gguf_pytorch_utils.tqdm = usual


def _read(file: Path, read: Callable[[], object]) -> object:
    """What `read` returns. StadeError where the reader can make no sense of the file."""
    architectures = ", ".join(SUPPORTED)
    expected = f"Expected a whole GGUF file of one of the architectures {architectures}"
    with checkpoint.reading(str(file), expected):
        return read()
