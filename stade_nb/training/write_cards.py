"""Write the model card of each embedded model: ``python -m stade_nb.training.write_cards``.

A card (README.md beside the weights, with the loss curve) says nothing that ``training.json`` does
not; it is what someone sees who opens the model's folder.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas
from matplotlib.figure import Figure

from stade_nb.corpus import embedded_corpus
from stade_nb.models import loading
from stade_nb.style import BLACK, SERIES, _axes, use_style
from stade_nb.training import model_cards

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

A small language model of the {kind} architecture, trained by `python -m stade_nb.training {name}`
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
    figure, axes = _axes(3.8)
    for (name, rows), (colour, marker) in zip(
        curves.groupby("model", sort=False), itertools.cycle(SERIES), strict=False
    ):
        every = max(1, len(rows) // 8)
        look = {"color": colour, "marker": marker, "markevery": every, "label": name}
        axes.plot(rows["tokens"] / 1e6, np.exp(rows["validation"]), **look)
    axes.axhline(baseline, color=BLACK, linestyle="--", linewidth=1, label="3-gram model")
    axes.set(xlabel="million tokens seen", ylabel="perplexity on held-out text")
    axes.set(yscale="log", ylim=(None, 4 * baseline))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend()
    return figure


def text(name: str) -> str:
    """The card of an embedded model, from its training record."""
    run = model_cards.record(name)
    facts = run | run["recipe"] | run["versions"]
    facts["kind"] = {"llama": "Llama", "opt": "OPT"}[run["architecture"]]
    same = run["corpus_sha256"] == embedded_corpus.recorded()["train"]["sha256"]
    facts["corpus"] = RECORDED if same else OTHER
    facts["minutes"] = run["seconds"] / 60
    prompts = zip(run["prompts"], run["samples"], strict=True)
    shown = "\n\n".join(
        f"> **{prompt}**" + said.removeprefix(prompt).replace("\n", " ") for prompt, said in prompts
    )
    return CARD.format(**facts, shown=shown, curve_file=CURVE)


def write(name: str) -> Path:
    """Write README.md and the loss curve of an embedded model."""
    path = loading.EMBEDDED / name / "README.md"
    use_style()
    baseline = model_cards.record(name)["ngram_perplexity"]
    figure = loss_curves(model_cards.curves([name]), baseline)
    figure.savefig(path.with_name(CURVE), metadata={"Date": None})
    path.write_text(text(name), encoding="utf-8")
    return path


if __name__ == "__main__":
    for model in loading.embedded_models():
        print(write(model))
