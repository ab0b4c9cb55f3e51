"""What a model's files must be: plain and whole weights, each with its place; and its tokenizer.

transformers logs what it leaves out of a checkpoint and goes on; here that is an error, because the
numbers would be those of another model.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils.peft_utils import find_adapter_config_file

from stade_nb.errors import StadeError, lacks_memory
from stade_nb.models import architectures

# Stored tensors that change no logits: tables of positions and a version number that older
# libraries stored, and heads besides the one that predicts the next token.
HARMLESS = re.compile(
    r"""(^|\.)( rotary_emb\.(inv_freq|cos_cached|sin_cached)
              | position_ids | decoder\.version
              | (mtp|mtp_layers|medusa_heads?|v_head)\..+ )$""",
    re.VERBOSE,
)
# How much of a library's own words is quoted, and how few of them say too little by themselves.
QUOTED, FEW_WORDS = 300, 4
# The classes that a model would need to be run as its author's own code has it.
OWN_CODE = ("AutoConfig", "AutoModel", "AutoModelForCausalLM")
# Of every tokenizer's files one has such a name.
_TOKENIZER_FILES = ("*token*", "vocab*", "merges*", "spiece*", "*.model", "*.tiktoken")
_WITHOUT_ONE = (
    "token ids in a .npy array need none; for texts and questions, copy the tokenizer's files of "
    "the model that it was made from into its folder"
)


@contextmanager
def reading(name: str, remedy: str, verb: str = "load") -> Iterator[None]:
    """Whatever a library raises while it reads what is the user's becomes a StadeError.

    Its message: what could not be done ("load", a `verb`) with what `name` stands for, the
    library's own reason in one line, and the remedy. An error
    that is none of the files' (memory, the user's interruption) stays what it is.
    """
    try:
        yield
    except StadeError:
        raise
    except BaseException as error:
        if lacks_memory(error):
            raise
        # The tokenizers library is written in Rust, whose panics are no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise StadeError(f"cannot {verb} {name!r}: {reason(error)}\n{remedy}") from error


@contextmanager
def fitting(name: str, dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Where a model's weights have no room on `device`, or on the way there, a StadeError says so.

    No smaller batch would help, which is what is said of all other memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        half = "take dtype bfloat16, of half the size, " if dtype == torch.float32 else "take "
        sweep = " or a sweep, which has one block at a time there" * (device.type == "cuda")
        raise StadeError(
            f"model {name!r} in {str(dtype).removeprefix('torch.')} does not fit into the memory "
            f"of the device {device}: {half}a smaller model, a device with more memory{sweep}"
        ) from error


def reason(error: BaseException) -> str:
    """A library's own words, in one line: the first sentence, as advice behind it is not ours.

    Where that is no sentence, with the kind of error and the function that raised it.

    >>> reason(RuntimeError("The file\\nis damaged. Load it with weights_only=False."))
    'The file is damaged'
    >>> reason(KeyError("rope_type"))
    "KeyError: 'rope_type'"
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:1])
    for line in lines[1:]:
        # A heading, or a sentence that goes on.
        if said.endswith((".", "!")):
            break
        said += f" {line}"
    said = re.split(r"(?<=[a-z0-9)'`\]][.!])\s+(?=[A-Z(])", said, maxsplit=1)[0].rstrip(".!")
    said = said if len(said) <= QUOTED else f"{said[:QUOTED]} ..."
    if len(said.split()) >= FEW_WORDS or (said and isinstance(error, OSError)):
        return said
    kind, frame = type(error).__name__, error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    where = f" (in {frame.tb_frame.f_code.co_qualname})" if frame else ""
    return f"{kind}: {said}{where}" if said else f"{kind}{where}"


def check_plain(name: str, where: str, config: object, cache_dir: str | None = None) -> None:
    """StadeError for an adapter, or one beside a model, and for weights that are quantised.

    where: a folder or a hub id. config: the model's configuration.
    """
    if find_adapter_config_file(where, cache_dir=cache_dir):
        raise adapter_beside(name)
    if quantised := getattr(config, "quantization_config", None):
        kind = getattr(quantised, "quant_method", None) or dict(quantised).get("quant_method")
        raise StadeError(
            f"model {name!r} is quantised ({kind}): expected plain weights; save it again without "
            "the quantization_config of its config.json, its weights written out in float32 or "
            "bfloat16, or take the model that it was made from"
        )


def check_own_code(
    name: str, settings: dict, classes: tuple[str, ...] = OWN_CODE, file: str = "config.json"
) -> None:
    """StadeError where a model's `file`, read as `settings`, names code of its own for `classes`.

    Such code is not run. Where transformers knows the architecture by itself the model would load
    all the same, but as another one than its author's code makes of it.
    """
    own = settings.get("auto_map") if isinstance(settings, dict) else None
    # In old files a list, of a tokenizer's classes.
    named = [one for one in classes if one in own] if isinstance(own, dict) else own
    if named:
        raise StadeError(
            f"model {name!r} comes with code of its own ({', '.join(map(str, named))} in its "
            f"{file}), which is never run: expected an architecture that transformers has itself; "
            f"where it is one of these, remove auto_map from {file} to load it without that code"
        )


def check_sizes(name: str, where: str, settings: dict) -> None:
    """StadeError where config.json, read as `settings`, announces more than there can be.

    More blocks than weights, or more tokens than the embedding has rows: a million blocks would be
    built for minutes before the first one is missed, and the rows' memory taken. where: a folder,
    whose files are asked what they hold, or a hub id, which is not.
    """
    if not isinstance(settings, dict) or (places := _places(Path(where))) is None:
        return
    announced = settings.get("num_hidden_layers")
    if isinstance(announced, int) and announced > len(places):
        raise StadeError(
            f"model {name!r} holds {len(places)} weights, and its config.json announces "
            f"{announced} blocks (num_hidden_layers): give it the config.json that it was saved "
            "with"
        )
    announced = settings.get("vocab_size")
    table = next((weight for weight in places if weight.endswith("embed_tokens.weight")), None)
    if table and isinstance(announced, int) and "quantization_config" not in settings:
        with safe_open(Path(where) / places[table], "pt") as stored:
            rows, *width = stored.get_slice(table).get_shape()
        if announced > rows:
            size = (table, (rows, *width), (announced, *width))
            report = {"missing_keys": (), "mismatched_keys": [size], "unexpected_keys": ()}
            check_complete(name, report)


def _places(folder: Path) -> dict[str, str] | None:
    """The file of each weight, by what a folder's file or index names; None where neither is."""
    if (file := folder / "model.safetensors").is_file():
        with safe_open(file, "pt") as stored:
            return dict.fromkeys(stored.keys(), file.name)
    if not (file := folder / "model.safetensors.index.json").is_file():
        return None
    index = json.loads(file.read_text(encoding="utf-8"))
    places = index.get("weight_map") if isinstance(index, dict) else None
    return places if isinstance(places, dict) else None


def adapter_beside(name: str) -> StadeError:
    """The error for a folder with an adapter, which would be left out without a word."""
    return StadeError(
        f"model {name!r} has an adapter (adapter_config.json), which would be left out: merge it "
        "first (peft: model.merge_and_unload().save_pretrained(FOLDER)) and give that folder, or "
        "remove adapter_config.json to measure the model without it"
    )


def check_complete(name: str, report: dict) -> None:
    """StadeError where a checkpoint and its config.json do not name the same weights.

    report: the loading info of `from_pretrained`: keys that are missing, of another size, or
    stored without a place in the model; of the last, those of `HARMLESS` may be left out.
    """
    if missing := sorted(report["missing_keys"]):
        raise StadeError(
            f"model {name!r} lacks {len(missing)} weights, first {missing[0]}: expected a complete "
            "checkpoint of a causal language model; download or save it again"
        )
    if other := sorted(report.get("mismatched_keys", ())):
        weight, stored, announced = other[0]
        raise StadeError(
            f"model {name!r} holds {len(other)} weights of another size than its config.json "
            f"announces, first {weight} ({_size(stored)}, announced {_size(announced)}): give it "
            "the config.json that it was saved with; download or save it again"
        )
    homeless = sorted(key for key in report["unexpected_keys"] if not HARMLESS.search(key))
    if dropped := [key for key in homeless if key.endswith(".bias")]:
        raise StadeError(
            f"model {name!r} holds {len(dropped)} biases that its config.json does not announce, "
            f"first {dropped[0]}, so they would be dropped: save it with "
            "stade_nb.models.saving.save"
        )
    if homeless:
        raise StadeError(
            f"model {name!r} holds {len(homeless)} weights that its config.json has no place for, "
            f"first {', '.join(homeless[:3])}: they would be left out; give it the config.json "
            "that it was saved with (num_hidden_layers, model_type), or save the model again "
            "without them"
        )


def check_head(name: str, model: nn.Module) -> None:
    """StadeError for a weight behind the blocks that is no number: pruning would not see it.

    What stands before them or in them meets the calibration text.
    """
    last = architectures.after_blocks(model)
    ours = {id(weight) for part in last for weight in part.parameters()}
    for label, weight in model.named_parameters():
        if id(weight) in ours and not all(end.isfinite() for end in weight.aminmax()):
            raise StadeError(
                f"model {name!r} has values in {label} that are not finite: download "
                "or save it again, in float32 if it was made in float16"
            )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


class Missing:
    """In a tokenizer's place: whoever asks it for tokens gets a StadeError that says why.

    Saved beside a model it leaves nothing. It has no special tokens.
    """

    bos_token_id = eos_token_id = None

    def __init__(self, why: str) -> None:
        self.why = why

    def __call__(self, *_, **__) -> None:
        raise StadeError(self.why)

    def __len__(self) -> int:
        """It has no entries."""
        return 0

    def save_pretrained(self, folder: str | Path) -> None:
        """A model without a tokenizer is saved without one."""


def tokenizer_of(name: str, where: str, options: dict, needed: bool) -> object:
    """The tokenizer at `where`, a folder or a hub id; `Missing` where there are no files of one.

    options: of `from_pretrained`. needed: False leaves out one that transformers cannot read, too,
    such as one that is no tokenizer.json and takes a package that is not installed. What it raises
    is left to the caller, see `reading`.
    """
    folder = Path(where)
    if folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in _TOKENIZER_FILES):
        return Missing(f"model {name!r} has no tokenizer files: {_WITHOUT_ONE}")
    try:
        settings = get_tokenizer_config(where, cache_dir=options["cache_dir"])
        check_own_code(name, settings, ("AutoTokenizer",), "tokenizer_config.json")
        found = AutoTokenizer.from_pretrained(where, **options)
        found("a", verbose=False)  # what its settings break shows only when it reads something
    except Exception as error:
        # A folder whose tokenizer.json is damaged is damaged, whatever is asked of it.
        if needed or (folder / "tokenizer.json").is_file():
            raise
        why = reason(error)
        return Missing(f"the tokenizer of model {name!r} cannot be read ({why}): {_WITHOUT_ONE}")
    # Without files that it knows transformers makes one up, which finds no tokens in any text.
    if not set(found.get_vocab()) - set(found.all_special_tokens):
        return Missing(f"the tokenizer of model {name!r} has no tokens: {_WITHOUT_ONE}")
    return found
