"""What `training.json` and `corpus.json` record of the embedded models and of their text."""

import json
from pathlib import Path

import numpy as np
import pandas
from matplotlib.figure import Figure

from stade_book import style
from stade_book.style import INK, use_style
from stade_nb import paths
from stade_nb.corpus import documents
from stade_nb.errors import StadeError
from stade_nb.models import loading


def record(name: str) -> dict:
    """How an embedded model was trained, as written by `stade_book.training`.

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
        for part, there in documents.recorded().items()
    ]
    return pandas.DataFrame(rows, columns=["part", "packages", "documents", "characters", "sha256"])


def overview(chosen: list[str]) -> pandas.DataFrame:
    """Architecture, size and training: a row for each fact, a column for each model."""
    columns = {"fact": list(_facts(record(chosen[0])))} if chosen else {}
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
        "ngram_perplexity": "ngram_validation",
        "evaluation_perplexity": "evaluation",
        "evaluation_ngram_perplexity": "ngram_evaluation",
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


CURVE = "loss-curve.svg"
RECORDED = "the text that `data/corpus.json` records"
OTHER = "which is what the lock's packages gave where it was trained: not quite the recorded text"
CARD = """\
---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
---

# {name}

A small language model of the {kind} architecture, trained by `python -m stade_book.training {name}`
on the English prose of Python packages' documentation. It exists so that pruning methods can be
compared on a trained model where no model hub can be reached; it knows how documentation is
phrased and nothing else.

| | |
|---|---|
| architecture | {layers} blocks, hidden width {hidden}, MLP width {intermediate}, {heads} heads ({kv_heads} for keys and values), {window} positions |
| parameters | {parameters:,}; {parameters_outside_embeddings:,} outside the embeddings |
| vocabulary | {vocabulary:,} byte pairs over printable ASCII |
| training | {training_tokens:,} tokens ({tokens_per_parameter:.0f} per parameter outside the embeddings; {epochs:.1f} epochs), {steps:,} steps of {batch} windows |
| time | {minutes:.0f} minutes on {device}, {threads} thread(s) |
| optimiser | AdamW, learning rate {learning_rate:g} with {warmup:.0%} warm-up and a cosine to zero, weight decay {weight_decay:g}, seed {seed} |
| corpus | {corpus_tokens:,} tokens, SHA-256 `{corpus_sha256}`, {corpus} |
| versions | torch {torch}, transformers {transformers} |

| perplexity per token | {name} | 3-gram (Kneser–Ney) on the same tokens |
|---|---|---|
| validation: held-out files of the training packages | {validation_perplexity:.2f} | {ngram_perplexity:.2f} |
| evaluation: another package | {evaluation_perplexity:.2f} | {evaluation_ngram_perplexity:.2f} |

![Training and validation loss over the tokens seen]({curve_file})

The model was chosen by nothing but its recipe, fixed before any pruning.

## Samples

Top 40, temperature 0.7, seed 0; the prompt in bold.

{shown}
"""  # noqa: E501


def loss_curves(curves: pandas.DataFrame, baseline: float) -> Figure:
    """Validation loss over tokens seen, with the 3-gram model's perplexity `baseline` beside it.

    curves: columns model, tokens, training, validation (nats per token).
    """
    figure, axes = style.axes(3.8)
    for name, rows, look in style.groups(curves, "model"):
        levels, every = np.exp(rows["validation"]), max(1, len(rows) // 8)
        axes.plot(rows["tokens"] / 1e6, levels, markevery=every, label=name, **look)
    axes.axhline(baseline, color=INK, linestyle="--", linewidth=1, label="3-gram model")
    axes.set(xlabel="million tokens seen", ylabel="perplexity on held-out text")
    axes.set(yscale="log", ylim=(None, 4 * baseline))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend()
    return figure


def text(name: str) -> str:
    """The card of an embedded model, from its training record."""
    run = record(name)
    facts = run | run["recipe"] | run["versions"]
    facts["kind"] = {"llama": "Llama", "opt": "OPT"}[run["architecture"]]
    same = run["corpus_sha256"] == documents.recorded()["train"]["sha256"]
    facts["corpus"] = RECORDED if same else OTHER
    facts["minutes"] = run["seconds"] / 60
    prompts = zip(run["prompts"], run["samples"], strict=True)
    shown = "\n\n".join(
        f"> **{prompt}**" + said.removeprefix(prompt).replace("\n", " ") for prompt, said in prompts
    )
    return CARD.format(**facts, shown=shown, curve_file=CURVE)


def write(name: str) -> Path:
    """Write README.md and the loss curve of an embedded model."""
    path = paths.maintained(loading.EMBEDDED / name / "README.md")
    use_style()
    baseline = record(name)["ngram_perplexity"]
    figure = loss_curves(curves([name]), baseline)
    figure.savefig(path.with_name(CURVE), metadata={"Date": None})
    path.write_text(text(name), encoding="utf-8")
    return path


if __name__ == "__main__":
    for model in loading.embedded_models():
        print(write(model))
