"""Causal language models by name: embedded, packaged, local folders, GGUF files and hub ids."""

import hashlib
import json
import re
from difflib import get_close_matches
from os import PathLike
from os.path import isdir, isfile
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from stade_nb import paths
from stade_nb.errors import StadeError, shortened, unknown
from stade_nb.models import architectures, gguf_file, hub_access
from stade_nb.models.checkpoint import (
    adapter_beside,
    check_complete,
    check_head,
    check_own_code,
    check_plain,
    check_sizes,
    fitting,
    reading,
    tokenizer_of,
)
from stade_nb.models.packaged import check_terms, folder_of, is_here, packaged_models
from stade_nb.models.saving import BIAS_SWITCHES, quiet

EMBEDDED = paths.DATA / "models"
# Entries of a configuration that change no logits, or (biases, dtype) only what the weights show.
# Whatever is not named here counts: better a result computed twice than two that are mixed up.
_NOT_COMPUTED_WITH = {
    *("_name_or_path", "transformers_version", "architectures", "dtype"),
    *("use_cache", "return_dict", "output_attentions", "output_hidden_states"),
    *("bos_token_id", "eos_token_id", "pad_token_id"),
    *("id2label", "label2id", "problem_type"),
    *BIAS_SWITCHES,
}
DTYPES = {name: getattr(torch, name) for name in ("float32", "float16", "bfloat16")}


def embedded_models() -> list[str]:
    """Names of the models that come with the project, sorted.

    >>> embedded_models()
    ['llama-230k', 'llama-390k', 'opt-340k', 'opt-450k']
    """
    return sorted(config.parent.name for config in EMBEDDED.glob("*/config.json"))


def named(given: list[str]) -> list[str]:
    """Model names with "embedded" replaced by the embedded models; StadeError if there are none."""
    found = []
    for name in given:
        found += embedded_models() if name == "embedded" else [name]
    if not found:
        raise StadeError(
            "'embedded' stands for the embedded models, and data/models holds none: "
            "get them with the project's files, or train them with `make models`"
        )
    return list(dict.fromkeys(found))


def check_device(device: str | torch.device) -> torch.device:
    """The device "cpu", "cuda", "cuda:1" or "auto" (CUDA where there is one).

    StadeError for another name, or a device that this machine does not have.
    """
    text = str(device)
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if (match := re.fullmatch(r"cpu(?::0)?|cuda(?::(0|[1-9][0-9]*))?", text)) is None:
        raise unknown("device", text, ["cpu", "cuda", "cuda:1", "auto"])
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text.startswith("cuda") and int(match[1] or 0) >= count:
        raise StadeError(
            f"device {text!r}: this machine has {count} CUDA devices; "
            "use device 'cpu', or 'auto' to take what is there"
        )
    return torch.device(text)


def check_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The dtype named "float32", "float16" or "bfloat16". StadeError for another."""
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise unknown("dtype", name, DTYPES)
    return DTYPES[name]


def locate(name: str) -> str:
    """Where `name` is: an embedded model's folder, a local folder, or itself, a hub id.

    A packaged model or a GGUF file is converted into a folder first, where that was not done yet.
    StadeError with the nearest names where it can be none of these, and where it is two of them.
    """
    kind = _own_kind(name)
    if kind == "embedded":
        return str(EMBEDDED / name)
    if kind == "packaged":
        return str(folder_of(name))
    if not str(name):
        raise StadeError("model '': expected a name, a folder, a .gguf file or a hub id")
    folder = paths.expanded(name)
    if _is_gguf(folder):
        return str(gguf_file.folder_of(folder))
    if isdir(folder):  # False for a name that is too long, too
        if (folder / "adapter_config.json").is_file():
            raise adapter_beside(name)
        if not (folder / "config.json").is_file():
            raise StadeError(
                f"folder {name!r} has no config.json: expected a model saved by save_pretrained"
            )
        return str(folder)
    parts = str(name).split("/")
    hub_id = len(parts) == 2 and not {"", ".", "..", "~"} & set(parts)
    if hub_id and folder.suffix != ".gguf":
        return str(name)
    nearby = [*embedded_models(), *packaged_models(), *_models_beside(folder)]
    close = get_close_matches(folder.name, [Path(other).name for other in nearby], n=1)
    hint = next((f"did you mean {other!r}? " for other in nearby if Path(other).name in close), "")
    if not isinstance(name, str) and str(name) in nearby:
        hint = f"a Path is a file or folder; the model's name is the text {str(name)!r}; "
    raise StadeError(
        f"no model {shortened(name)!r}: {hint}expected an embedded model "
        f"({', '.join(embedded_models()) or 'none is present'}), a packaged one "
        f"({', '.join(packaged_models())}), a local folder, a .gguf file or a hub id such as "
        "facebook/opt-125m"
    )


def check_name(name: str) -> None:
    """StadeError where `locate` refuses `name` before it fetches or converts anything.

    Nothing is asked of the hub: one of its ids may still name no model.
    """
    if _own_kind(name) == "packaged":
        if not is_here(name):
            check_terms(name)
    elif not _is_gguf(paths.expanded(name)):
        locate(name)


def _is_gguf(path: Path) -> bool:
    """Whether there is a file that is taken for one of GGUF, by its suffix."""
    return path.suffix == ".gguf" and isfile(path)


def _own_kind(name: str) -> str | None:
    """Whether the project has a model called `name`: "embedded", "packaged", or None.

    A path, such as "./llama-390k", is never one. StadeError where a model in the working directory
    has the same name: measuring the wrong one of two would go unnoticed.
    """
    if not isinstance(name, str | PathLike):
        raise StadeError(
            f"model of the type {type(name).__name__}: expected a name, such as 'llama-230k', a "
            "folder, a .gguf file or a hub id"
        )
    if name in embedded_models():
        kind, own = "embedded", EMBEDDED / name
    elif name in packaged_models():
        kind, own = "packaged", gguf_file.cache() / name
    else:
        return None
    here = Path(name)
    if (here / "config.json").is_file() and here.resolve() != own.resolve():
        raise StadeError(
            f"{name!r} is the {kind} model and also a model's folder in the working directory: say "
            f"'./{name}' for the folder; for the {kind} model rename the folder, or work elsewhere"
        )
    return kind


def _models_beside(path: Path) -> list[str]:
    """The folders and GGUF files in the folder that `path` would be in."""
    beside = path.parent.glob("*")
    return sorted(str(other) for other in beside if other.is_dir() or other.suffix == ".gguf")


def architecture(name: str) -> str:
    """The `model_type` of the model that `name` stands for, as in `load`: "llama", "opt".

    Only the configuration is read; a packaged model is not even fetched. StadeError as `load`
    has it.
    """
    if _own_kind(name) == "packaged":
        return packaged_models()[name].architecture
    where = locate(name)
    with reading(name, _remedy(where)), hub_access.answering(where):
        return _config(name, where, None).model_type


def _config(name: str, where: str, cache_dir: str | None) -> PreTrainedConfig:
    """The model's configuration. StadeError for code of its own, and for sizes beyond measure."""
    settings, _ = PreTrainedConfig.get_config_dict(where, cache_dir=cache_dir)
    check_own_code(name, settings)
    check_sizes(name, where, settings)
    return AutoConfig.from_pretrained(where, **_options(cache_dir))


def _options(cache_dir: str | None) -> dict:
    """Of all reading: code that a model brings along is never run, nor asked about."""
    return {"cache_dir": cache_dir, "trust_remote_code": False}


def _remedy(where: str) -> str:
    """What to do where the files at `where`, a folder or a hub id, cannot be read."""
    if Path(where).parent == gguf_file.cache():
        return f"It was converted once: remove the folder {where!r}, and it is converted again"
    if isdir(where):
        return (
            "Expected a folder with config.json, tokenizer files and plain weights, as "
            "save_pretrained of transformers writes it: mend the file that this is about, or "
            "download or save the folder again"
        )
    return (
        "Check the spelling; accept the licence and log in (hf auth login) where the model is "
        "gated; without network, download it elsewhere and give the folder, or cache_dir, instead. "
        f"Embedded models need no network: {', '.join(embedded_models()) or 'none is present'}"
    )


def load(
    name: str | Path,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    cache_dir: str | None = None,
    needs_tokenizer: bool = True,
) -> tuple[nn.Module, object]:
    """Model and tokenizer, ready to evaluate, in memory on `device`; nothing asks for gradients.

    name: an embedded or a packaged model, a local folder, a GGUF file or a hub id. needs_tokenizer:
    whether one that cannot be read is an error now, or only when it is used, see
    `checkpoint.Missing`; a model that comes without any is one to be used on token ids.
    StadeError where nothing of that name exists, the hub cannot be reached, the device or dtype is
    not available or has no room for the model, or the architecture is not supported.

    >>> model, tokenizer = load("llama-230k")
    >>> type(model).__name__
    'LlamaForCausalLM'
    """
    device, dtype, where = check_device(device), check_dtype(dtype), locate(name)
    options = _options(cache_dir)
    # Reading a local folder takes no time worth a progress bar; a download does.
    with (
        fitting(name, dtype, torch.device("cpu")),
        quiet(bars=not isdir(where)),
        reading(name, _remedy(where)),
        hub_access.answering(where, cache_dir),
    ):
        config = _config(name, where, cache_dir)
        check_plain(name, where, config, cache_dir)
        tokenizer = tokenizer_of(name, where, options, needs_tokenizer)
        # Sizes that differ are reported by name only where they are not an error of its own.
        model, report = AutoModelForCausalLM.from_pretrained(
            where, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    architectures.blocks(model)
    check_complete(name, report)
    check_head(name, model)
    with fitting(name, dtype, device):
        return model.to(device).eval().requires_grad_(False), tokenizer


def fingerprint(model: nn.Module) -> str:
    """SHA-256, in hexadecimal, of all that a model computes with.

    The class; the configuration, without what changes no logits (names, paths, token ids), so that
    a copy saved and loaded again has the same; all weights: names, shapes, dtypes, bytes.
    """
    digest = hashlib.sha256(type(model).__name__.encode())
    settings = json.loads(model.config.to_json_string(use_diff=False))
    counted = {name: settings[name] for name in settings.keys() - _NOT_COMPUTED_WITH}
    digest.update(json.dumps(counted, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
