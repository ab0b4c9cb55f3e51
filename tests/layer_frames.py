"""Made-up results of Table 2: a model with three layer types, two metrics and two seeds."""

import math

import pandas

SPARSITIES = [0.1, 0.5, 0.9]
WINDOWS = 12
LAYERS = ("self_attn.q_proj", "fc1", "fc2")


def frame(shifts: dict, model: str = "one", noise: float = 0.0, growth=None) -> pandas.DataFrame:
    """As `layer_types.run` returns it.

    shifts: added to the losses of a (layer, metric), or of a (layer, metric, sparsity). noise: the
    metrics' losses differ by as much from window to window. growth: sparsity -> what is added to
    the losses of every layer (2 × sparsity).
    """
    growth = growth or (lambda sparsity: 2 * sparsity)
    rows = [(model, "dense", "dense", 0.0, 0, _windows(2.0))]
    for layer in LAYERS:
        for sparsity in SPARSITIES:
            for metric in ("wanda", "std"):
                for seed in (0, 1):
                    level = 2.0 + growth(sparsity) + 0.01 * seed
                    level += shifts.get((layer, metric), 0) + shifts.get(
                        (layer, metric, sparsity), 0
                    )
                    swing = noise if metric == "std" else -noise
                    rows.append((model, layer, metric, sparsity, seed, _windows(level, swing)))
    found = pandas.DataFrame(
        rows, columns=["model", "layer", "metric", "sparsity", "seed", "losses"]
    )
    perplexity = found["losses"].map(lambda losses: math.exp(math.fsum(losses) / len(losses)))
    return found.assign(perplexity=perplexity, relative=perplexity / perplexity[0])


def _windows(level: float, swing: float = 0.0) -> list[float]:
    return [level + 0.2 * (w % 3 - 1) + swing * (-1) ** w for w in range(WINDOWS)]
