"""What the commands of the command line do with their options."""

import importlib
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pandas
import torch
import transformers
from torch import Tensor, nn

from stade_nb.cli import command_inputs as inputs
from stade_nb.engine import cell as engine_cells
from stade_nb.engine import pruning
from stade_nb.engine import report as report
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.sweep import sweep as run_sweep
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import perplexity_of, window_losses
from stade_nb.files import digest_of_ids
from stade_nb.models import architectures, loading, saving, windows
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import Method

REPORT = "pruning.json"


def prune(options: Namespace) -> None:
    """Prune a model, report its zeros, save it and measure its perplexity, in this order.

    What can be wrong is found before the work starts, and what is done is kept at once.
    """
    layers = "all" if options.layers == ["all"] else tuple(options.layers)
    pattern = parse_pattern(inputs.pattern_of(options), options.scope)
    cell = Cell(options.prune_method, pattern, layers, options.seed)
    model, tokenizer = _load(options)
    saved, kept = options.save_model or options.save, options.save or options.save_model
    if saved:
        saving.check_biases(model, cell.method, cell.layers)
    result = _about(model, options) | {
        "method": cell.method.name,
        "pattern": cell.pattern_name,
        "layers": cell.layers,
        "scope": cell.pattern.scope,
        "seed": cell.seed,
    }
    calibration = evaluation = None
    if cell.needs_calibration:
        corpus = inputs.calibration_corpus(options)
        length = architectures.window_length(model, corpus.length)
        calibration = windows.calibration_windows(
            corpus.source, tokenizer, corpus.count, length, cell.seed, options.cache_dir
        )
        result |= _about_windows("calibration", corpus, calibration)
    if options.evaluation:
        evaluation, about = _evaluation(model, tokenizer, options)
        result |= about
    zero_shot, questions = _zero_shot(options)
    pruning.check(model, calibration, cell)
    folders = {name: inputs.empty_folder(name) for name in dict.fromkeys((saved, kept)) if name}
    path = folders[kept] / REPORT if kept else None

    print(f"{describe(cell.method)}; pattern {cell.pattern}")
    if calibration is not None:
        print(f"calibration: {_windows(calibration, corpus.source)}, seed {cell.seed}")
    reports = pruning.prune_model(
        model, calibration, cell, batch_size=options.batch_size, progress=not options.quiet
    )
    print(report.text(report.table(reports, options.each_layer)))
    result |= {
        "sparsity": report.sparsity(reports.values()),
        "sparsity_with_biases": report.sparsity(reports.values(), count_biases=True),
        **reports.columns(),
    }
    if saved:
        loading.save(model, tokenizer, folders[saved])
        _keep(result, path)
        print(f"saved: {saved}" + ("" if kept == saved else f", report: {kept}"))
    if evaluation is not None:
        result |= _evaluated(model, evaluation, options, result["evaluation_corpus"]["source"])
        _keep(result, path)
    if zero_shot:
        _keep(result | zero_shot.answered(model, tokenizer, questions, options), path)


def evaluate(options: Namespace) -> None:
    """Measure the perplexity of a model, and the accuracy of its answers."""
    inputs.check_out(options.out)
    model, tokenizer = _load(options)
    ids, about = _evaluation(model, tokenizer, options)
    zero_shot, questions = _zero_shot(options)
    result = _about(model, options) | about
    result |= _evaluated(model, ids, options, about["evaluation_corpus"]["source"])
    path = Path(options.out) if options.out else None
    _keep(result, path)
    if zero_shot:
        _keep(result | zero_shot.answered(model, tokenizer, questions, options), path)


def sweep(options: Namespace) -> None:
    """Measure every method with every pattern, layer and seed; finished cells are not redone."""
    inputs.check_out(options.out)
    cells = engine_cells.cells(
        options.methods, options.patterns, options.layers, options.seeds, options.scope
    )
    setting = Setting(
        inputs.calibration_corpus(options),
        inputs.evaluation_corpus(options),
        options.results_dir,
        device=inputs.device_of(options),
        dtype=options.dtype,
        batch_size=options.batch_size,
        cache_dir=options.cache_dir,
        memory=options.memory,
        device_memory=options.device_memory,
    )
    results = run_sweep(options.model, cells, setting, progress=not options.quiet)
    _keep(results, Path(options.out) if options.out else None)
    print(report.text(cell_table(results)))


def cell_table(results: list[dict]) -> pandas.DataFrame:
    """A row for each record of a sweep: what was done, the share of zeros, the perplexity."""
    rows = []
    for result in results:
        layers, size = result["layers"], sum(result["sizes"].values())
        rows.append(
            {
                "method": result["method"],
                "pattern": result["pattern"],
                "layers": layers if isinstance(layers, str) else ",".join(layers),
                "seed": result["seed"],
                "sparsity": sum(result["zeros"].values()) / size if size else 0.0,
                "perplexity": f"{result['perplexity']:.4f}",
            }
        )
    return pandas.DataFrame(rows)


def describe(method: Method) -> str:
    """What a method does to which layers, in a line.

    >>> from stade_nb.numerics.methods import METHODS
    >>> print(describe(METHODS["stade"]))
    STADE (stade): wanda behind a norm, std with bias correction elsewhere
    """
    behind, elsewhere = (
        treatment.metric.name + (" with bias correction" if treatment.corrects else "")
        for treatment in (method.centred, method.uncentred)
    )
    where = behind if behind == elsewhere else f"{behind} behind a norm, {elsewhere} elsewhere"
    return f"{method.title} ({method.name}): {where}"


def _load(options: Namespace) -> tuple[nn.Module, object]:
    device = inputs.device_of(options)
    return loading.load(options.model, device, options.dtype, options.cache_dir)


def _about(model: nn.Module, options: Namespace) -> dict:
    """What was there before the work: the fingerprint is that of the model before it is pruned."""
    return {
        "model": options.model,
        "fingerprint": loading.fingerprint(model),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def _evaluation(model: nn.Module, tokenizer: object, options: Namespace) -> tuple[Tensor, dict]:
    corpus = inputs.evaluation_corpus(options)
    length = architectures.window_length(model, corpus.length)
    ids = windows.evaluation_windows(
        corpus.source, tokenizer, corpus.count, length, options.cache_dir
    )
    architectures.check_windows(model, ids)
    return ids, _about_windows("evaluation", corpus, ids)


def _keep(result: object, path: Path | None) -> None:
    if path is not None:
        inputs.write_json(path, result)


def _zero_shot(options: Namespace) -> tuple[ModuleType | None, list]:
    """The module that asks the zero-shot tasks, where they are wanted, and the tasks."""
    if not options.eval_zero_shot:
        return None, []
    try:
        # lm-eval is an extra of the package.
        zero_shot = importlib.import_module("stade_nb.cli.zero_shot_command")
    except ModuleNotFoundError as error:
        raise StadeError(
            f"--eval_zero_shot needs {error.name}, which is not installed: pip install "
            "'.[zero-shot]' in the project's folder installs it"
        ) from error
    return zero_shot, zero_shot.questions(options)


def _about_windows(use: str, corpus: Windows, ids: Tensor) -> dict:
    count, length = ids.shape
    described = {"source": corpus.source, "windows": count, "length": length}
    return {f"{use}_corpus": described, use: digest_of_ids(ids)}


def _evaluated(model: nn.Module, ids: Tensor, options: Namespace, source: str) -> dict:
    losses = window_losses(model, ids, options.batch_size, progress=not options.quiet)
    found = perplexity_of(losses)
    print(f"perplexity: {found:.4f} on {_windows(ids, source)}")
    return {"perplexity": found, "losses": losses.tolist()}


def _windows(ids: Tensor, source: str) -> str:
    return f"{ids.shape[0]} windows of {ids.shape[1]} tokens of {source}"
