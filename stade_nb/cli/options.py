"""The options of the command line: those of the authors' README, and more.

Each constant is a section of a command's help: a heading and the options under it.
"""

import click

from stade_nb.beyond.methods import BEYOND
from stade_nb.cli.values import Duration, Listed, Place, Size, Text, Whole
from stade_nb.models.tokenizing import BOS
from stade_nb.numerics.methods import ALIASES, METHODS

Section = tuple[str, list[click.Option]]


COUNT, NATURAL = Whole(min=1), Whole(min=0)
PLACES = ("DIR", "FILE", "TEXT")


def option(spelling: str, text: str, **how) -> click.Option:
    """An option by what its help says: `text` behind a `spelling` such as "--windows, --n N".

    how: what `click.Option` takes besides. An option without a value is a flag, and one whose value
    is called as in `PLACES` a place.
    """
    *names, last = spelling.replace(",", "").split()
    if last.startswith("--"):
        return click.Option([*names, last], help=text, is_flag=True, **how)
    kind = Place() if last in PLACES else Text()
    return click.Option(names, metavar=last, help=text, **{"type": kind} | how)


def section(title: str, *options: click.Option) -> Section:
    """Options and the heading above them."""
    return title, list(options)


_ALIASES = ", ".join(f"{alias} ({name})" for alias, name in ALIASES.items())
_TEXTS = "a .txt or .raw file, a folder laid out as the hub's, or a .npy array of token ids"
_BOS = option(
    "--bos PLACE",
    "text (default, as in the paper): one BOS before a whole text, where the tokenizer adds it by "
    "itself; window: one before each window, as models that were trained with it need it",
    default="text",
    type=click.Choice(BOS),
)
_STRICT = option(
    "--strict-corpus",
    "refuse an embedded text that is not the recorded one, as other package versions make it",
)
_PLACE = "embedded for an embedded model or a folder"
_BY_LAYER = ", ".join(name for name, one in METHODS.items() if one.scope == "layer")
_SCOPE = option(
    "--scope SCOPE",
    "which weights compete for a share: those of a row, or of a whole layer; default: layer for "
    f"{_BY_LAYER}, row for the others",
)

PRUNING = section(
    "pruning",
    option(
        "--prune-method, --method METHOD",
        f"{', '.join(METHODS)}; beyond the paper: {', '.join(BEYOND)}; names of the authors' "
        f"code: {_ALIASES}. What the second version of that code calls stade is meant as std "
        "here, but as published its correction is zero, as in std_without_correction; stade is "
        "the paper's STADE",
        required=True,
    ),
    option("--sparsity-ratio SHARE", "of the weights that go, such as 0.5 or 50%"),
    option(
        "--sparsity-type TYPE",
        "unstructured (default), or N:M such as 2:4: N of every M consecutive inputs go",
        default="unstructured",
    ),
    option(
        "--layers TYPES",
        "all (default), or layer types with commas, such as q_proj,mlp.up_proj",
        default="all",
        type=Listed(),
    ),
    _SCOPE,
    option(
        "--seed N", "of the calibration windows and of random; default: 0", default=0, type=NATURAL
    ),
)
CELLS = section(
    "cells: every method with every pattern, layer and seed",
    option(
        "--methods LIST",
        "methods as of prune, with commas; dense is the unpruned model",
        required=True,
        type=Listed(),
    ),
    option(
        "--patterns LIST",
        "shares and N:M patterns with commas, such as 0.5,2:4",
        required=True,
        type=Listed(),
    ),
    option(
        "--layers LIST",
        "all (default), or layer types with commas, each pruned by itself as in Table 2",
        default="all",
        type=Listed(),
    ),
    option(
        "--seeds, --seed LIST",
        "of the calibration windows and of random; default: 0",
        default="0",
        type=Listed(NATURAL),
    ),
    _SCOPE,
)
MODEL = section(
    "model and machine",
    option(
        "--model MODEL",
        "name of an embedded or a packaged model, a folder that transformers can load, a .gguf "
        "file, or an id of the hub",
        required=True,
    ),
    option("--cache-dir DIR", "for files from the hub; default: the hub's own cache"),
    option("--device DEVICE", "cpu, cuda, cuda:1, or auto (default): CUDA if there"),
    option("--cuda-device NUMBER", "the same as --device cuda:NUMBER", type=NATURAL),
    option("--dtype DTYPE", "float32, float16, bfloat16; default: float32", default="float32"),
    option("--batch-size N", "windows at a time, at most; default: 8", default=8, type=COUNT),
    option("--quiet", "show no progress bars"),
)
MEMORY = section(
    "memory",
    option(
        "--memory SIZE", "for hidden states, such as 20GiB; default: by what is free", type=Size()
    ),
    option("--device-memory SIZE", "the part of it that is on the device", type=Size()),
)
CALIBRATION = section(
    "calibration",
    option(
        "--calibration TEXT", f"embedded, c4, {_TEXTS}; default: {_PLACE}, c4 for an id of the hub"
    ),
    option(
        "--nsamples, --windows N",
        "calibration windows; default: 128, or all of a .npy array",
        type=COUNT,
    ),
)


def evaluation(otherwise: str) -> Section:
    """The options of the evaluation's text. otherwise: what happens where none is named."""
    return section(
        "evaluation",
        option("--evaluation TEXT", f"embedded, wikitext2, {_TEXTS}; {otherwise}"),
        option("--evaluation-windows N", "default: all that the text has", type=COUNT),
        option(
            "--window-length, --seqlen TOKENS",
            "of every window; default: the model's positions, at most 2048, or a .npy array's own",
            type=COUNT,
        ),
        _BOS,
        _STRICT,
    )


EVALUATION = evaluation(f"default: {_PLACE}, wikitext2 for an id of the hub")
EVALUATION_IF_ASKED = evaluation("without it nothing is evaluated")
ZERO_SHOT = section(
    "zero-shot tasks",
    option(
        "--eval-zero-shot",
        "accuracies by lm-evaluation-harness, which the package's extra zero-shot installs",
    ),
    option("--tasks LIST", "with commas; default: the seven of the paper's Table 4", type=Listed()),
    option("--tasks-dir DIR", "folder with TASK/SPLIT.jsonl for each task; default: from the hub"),
    option("--limit N", "the first N questions of each task only", type=COUNT),
)
KEEP = option(
    "--keep-every TIME",
    "of computing that a run may lose when it is killed, such as 90s, 5m (default) or 1h; the same "
    "command again goes on with what is kept",
    default="5m",
    type=Duration(),
)
PRUNED = section(
    "results",
    option(
        "--save DIR", "new or empty folder for the pruned model and for the report, pruning.json"
    ),
    option(
        "--save-model DIR",
        "folder for the model, if it is to be another one than that for the report",
    ),
    option(
        "--save-gguf FILE",
        "new .gguf file for the pruned model with its biases, as llama.cpp loads it",
    ),
    option("--each-layer", "report each layer, not only each layer type"),
    KEEP,
)
MEASURED = section("results", option("--out FILE", "JSON file for what was measured"), KEEP)
SWEPT = section(
    "results",
    option("--out FILE", "JSON file for the cells, one object each"),
    option(
        "--results-dir DIR",
        "finished cells are kept and found here, so that a run that was interrupted goes on; "
        "default: build/results",
        default="build/results",
    ),
    KEEP,
)
DIAGNOSED = section(
    "the number",
    option(
        "--model MODEL",
        "one of the paper's, such as llama-7b or its id of the hub, or any name",
        required=True,
    ),
    option("--method METHOD", "as of prune, or dense for the unpruned model", required=True),
    option("--sparsity PATTERN", "a share or N:M; required, but not for dense"),
    option("--perplexity NUMBER", "that was found", required=True, type=click.FLOAT),
    option("--dense NUMBER", "perplexity of the unpruned model, found likewise", type=click.FLOAT),
    option("--expected NUMBER", "default: what Table 3 prints", type=click.FLOAT),
    option("--expected-dense NUMBER", "of the unpruned model; likewise", type=click.FLOAT),
)
