"""What the commands of the command line do with their options, and what they print and keep."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas
from torch import Tensor

from stade_nb.beyond.methods import done
from stade_nb.cli import settings
from stade_nb.cli.going_on import REPORT, GoingOn
from stade_nb.engine import pruning, report
from stade_nb.engine.cell import DENSE, Cell, cells
from stade_nb.engine.prepare import Prepared, prepare
from stade_nb.engine.sweep import sweep as engine_sweep
from stade_nb.errors import StadeError
from stade_nb.evaluation import diagnosis
from stade_nb.evaluation.perplexity import perplexity_of, window_losses
from stade_nb.files import try_file, try_folder, write_at_once
from stade_nb.models import gguf_export, saving
from stade_nb.numerics.methods import Method, method


def prune(options: SimpleNamespace) -> None:
    """Prune a model, report its zeros, save it and measure its perplexity, in this order.

    What can be wrong is found before the work starts, and what is done is kept at once.
    """
    layers = "all" if options.layers == ["all"] else tuple(options.layers)
    chosen = method(options.prune_method)
    cell = Cell(chosen, settings.pattern_of(options), layers, options.seed)
    _check_used(options)
    calibration = settings.calibration_of(options) if cell.needs_calibration else None
    evaluation = settings.evaluation_of(options) if options.evaluation else None
    setting = settings.setting_of(options, calibration, evaluation)
    prepared = prepare(options.model, [cell], setting)
    model, ids = prepared.model, prepared.calibration_ids.get(cell.seed)
    saved, kept = options.save_model or options.save, options.save or options.save_model
    if saved:
        saving.check_biases(model, cell.method, cell.layers)
    going = GoingOn(prepared, options, "prune")
    if gguf := settings.new_gguf(options.save_gguf, going):
        gguf_export.check_method(model, prepared.tokenizer, cell.method, cell.layers)
    questions = settings.questions(options, prepared.tokenizer)
    pruning.check(model, ids, cell)
    named = [name for name in dict.fromkeys((saved, kept)) if name]
    for name in named:  # all before one is made: one may lie in another
        settings.check_empty(name, going)
    folders = {name: try_folder(name) for name in named}
    path = folders[kept] / REPORT if kept else None
    if saved:
        saving.try_room(model, prepared.tokenizer, folders[saved])
    if gguf:
        try_file(gguf, saving.room(model, prepared.tokenizer), "the GGUF file")

    competing = f" of each {cell.pattern.scope}" if cell.pattern.m is None else ""
    if not saved and not gguf:
        _note("nothing will be saved: --save DIR or --save-gguf FILE keeps the pruned model")
    _say_what_is_unusual(prepared.facts)
    print(f"{describe(cell.method)}; pattern {cell.pattern}{competing}")
    if ids is not None:
        print(f"calibration: {_windows(ids, calibration.source)}, seed {cell.seed}")
    going.say()
    reports = pruning.prune_model(
        model, ids, cell, batch_size=options.batch_size, progress=not options.quiet,
        keep=going.blocks(ids),
    )  # fmt: skip
    result = _about(prepared, ids) | {
        "method": cell.method.name,
        "pattern": cell.pattern_name,
        "layers": cell.layers,
        "scope": cell.pattern.scope,
        "seed": cell.seed,
        "sparsity": report.sparsity(reports.values()),
        "sparsity_with_biases": report.sparsity(reports.values(), count_biases=True),
        **reports.columns(),
    }
    going.saving()
    if saved:
        saving.save(model, prepared.tokenizer, folders[saved])
        going.saving()
        _keep(result, path)
    if gguf:
        gguf = gguf_export.write(model, prepared.tokenizer, gguf)
    going.saving()
    print(report.text(report.table(reports, options.each_layer)))
    if saved:
        print(f"saved: {saved}" + ("" if kept == saved else f", report: {kept}"))
    if gguf:
        print(f"saved: {gguf}")
    _measure(prepared, questions, going, not options.quiet, result, path)


def evaluate(options: SimpleNamespace) -> None:
    """Measure the perplexity of a model, and the accuracy of its answers."""
    path = settings.out_file(options)
    _check_used(options)
    setting = settings.setting_of(options, None, settings.evaluation_of(options))
    prepared = prepare(options.model, [DENSE], setting)
    questions = settings.questions(options, prepared.tokenizer)
    _say_what_is_unusual(prepared.facts)
    going = GoingOn(prepared, options, "evaluate")
    going.say()
    _measure(prepared, questions, going, not options.quiet, _about(prepared), path)


def sweep(options: SimpleNamespace) -> None:
    """Measure every method with every pattern, layer and seed; finished cells are not redone."""
    asked = cells(options.methods, options.patterns, options.layers, options.seeds, options.scope)
    path = settings.out_file(options, len(asked))
    setting = settings.setting_of(
        options,
        settings.calibration_of(options),
        settings.evaluation_of(options),
        options.results_dir,
        memory=options.memory,
        device_memory=options.device_memory,
        keep_every=options.keep_every,
    )
    results = engine_sweep(options.model, asked, setting, progress=not options.quiet)
    _keep(results, path)
    _say_what_is_unusual(results[0])
    print(report.text(cell_table(results)))


def diagnose(options: SimpleNamespace) -> None:
    """Print what may be behind a number that is not the expected one.

    StadeError for a number of the unpruned model that would have no effect.
    """
    pattern = settings.diagnosed_pattern(options)
    if options.expected is None and (beside := options.expected_dense) is not None:
        raise StadeError(f"--expected-dense {beside:g} without --expected: give both, or none")
    for name in ("dense", "expected_dense") if options.method == diagnosis.DENSE else ():
        if (value := getattr(options, name)) is not None:
            raise StadeError(
                f"--{name.replace('_', '-')} {value:g} with --method dense: --perplexity and "
                "--expected are of the unpruned model themselves; leave it out"
            )
    found = diagnosis.Numbers(options.perplexity, options.dense)
    wanted = None
    if options.expected is not None:
        wanted = diagnosis.Numbers(options.expected, options.expected_dense)
    print(diagnosis.text(options.model, options.method, pattern, found, wanted))


def cell_table(results: list[dict]) -> pandas.DataFrame:
    """A row for each record of a sweep: what was done, the share of zeros, the perplexity.

    Of the unpruned model the zeros that it had when it was loaded.
    """
    rows = []
    for result in results:
        layers = result["layers"]
        zeros, size = sum(result["zeros"].values()), sum(result["sizes"].values())
        if result["method"] == DENSE.method.name:
            zeros, size = result["loaded"]["zeros"], result["loaded"]["size"]
        rows.append(
            {
                "method": result["method"],
                "pattern": result["pattern"],
                "layers": layers if isinstance(layers, str) else ",".join(layers),
                "seed": result["seed"],
                "sparsity": zeros / size,
                "perplexity": f"{result['perplexity']:.4f}",
            }
        )
    return pandas.DataFrame(rows)


def describe(chosen: Method) -> str:
    """What a method does to which layers, in a line.

    >>> from stade_nb.numerics.methods import METHODS
    >>> print(describe(METHODS["stade"]))
    STADE (stade): wanda behind a norm, std with bias correction elsewhere
    """
    return f"{chosen.title} ({chosen.name}): {done(chosen)}"


def _keep(result: object, path: Path | None) -> None:
    if path is not None:
        write_at_once(path, json.dumps(result, indent=1, allow_nan=False) + "\n")


def _about(prepared: Prepared, calibration_ids: Tensor | None = None) -> dict:
    """What there was before the work: the model as it was loaded, and the windows as drawn."""
    (key,) = prepared.keys.values()
    about = prepared.facts | {name: key[name] for name in ("fingerprint", "dtype", "device")}
    for use, ids in {"calibration": calibration_ids, "evaluation": prepared.evaluation_ids}.items():
        if ids is not None:
            about[use] = key[use]
    return about


def _say_what_is_unusual(facts: dict) -> None:
    """What there is to say of the texts, and the zeros that a model came with."""
    _say_of_texts(facts)
    loaded = facts["loaded"]
    if loaded["zeros"]:
        print(
            f"as loaded: {loaded['zeros']:,} of {loaded['size']:,} weights of the blocks' linear "
            f"layers are zero, {loaded['zeros'] / loaded['size']:.3%}"
        )


def _say_of_texts(facts: dict) -> None:
    """That an embedded text is not the recorded one, and that many windows share a BOS."""
    for use in ("calibration_corpus", "evaluation_corpus"):
        if "difference" in facts.get(use, {}):
            print(facts[use]["difference"])
    corpus = facts.get("evaluation_corpus", {})
    if corpus.get("bos") == "text" and corpus["windows"] != 1:
        _note(
            "the tokenizer puts a BOS before a text by itself, and as in the paper only the first "
            "window begins with it; --bos window puts one before each"
        )


def _note(line: str) -> None:
    """Say on stderr what the user may want to change; stdout is for results."""
    print(f"stade_nb: {line}", file=sys.stderr)


def _check_used(options: SimpleNamespace) -> None:
    """StadeError for an option that would have no effect without another one."""
    given = {f"--{name.replace('_', '-')}": value for name, value in vars(options).items()}
    needs = dict.fromkeys(("--tasks", "--tasks-dir", "--limit"), "--eval-zero-shot")
    if "--prune-method" in given:  # elsewhere what is evaluated has a default
        needs["--evaluation-windows"] = "--evaluation"
    for name, needed in needs.items():
        value = given[name]
        if value is not None and not given[needed]:
            said = ",".join(value) if isinstance(value, list) else value
            raise StadeError(f"{name} {said} without {needed}: add {needed}, or leave it out")


def _windows(ids: Tensor, source: str) -> str:
    return f"{ids.shape[0]} windows of {ids.shape[1]} tokens of {source}"


def _measure(
    prepared: Prepared,
    questions: list,
    going: GoingOn,
    progress: bool,
    result: dict,
    path: Path | None,
) -> None:
    """Perplexity and accuracies of the model as it is now, printed; kept with `result`, in turn."""
    ids = prepared.evaluation_ids
    if ids is not None:
        losses = window_losses(prepared.model, ids, going.batch_size, progress, going.losses(ids))
        result = result | {"perplexity": perplexity_of(losses), "losses": losses.tolist()}
        _keep(result, path)
        going.saving()
        windows = _windows(ids, result["evaluation_corpus"]["source"])
        print(f"perplexity: {result['perplexity']:.4f} on {windows}")
    if questions:
        found = _answered(prepared, questions, progress, going.folder)
        _keep(result | {"zero_shot": found}, path)
        _say_answers(found)
    going.done()


def _answered(prepared: Prepared, asked: list, progress: bool, folder: Path) -> dict:
    """Accuracies of the model: their mean, and by task. folder: where answers are kept."""
    from stade_nb.evaluation import harness

    found = harness.evaluate(prepared.model, prepared.tokenizer, asked, progress, folder)
    mean, error = harness.mean(found.values())
    about = {"mean": mean, "standard_error": error, "harness": harness.HARNESS}
    by_task = {one.name: {"questions": one.digest} | found[one.name] for one in asked}
    return about | {"tasks": by_task}


def _say_answers(found: dict) -> None:
    """Print what `_answered` returns."""
    width = max(map(len, [*found["tasks"], "mean"]))
    for name, result in found["tasks"].items():
        points, spread = 100 * result["accuracy"], 100 * result["standard_error"]
        count, chance = result["count"], 100 * result["guessing"]
        print(
            f"{name:{width}}  {points:5.2f} ± {spread:.2f} % of {count:,} questions "
            f"(the better of blind choice and always the same answer: {chance:.2f} %)"
        )
    mean, error = 100 * found["mean"], 100 * found["standard_error"]
    print(f"{'mean':{width}}  {mean:5.2f} ± {error:.2f} %, {found['harness']}")
