"""What `training.json` and `corpus.json` record of the embedded models and of their text."""

import json

import pandas

from stade_nb.corpus import embedded_corpus
from stade_nb.errors import StadeError
from stade_nb.models import loading


def names(given: list[str]) -> list[str]:
    """Model names with "embedded" replaced by the embedded models; StadeError if there are none."""
    found = []
    for name in given:
        found += loading.embedded_models() if name == "embedded" else [name]
    if not found:
        raise StadeError(
            "'embedded' stands for the embedded models, and data/models holds none: "
            "get them with the project's files, or train them with `make models`"
        )
    return list(dict.fromkeys(found))


def record(name: str) -> dict:
    """How an embedded model was trained, as written by `stade_nb.training`.

    StadeError for another model.
    """
    path = loading.EMBEDDED / name / "training.json"
    if not path.is_file():
        raise StadeError(
            f"model {name!r} has no training.json: expected one of the embedded models "
            f"({', '.join(loading.embedded_models()) or 'none is present'})"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def corpus() -> pandas.DataFrame:
    """The text that the models were made from: a row for each part."""
    rows = [
        (part, len(there["packages"]), there["documents"], there["characters"], there["sha256"])
        for part, there in embedded_corpus.recorded().items()
    ]
    return pandas.DataFrame(
        rows, columns=["part", "packages", "documents", "characters", "SHA-256"]
    )


def overview(chosen: list[str]) -> pandas.DataFrame:
    """Architecture, size and training: a row for each fact, a column for each model."""
    columns = {"": list(_facts(record(chosen[0])))} if chosen else {}
    return pandas.DataFrame(columns | {name: _facts(record(name)).values() for name in chosen})


def _facts(run: dict) -> dict[str, str]:
    recipe = run["recipe"]
    heads = f"{recipe['heads']}, {recipe['kv_heads']} for keys and values"
    return {
        "architecture": {"llama": "Llama", "opt": "OPT"}[run["architecture"]],
        "blocks": str(recipe["layers"]),
        "width, in the MLP": f"{recipe['hidden']}, {recipe['intermediate']}",
        "attention heads": heads,
        "parameters": f"{run['parameters']:,}",
        "outside embeddings": f"{run['parameters_outside_embeddings']:,}",
        "training text, SHA-256": run["corpus_sha256"][:16],
        "training tokens": f"{run['training_tokens']:,}",
        "tokens per parameter": f"{run['tokens_per_parameter']:.0f}",
        "steps": f"{run['steps']:,}",
        "training time": f"{run['seconds'] / 60:.0f} minutes (threads: {run['threads']})",
    }


def quality(chosen: list[str]) -> pandas.DataFrame:
    """Perplexities of each model and of the 3-gram model on the same held-out tokens."""
    columns = {
        "name": "model",
        "validation_perplexity": "validation",
        "ngram_perplexity": "3-gram, validation",
        "evaluation_perplexity": "evaluation",
        "evaluation_ngram_perplexity": "3-gram, evaluation",
    }
    frame = pandas.DataFrame([record(name) for name in chosen])
    return frame[list(columns)].rename(columns=columns)


def curves(chosen: list[str]) -> pandas.DataFrame:
    """Loss curves in nats per token: model, tokens, training, validation."""
    rows = [(name, *point) for name in chosen for point in record(name)["curve"]]
    return pandas.DataFrame(rows, columns=["model", "tokens", "training", "validation"])


def samples(chosen: list[str]) -> pandas.DataFrame:
    """What each model continued the recipe's prompts with, after training."""
    rows = [(name, text) for name in chosen for text in record(name)["samples"]]
    return pandas.DataFrame(rows, columns=["model", "text"])
