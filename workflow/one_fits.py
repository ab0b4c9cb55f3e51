"""Whether a notebook can take the models that it is given: said before anything is computed.

A model's configuration says how wide its layers are, and its tokenizer whether a GGUF file can hold
it: neither needs the weights. A model that is not here yet is not asked for.
"""

import json
from collections.abc import Sequence
from os.path import isdir
from typing import TYPE_CHECKING

from stade_nb import paths
from stade_nb.errors import StadeError

if TYPE_CHECKING:  # the imports take seconds
    from torch import nn

    from stade_book.pages.notebooks import Parameters


def own() -> list[str]:
    """The notebooks that take a model of one's own."""
    from stade_book.pages import notebooks

    others = (*notebooks.OF_RECORDS, notebooks.EmbeddedModels)
    return [
        name
        for name, kind in notebooks.NOTEBOOKS.items()
        if "models" in kind.model_fields and not issubclass(kind, others)
    ]


def refused(name: str, why: str) -> StadeError:
    """The error for a model that the notebook `name` cannot take, with the notebooks that can."""
    return StadeError(f"{why}; for a model of your own: {', '.join(sorted({*own()} - {name}))}")


def check(name: str, values: "Parameters") -> None:
    """StadeError where the notebook `name` cannot take the models among its `values`."""
    from stade_book.pages import notebooks
    from stade_nb.models import loading, shapes

    if isinstance(values, notebooks.Speed):
        try:
            shapes.shape(values.model)
        except StadeError as error:
            times = f"{name} times layers of a shape of data/shapes.json, and takes no folder"
            raise refused(name, f"{error}; {times}") from None
    if isinstance(values, notebooks.OF_RECORDS):
        _check_records(name, values)
    elif isinstance(values, notebooks.EmbeddedModels):
        _check_trained(name, loading.named(values.models))
    elif hasattr(values, "models"):
        given = [*loading.named(values.models), getattr(values, "example", None)]
        for model in dict.fromkeys(filter(None, given)):
            loading.check_name(model)
            if (empty := without_weights(model)) is not None:
                _check_patterns(name, model, empty, values)
                if isinstance(values, notebooks.Anywhere):
                    _check_files(name, model, empty, values.methods)


def _check_records(name: str, values: "Parameters") -> None:
    """StadeError where a page of records has none of the models."""
    from stade_book.pages import notebooks
    from stade_book.pages.tables import earlier, texts

    try:
        if isinstance(values, notebooks.Studies):
            for model in values.models:
                texts.grid(model)
        elif not any(map(earlier.has, values.models)):
            earlier.frame(values.models)
    except StadeError as error:
        raise refused(name, f"{name} shows records, and prunes no model: {error}") from None


def _check_trained(name: str, models: Sequence[str]) -> None:
    """StadeError for a model that was not trained here, as its training.json would say."""
    from stade_book.training import cards

    for model in models:
        try:
            cards.record(model)
        except StadeError as error:
            raise refused(name, f"{name} shows how models were trained: {error}") from None


def without_weights(name: str) -> "nn.Module | None":
    """The model as shapes alone; None where it would first be downloaded or converted.

    StadeError for a folder whose configuration cannot be read.
    """
    from stade_nb.models import loading, packaged, shapes

    if name in packaged.packaged_models():
        return shapes.empty(name) if name in shapes.shapes() else None
    if name not in loading.embedded_models() and not isdir(paths.expanded(name)):
        return None
    loading.architecture(name)  # says what is wrong with a configuration
    return shapes.empty_of(loading.locate(name))


def _check_patterns(name: str, model: str, empty: "nn.Module", values: "Parameters") -> None:
    """StadeError for an N:M pattern that does not divide the inputs of some layer."""
    from stade_nb.models import architectures
    from stade_nb.numerics.masks import parse_pattern

    widths = {kind: layer.in_features for _, kind, layer in architectures.named_layers(empty)}
    field = "pattern" if hasattr(values, "pattern") else "patterns"
    given = getattr(values, field, [])
    given = [given] if field == "pattern" else given
    groups = {str(pattern): parse_pattern(pattern).m or 1 for pattern in given}
    unfit = {
        pattern: next((kind for kind, width in widths.items() if width % m), None)
        for pattern, m in groups.items()
    }
    fit = [pattern for pattern, kind in unfit.items() if kind is None]
    if not any(width % 4 for width in widths.values()):
        fit = list(dict.fromkeys([*fit, "2:4"]))
    fit = fit or ["0.5"]
    for pattern, kind in unfit.items():
        if kind is not None:
            remedy = json.dumps(fit if field == "patterns" else fit[0])
            raise StadeError(
                f"{name} cannot prune {model!r} at {pattern}: {kind} has {widths[kind]} inputs, no "
                f"multiple of {groups[pattern]}; set {field}: {remedy} in the file of PARAMETERS"
            )


def _check_files(name: str, model: str, empty: "nn.Module", methods: Sequence[str]) -> None:
    """StadeError where a model, pruned by one of `methods`, fits into no folder or GGUF file."""
    from transformers import AutoTokenizer

    from stade_nb.models import gguf_export, loading, packaged, saving

    if model in packaged.packaged_models():
        return  # it may first have to be fetched
    try:
        with saving.quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                loading.locate(model), trust_remote_code=False
            )
    except (OSError, ValueError):
        return  # the run says it in its own words
    try:
        for method in methods:
            saving.check_biases(empty, method)
            gguf_export.check_method(empty, tokenizer, method)
    except StadeError as error:
        raise refused(name, f"{name} cannot write {model!r} in every way: {error}") from None
