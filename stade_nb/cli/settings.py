"""What the options ask for: pattern, texts, tasks, places, and together the engine's setting.

Where commands write is tried before the work begins.
"""

import os
from pathlib import Path
from types import SimpleNamespace

from stade_nb.cli.going_on import GoingOn
from stade_nb.corpus import documents
from stade_nb.engine.cell import Setting, Windows
from stade_nb.errors import StadeError, unknown
from stade_nb.evaluation.diagnosis import DENSE
from stade_nb.files import try_file
from stade_nb.models import loading, saving
from stade_nb.models.token_ids import is_stored, stored_shape
from stade_nb.numerics.masks import Pattern, parse_pattern
from stade_nb.numerics.methods import method

CALIBRATION_WINDOWS = 128
SIZE_OF_CELL = 1 << 17  # bytes in a file of results, about, of a large model


def device_of(options: SimpleNamespace) -> str:
    """The device that --device or --cuda-device asks for, by default "auto".

    StadeError where they name different ones.
    """
    if options.cuda_device is None:
        return options.device or "auto"
    numbered = f"cuda:{options.cuda_device}"
    if options.device not in (None, numbered):
        raise StadeError(
            f"--device {options.device} and --cuda-device {options.cuda_device}: expected one of "
            "the two, or twice the same"
        )
    return numbered


def pattern_of(options: SimpleNamespace) -> Pattern:
    """The pattern that --sparsity-type, --sparsity-ratio and --scope ask for, for the method.

    StadeError where they contradict each other or are not known.
    """
    kind, share = options.sparsity_type, options.sparsity_ratio
    if kind == "unstructured":
        if share is None or parse_pattern(share).m is not None:
            raise StadeError(
                f"--sparsity-type unstructured with --sparsity-ratio {share}: expected a share "
                "such as 0.5; an N:M pattern is a --sparsity-type"
            )
        return method(options.prune_method).pattern(share, options.scope)
    if ":" not in kind:
        raise unknown("sparsity type", kind, ["unstructured", "2:4", "4:8"])
    pattern = method(options.prune_method).pattern(kind, options.scope)
    if share is not None and parse_pattern(share).sparsity != pattern.sparsity:
        raise StadeError(
            f"--sparsity-ratio {share} with --sparsity-type {kind}, of which "
            f"{pattern.sparsity:g} goes: leave the ratio out"
        )
    return pattern


def diagnosed_pattern(options: SimpleNamespace) -> str:
    """The pattern of the model that --method made, as --sparsity has it, or "dense".

    StadeError where a pruned model has none, or the unpruned one has some.
    """
    given = options.sparsity
    if options.method == DENSE:
        if given is not None:
            raise StadeError(
                f"--sparsity {given} with --method dense: the unpruned model has no pattern; leave "
                "--sparsity out, or name the method that pruned it"
            )
        return DENSE
    chosen = method(options.method)
    if given is None:
        raise StadeError(
            f"--method {chosen.name} without --sparsity: expected a share such as 0.5, or N:M such "
            "as 2:4"
        )
    parse_pattern(given)
    return given


def calibration_of(options: SimpleNamespace) -> Windows:
    """The calibration windows that the options ask for."""
    source = options.calibration or _usual(options.model, "c4")
    return _windows(options, "calibration", source, options.nsamples, CALIBRATION_WINDOWS)


def evaluation_of(options: SimpleNamespace) -> Windows:
    """The evaluation windows that the options ask for."""
    source = options.evaluation or _usual(options.model, "wikitext2")
    return _windows(options, "evaluation", source, options.evaluation_windows, None)


def _usual(model: str, papers: str) -> str:
    """The paper's text for a model of the hub; one that needs no network for what lies here."""
    return "embedded" if Path(loading.locate(model)).is_dir() else papers


def _windows(
    options: SimpleNamespace, use: str, source: str, windows: int | None, usual: int | None
) -> Windows:
    """A .npy array has its own number and length of windows, where the options name no others.

    And no place of a BOS but its own.
    """
    length = options.window_length
    if is_stored(source):
        stored = stored_shape(source)
        return Windows(source, windows or stored[0], length or stored[1])
    if source == "embedded" and options.strict_corpus:
        documents.check_recorded(use)
    return Windows(source, windows or usual, length, options.bos)


def setting_of(
    options: SimpleNamespace,
    calibration: Windows | None,
    evaluation: Windows | None,
    results_dir: str | None = None,
    **limits: float | None,
) -> Setting:
    """The engine's setting. limits: memory, device_memory and keep_every, of a sweep.

    StadeError for a place of BOS where no text is tokenized.
    """
    if options.bos == "window" and all(
        asked is None or is_stored(asked.source) for asked in (calibration, evaluation)
    ):
        raise StadeError(
            "--bos window with token arrays alone: an array is taken as it is; write the BOS into "
            "it, or leave --bos out"
        )
    return Setting(
        calibration,
        evaluation,
        results_dir,
        device=device_of(options),
        dtype=options.dtype,
        batch_size=options.batch_size,
        cache_dir=options.cache_dir,
        **limits,
    )


def questions(options: SimpleNamespace, tokenizer: object) -> list:
    """The zero-shot tasks that the options ask for, loaded; none where they are not wanted.

    StadeError where lm-eval is missing, and for a tokenizer that cannot begin a question.
    """
    if not options.eval_zero_shot:
        return []
    try:
        from stade_nb.evaluation import harness, tasks  # lm-eval is an extra of the package
    except ModuleNotFoundError as error:
        raise StadeError(
            f"--eval-zero-shot needs {error.name}, which is not installed: pip install "
            "'.[zero-shot]' in the project's folder installs it"
        ) from error
    harness.check_tokenizer(tokenizer)
    return tasks.load(options.tasks or list(tasks.OFFICIAL), options.tasks_dir, options.limit)


def check_empty(name: str, going: GoingOn) -> None:
    """StadeError where something is in the folder `name` but what `going` says is ours."""
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise StadeError(f"{name!r} is a file: expected a new or an empty folder")
    if not going.ours(folder) and folder.is_dir() and {*os.listdir(folder)} - {saving.HALF}:
        raise StadeError(
            f"folder {name!r} is not empty: expected a new or an empty one, so that nothing is "
            "overwritten"
        )


def new_gguf(name: str | None, going: GoingOn) -> Path | None:
    """The file of --save-gguf, if there is to be one; StadeError where it cannot be made."""
    if name is None:
        return None
    path = Path(name)
    there = path.exists() and not going.ours(path)
    if path.suffix != ".gguf" or there or not path.absolute().parent.is_dir():
        raise StadeError(f"--save-gguf {name!r}: expected a new .gguf file in a folder that exists")
    return try_file(path)


def out_file(options: SimpleNamespace, cells: int = 1) -> Path | None:
    """The file of --out, if there is to be one; StadeError where it cannot be written.

    And where it would take the place of what the command reads. cells: how many are to be written.
    """
    if options.out is None:
        return None
    path = Path(options.out)
    results = getattr(options, "results_dir", None)
    if results is not None and path.resolve() == Path(results).resolve():
        raise StadeError(f"--out {options.out!r} is the --results-dir: expected a file")
    for name in ("model", "calibration", "evaluation", "tasks_dir"):
        read = getattr(options, name, None)
        if read and path.resolve().is_relative_to(Path(read).resolve()) and Path(read).exists():
            raise StadeError(
                f"--out {options.out!r} would be written over --{name.replace('_', '-')} {read!r}: "
                "give a file elsewhere"
            )
    try:
        return try_file(path, cells * SIZE_OF_CELL, "the file of --out")
    except StadeError as error:
        raise StadeError(f"--out {error}") from error
