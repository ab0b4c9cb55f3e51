"""What the options ask for: the device, the pattern, the texts; together, the engine's setting."""

from pathlib import Path
from types import SimpleNamespace

from stade_nb.corpus import documents
from stade_nb.engine.cell import Setting, Windows
from stade_nb.errors import StadeError, unknown
from stade_nb.models import loading
from stade_nb.models.token_ids import is_stored, stored_shape
from stade_nb.numerics.masks import Pattern, parse_pattern
from stade_nb.numerics.methods import method

CALIBRATION_WINDOWS = 128


def device_of(options: SimpleNamespace) -> str:
    """The device that --device or --cuda_device asks for, by default "auto".

    StadeError where they name different ones.
    """
    if options.cuda_device is None:
        return options.device or "auto"
    numbered = f"cuda:{options.cuda_device}"
    if options.device not in (None, numbered):
        raise StadeError(
            f"--device {options.device} and --cuda_device {options.cuda_device}: expected one of "
            "the two, or twice the same"
        )
    return numbered


def pattern_of(options: SimpleNamespace) -> Pattern:
    """The pattern that --sparsity_type, --sparsity_ratio and --scope ask for, for the method.

    StadeError where they contradict each other or are not known.
    """
    kind, share = options.sparsity_type, options.sparsity_ratio
    if kind == "unstructured":
        if share is None or parse_pattern(share).m is not None:
            raise StadeError(
                f"--sparsity_type unstructured with --sparsity_ratio {share}: expected a share "
                "such as 0.5; an N:M pattern is a --sparsity_type"
            )
        return method(options.prune_method).pattern(share, options.scope)
    if ":" not in kind:
        raise unknown("sparsity type", kind, ["unstructured", "2:4", "4:8"])
    pattern = method(options.prune_method).pattern(kind, options.scope)
    if share is not None and parse_pattern(share).sparsity != pattern.sparsity:
        raise StadeError(
            f"--sparsity_ratio {share} with --sparsity_type {kind}, of which "
            f"{pattern.sparsity:g} goes: leave the ratio out"
        )
    return pattern


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
