"""Save a pruned model so that its corrected biases survive a reload."""

import copy
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sized
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from stade_nb.errors import StadeError
from stade_nb.files import held, ordinary, try_folder
from stade_nb.models import architectures
from stade_nb.numerics import methods
from stade_nb.numerics.methods import Method
from stade_nb.paths import expanded

# The switches by which configurations give biases to linear layers that usually have none.
BIAS_SWITCHES = ("attention_bias", "mlp_bias", "enable_bias")
# In a folder that is being saved into: what is not whole yet, left over only by a killed process.
HALF = ".half"
# Bytes of a tokenizer's files for an entry of its vocabulary, about; and of all other small files.
_OF_AN_ENTRY, _OF_THE_REST = 160, 1 << 20
# The files of weights that save_pretrained writes: one, or shards and their index.
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")
# transformers takes `tie_weights` from the class of all models while it loads one, and puts back
# what it found: two loads at once leave no model of this process tied ever again.
_ALONE = threading.RLock()


def biases_that_can_be_stored(model: nn.Module) -> set[str]:
    """The layer types whose bias a configuration of this architecture can announce.

    Found by building the model without memory, with all its switches for biases turned on.
    """
    with torch.device("meta"):
        widest = type(model)(with_biases(model.config))
    layers = architectures.linear_layers(architectures.blocks(widest)[0])
    return {layer_type for layer_type, layer in layers.items() if layer.bias is not None}


def check_biases(
    model: nn.Module, method: str | Method, layers: str | list[str] | tuple[str, ...] = "all"
) -> None:
    """StadeError where `save` could not keep the biases that pruning `layers` by `method` adds."""
    first = architectures.blocks(model)[0]
    added = corrected(model, method, layers)
    _check_storable(model, {each for each in added if first.get_submodule(each).bias is None})


def corrected(
    model: nn.Module, method: str | Method, layers: str | list[str] | tuple[str, ...]
) -> set[str]:
    """The layer types among `layers` whose bias `method` corrects (Eq. 7)."""
    chosen = methods.method(method)
    return {
        layer_type
        for layer_type in architectures.chosen_in(architectures.blocks(model)[0], layers)
        if chosen.treatment(architectures.is_centred(layer_type)).corrects
    }


def save(model: nn.Module, tokenizer: object, folder: str | Path) -> None:
    """Save so that a plain `AutoModelForCausalLM.from_pretrained(folder)` has the same logits.

    A layer with a corrected bias (Eq. 7) needs a configuration that announces biases, and then its
    neighbours have one too: theirs are written as zeros. The model itself is left as it is.
    Whole or not at all: the files are written into a folder of their own in there, and moved when
    all of them are whole. StadeError where the architecture has no way to announce a bias, ask
    `check_biases` first; where the folder cannot be written, has no room, as `try_room` has it,
    or the disk fills up on the way: nothing half is left then. And for what is no model of
    transformers; what torch.compile has made of one is saved as that one.

    >>> import stade_nb as snb
    >>> model, tokenizer = snb.load("llama-230k")
    >>> snb.save(model, tokenizer, folder)  # a Path of yours
    >>> (folder / "config.json").is_file()
    True
    """
    was_there = os.path.isdir(_place(folder))
    model = getattr(model, "_orig_mod", model)
    architectures.check_model(model)
    if not isinstance(model, PreTrainedModel) or not hasattr(tokenizer, "save_pretrained"):
        raise StadeError(
            f"a model of the type {type(model).__name__} with a tokenizer of the type "
            f"{type(tokenizer).__name__}: expected both of transformers, such as stade_nb.load "
            "returns; take a model out of what is wrapped around it"
        )
    config, state = model.config, model.state_dict()
    saved = with_biases(config) if _unannounced(model) else copy.deepcopy(config)
    with torch.device("meta"):
        announced = type(model)(saved).state_dict()
    for name in announced.keys() - state.keys():
        weight = state[name.removesuffix("bias") + "weight"]
        state[name] = weight.new_zeros(announced[name].shape)
    half = try_room(model, tokenizer, folder) / HALF
    # Another process that saves into the same folder goes first.
    with held(half.parent):
        model.config = saved  # save_pretrained writes its model's configuration, and into it
        try:
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            with quiet():
                model.save_pretrained(half, state_dict=state)
            tokenizer.save_pretrained(half)
            give_rights(half)
            _move(half)
        except StadeError:
            raise
        # safetensors and tokenizers have error classes of their own for a disk that is full.
        except Exception as error:
            raise StadeError(
                f"the model could not be saved into {str(folder)!r} ({error}): nothing of it is "
                "left there; make room, or name a folder on a larger disk"
            ) from error
        finally:
            model.config = config
            shutil.rmtree(half, ignore_errors=True)
            if not was_there and not any(half.parent.iterdir()):
                half.parent.rmdir()


def try_room(model: nn.Module, tokenizer: object, folder: str | Path) -> Path:
    """`folder`, made where it is not there, with room for what `save` writes, as far as is known.

    What a killed process has left half is removed. StadeError where `folder` is none, cannot be
    written or has no room.
    """
    place = try_folder(_place(folder))
    with held(place, wait=False) as ours:
        if ours:
            shutil.rmtree(place / HALF, ignore_errors=True)
    return try_folder(place, room(model, tokenizer), "the model and its tokenizer")


def room(model: nn.Module, tokenizer: object) -> int:
    """Bytes of a model and its tokenizer in files, about, and rather too many."""
    size = sum(parameter.nbytes for parameter in model.parameters())  # a tied one counts once
    entries = len(tokenizer) if isinstance(tokenizer, Sized) else 0
    return size + _OF_AN_ENTRY * entries + _OF_THE_REST


def _place(folder: str | Path) -> Path:
    """The folder that is meant, "~" as the home folder. StadeError for no name, and for a file."""
    if not str(folder).strip():
        raise StadeError(f"folder {folder!r}: expected the name of a folder, new or old")
    if os.path.isfile(place := expanded(folder)):
        raise StadeError(f"{str(folder)!r} is a file: expected a folder, new or old")
    return place


def _move(half: Path) -> None:
    """Move the files in `half` one floor up; the configuration last, which makes it a model.

    Weights of an older model in other files go: transformers would read those.
    """
    files = sorted(half.iterdir(), key=lambda file: (file.name == "config.json", file.name))
    targets = [half.parent / file.name for file in files]
    for target in targets:
        if target.is_dir():
            raise StadeError(f"{str(target)!r} is a folder where a model has a file: remove it")
        ordinary(target)
    there = (one for one in half.parent.iterdir() if one.is_file())
    older = {one for one in there if _WEIGHTS.fullmatch(one.name)}
    for file, target in zip(files, targets, strict=True):
        if file.name == "config.json":
            for stale in older - {*targets}:
                stale.unlink()
        os.replace(file, target)


def give_rights(folder: Path) -> None:
    """Give each file of a model in `folder` the rights of config.json, which the umask allows.

    safetensors writes for the owner alone, whatever the umask.
    """
    usual = (folder / "config.json").stat().st_mode
    for file in folder.iterdir():
        if file.is_file() and file.stat().st_mode != usual:
            file.chmod(usual)


def _unannounced(model: nn.Module) -> set[str]:
    """Layer types with a bias that the present configuration would drop on a reload."""
    with torch.device("meta"):
        plain = type(model)(copy.deepcopy(model.config))
    missing = {
        layer_type
        for full, layer_type, layer in architectures.named_layers(model)
        if layer.bias is not None and plain.get_submodule(full).bias is None
    }
    _check_storable(model, missing)
    return missing


def _check_storable(model: nn.Module, added: set[str]) -> None:
    lost = sorted(added - biases_that_can_be_stored(model)) if added else []
    if lost:
        raise StadeError(
            f"{type(model).__name__} has no way to store the corrected biases of "
            f"{', '.join(lost)}: a reload would drop them. Evaluate the model in memory, or prune "
            "with a method that adds no bias (wanda, stade_without_bias)"
        )


def with_biases(config: object) -> object:
    """A copy of a configuration with all its switches for biases turned on."""
    config = copy.deepcopy(config)
    for switch in BIAS_SWITCHES:
        if hasattr(config, switch):
            setattr(config, switch, True)
    return config


@contextmanager
def quiet(bars: bool = False) -> Iterator[None]:
    """No warnings of transformers inside, and no progress bars of it unless `bars` are wanted.

    What it warns of when it loads is checked, see `checkpoint.check_complete`. One thread at a time
    is inside, as the switches are the whole process's.
    """
    with _ALONE:
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        try:
            with nullcontext() if bars else without_bars():
                yield
        finally:
            transformers_logging.set_verbosity(level)


@contextmanager
def without_bars() -> Iterator[None]:
    """No progress bars inside: of transformers, of the hub, and of files converted or unpacked.

    The switch is that of transformers, which `bars_are_shown` reads.
    """
    was_shown = bars_are_shown()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            transformers_logging.enable_progress_bar()


def bars_are_shown() -> bool:
    """Whether there are to be progress bars while models are fetched and read."""
    return transformers_logging.is_progress_bar_enabled()
