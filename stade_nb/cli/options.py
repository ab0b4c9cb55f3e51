"""The options of the command line: those of the authors' README, and more."""

import argparse
import re

from stade_nb.numerics.methods import ALIASES, METHODS

DTYPES = ("float32", "float16", "bfloat16")
_TEXTS = "a .txt or .raw file, a folder laid out as the hub's, or a .npy array of token ids"
_PLACE = "embedded for an embedded model or a folder"


def listed(text: str) -> list[str]:
    """The items of a list with commas."""
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise argparse.ArgumentTypeError(f"{text!r} names nothing between two commas")
    return items


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def naturals(text: str) -> list[int]:
    """Whole numbers, 0 or more, with commas."""
    return [natural(item) for item in listed(text)]


def size(text: str) -> int:
    """Bytes: a number alone, or with MiB or GiB behind it."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *(MiB|GiB)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 20GiB, 500MiB or 1000000")
    return int(float(match[1]) * {None: 1, "MiB": 2**20, "GiB": 2**30}[match[2]])


def _model(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model and machine")
    group.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="name of an embedded model, a folder that transformers can load, or an id of the hub",
    )
    group.add_argument(
        "--cache-dir", metavar="DIR", help="for files from the hub; default: the hub's own cache"
    )
    group.add_argument(
        "--device", metavar="DEVICE", help="cpu, cuda, cuda:1, or auto (default): CUDA if there"
    )
    group.add_argument(
        "--cuda-device", type=natural, metavar="NUMBER", help="the same as --device cuda:NUMBER"
    )
    group.add_argument(
        "--dtype", default="float32", metavar="DTYPE", help=f"{', '.join(DTYPES)}; default: float32"
    )
    group.add_argument(
        "--batch-size", type=positive, default=8, metavar="N", help="windows at a time; default: 8"
    )
    group.add_argument("--quiet", action="store_true", help="show no progress bars")


def _calibration(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("calibration")
    group.add_argument(
        "--calibration",
        metavar="TEXT",
        help=f"embedded, c4, {_TEXTS}; default: {_PLACE}, c4 for an id of the hub",
    )
    group.add_argument(
        "--nsamples",
        "--windows",
        type=positive,
        metavar="N",
        help="calibration windows; default: 128, or all of a .npy array",
    )


def _evaluation(command: argparse.ArgumentParser, optional: bool = False) -> None:
    group = command.add_argument_group("evaluation")
    default = "without it nothing is evaluated" if optional else f"default: {_PLACE}"
    group.add_argument(
        "--evaluation",
        metavar="TEXT",
        help=f"embedded, wikitext2, {_TEXTS}; {default}"
        + ("" if optional else ", wikitext2 for an id of the hub"),
    )
    group.add_argument(
        "--evaluation-windows", type=positive, metavar="N", help="default: all that the text has"
    )
    group.add_argument(
        "--window-length",
        "--seqlen",
        type=positive,
        metavar="TOKENS",
        help="of every window; default: the model's positions, at most 2048, or a .npy array's own",
    )


def _zero_shot(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("zero-shot tasks")
    group.add_argument(
        "--eval-zero-shot",
        action="store_true",
        help="accuracies by lm-evaluation-harness, which the package's extra zero-shot installs",
    )
    group.add_argument(
        "--tasks",
        type=listed,
        metavar="LIST",
        help="with commas; default: the seven of the paper's Table 4",
    )
    group.add_argument(
        "--tasks-dir",
        metavar="DIR",
        help="folder with TASK/SPLIT.jsonl for each task; default: from the hub",
    )
    group.add_argument(
        "--limit", type=positive, metavar="N", help="the first N questions of each task only"
    )


def _scope(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--scope",
        default="row",
        metavar="SCOPE",
        help="which weights compete for a share: those of a row (default), or of a whole layer",
    )


def prune(command: argparse.ArgumentParser) -> None:
    """The options of `prune`."""
    aliases = ", ".join(f"{alias} ({name})" for alias, name in ALIASES.items())
    group = command.add_argument_group("pruning")
    group.add_argument(
        "--prune-method",
        "--method",
        required=True,
        metavar="METHOD",
        help=f"{', '.join(METHODS)}; names of the authors' code: {aliases}. What the second "
        "version of that code calls stade is meant as std here, but as published its correction "
        "is zero, as in std_without_correction; stade is the paper's STADE",
    )
    group.add_argument(
        "--sparsity-ratio", metavar="SHARE", help="of the weights that go, such as 0.5 or 50%%"
    )
    group.add_argument(
        "--sparsity-type",
        default="unstructured",
        metavar="TYPE",
        help="unstructured (default), or N:M such as 2:4: N of every M consecutive inputs go",
    )
    group.add_argument(
        "--layers",
        default=["all"],
        type=listed,
        metavar="TYPES",
        help="all (default), or layer types with commas, such as q_proj,mlp.up_proj",
    )
    _scope(group)
    group.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="of the calibration windows and of random; default: 0",
    )
    _model(command)
    _calibration(command)
    _evaluation(command, optional=True)
    _zero_shot(command)
    group = command.add_argument_group("results")
    group.add_argument(
        "--save",
        metavar="DIR",
        help="new or empty folder for the pruned model and for the report, pruning.json",
    )
    group.add_argument(
        "--save-model",
        metavar="DIR",
        help="folder for the model, if it is to be another one than that for the report",
    )
    group.add_argument(
        "--each-layer", action="store_true", help="report each layer, not only each layer type"
    )


def evaluate(command: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    _model(command)
    _evaluation(command)
    _zero_shot(command)
    group = command.add_argument_group("results")
    group.add_argument("--out", metavar="FILE", help="JSON file for what was measured")


def sweep(command: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    group = command.add_argument_group("cells: every method with every pattern, layer and seed")
    group.add_argument(
        "--methods",
        required=True,
        type=listed,
        metavar="LIST",
        help="methods as of prune, with commas; dense is the unpruned model",
    )
    group.add_argument(
        "--patterns",
        required=True,
        type=listed,
        metavar="LIST",
        help="shares and N:M patterns with commas, such as 0.5,2:4",
    )
    group.add_argument(
        "--layers",
        default=["all"],
        type=listed,
        metavar="LIST",
        help="all (default), or layer types with commas, each pruned by itself as in Table 2",
    )
    group.add_argument(
        "--seeds",
        "--seed",
        type=naturals,
        default=[0],
        metavar="LIST",
        help="of the calibration windows and of random; default: 0",
    )
    _scope(group)
    _model(command)
    group = command.add_argument_group("memory")
    group.add_argument(
        "--memory",
        type=size,
        metavar="SIZE",
        help="for hidden states, such as 20GiB; default: by what is free",
    )
    group.add_argument(
        "--device-memory", type=size, metavar="SIZE", help="the part of it that is on the device"
    )
    _calibration(command)
    _evaluation(command)
    group = command.add_argument_group("results")
    group.add_argument("--out", metavar="FILE", help="JSON file for the cells, one object each")
    group.add_argument(
        "--results-dir",
        default="build/results",
        metavar="DIR",
        help="finished cells are kept and found here, so that a run that was interrupted goes on; "
        "default: build/results",
    )
