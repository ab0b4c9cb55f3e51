"""What a model's files must be: plain and whole weights, each with its place; errors in one line.

transformers logs what it leaves out of a checkpoint and goes on; here that is an error, because the
numbers would be those of another model.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers.utils.peft_utils import find_adapter_config_file

from stade_nb.errors import StadeError

# Stored tensors that change no logits: tables of positions and a version number that older
# libraries stored, and heads besides the one that predicts the next token.
HARMLESS = re.compile(
    r"""(^|\.)( rotary_emb\.(inv_freq|cos_cached|sin_cached)
              | position_ids | decoder\.version
              | (mtp|mtp_layers|medusa_heads?|v_head)\..+ )$""",
    re.VERBOSE,
)
# How much of a library's own words is quoted.
QUOTED = 300


@contextmanager
def reading(name: str, remedy: str) -> Iterator[None]:
    """Whatever a library raises while it reads a model's files becomes a StadeError.

    Its message: the model's name, the library's own reason in one line, and the remedy. An error
    that is none of the files' (memory, the user's interruption) stays what it is.
    """
    try:
        yield
    except (StadeError, MemoryError, torch.OutOfMemoryError):
        raise
    except BaseException as error:
        # The tokenizers library is written in Rust, whose panics are no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise StadeError(f"cannot load {name!r}: {reason(error)}\n{remedy}") from error


def reason(error: BaseException) -> str:
    """What a library says, in one line, with the error's kind where the words alone say little.

    >>> reason(KeyError("rope_type"))
    "KeyError: 'rope_type'"
    """
    said = " ".join(str(error).split())
    said = said if len(said) <= QUOTED else f"{said[:QUOTED]} ..."
    kind = type(error).__name__
    return said if said and isinstance(error, (OSError, ValueError)) else f"{kind}: {said}"


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


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
