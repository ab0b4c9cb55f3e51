"""Where the paper's text and its equations part: Eq. 12, "normalised", Table 1's SparseGPT.

Each function takes weights (out, in) and inputs (tokens, in): synthetic ones or a model's own.
"""

import pandas
import torch
from torch import Tensor
from torch.nn import functional

from stade_book.theory import synthetic
from stade_book.theory.many_weights import AnyPattern, set_loss
from stade_nb.errors import unknown
from stade_nb.numerics import masks, metrics, sparsegpt
from stade_nb.numerics.moments import Moments

# Eq. 12 to the letter, and in the form that Eq. 9 needs.
EQ12 = {"printed": "without_bias_as_printed", "consistent": "without_bias"}
RIVALS = ("std", "wanda")  # Eqs. 11 and 10


def eq12_differences(weight: Tensor, moments: Moments, pattern: AnyPattern) -> pandas.DataFrame:
    """Eq. 12 as printed and in the form that Eq. 9 needs, against STD's and Wanda's masks.

    A row for each form (index "form") and a column for each metric: the share of mask entries that
    differ. In theory the consistent form is Wanda's metric up to N against N - 1, and the printed
    one, whose first term lacks 1/(N - 1), tends to STD's as N grows.
    """
    pruned = {
        metric: masks.select(metrics.METRICS[metric].score(weight, moments, None), pattern)
        for metric in (*EQ12.values(), *RIVALS)
    }
    share = [
        [float((pruned[form] != pruned[rival]).double().mean()) for rival in RIVALS]
        for form in EQ12.values()
    ]
    return pandas.DataFrame(share, index=pandas.Index(EQ12, name="form"), columns=RIVALS)


def normalise(x: Tensor, kind: str) -> Tensor:
    """LayerNorm or RMSNorm (kind "layer" or "rms"), gains 1: across the features of each token.

    x: (tokens, features), returned in its shape. StadeError for another kind.
    """
    if kind == "layer":
        return functional.layer_norm(x, x.shape[-1:])
    if kind == "rms":
        return functional.rms_norm(x, x.shape[-1:])
    raise unknown("normalisation", kind, ("layer", "rms"))


def off_centre(x: Tensor) -> Tensor:
    """|mean| / std of every feature over the tokens, (in,): 0 where Sec. 3.2's centring holds."""
    moments = Moments.of(x)
    return moments.mean.abs() / moments.variance.sqrt()


def off_centre_after(
    spread: float, generator: torch.Generator, tokens: int = 4096, features: int = 256
) -> pandas.DataFrame:
    """Synthetic tokens whose features have means N(0, spread²) and std 1: |mean|/std after norms.

    Columns: inputs ("as drawn", "after LayerNorm", "after RMSNorm"), median, largest.
    """
    means = spread * synthetic.normal((features,), generator)
    x = means + synthetic.normal((tokens, features), generator)
    found = {
        "as drawn": off_centre(x),
        "after LayerNorm": off_centre(normalise(x, "layer")),
        "after RMSNorm": off_centre(normalise(x, "rms")),
    }
    rows = [(name, float(r.median()), float(r.max())) for name, r in found.items()]
    return pandas.DataFrame(rows, columns=["inputs", "median", "largest"])


def sparsegpt_scores(weight: Tensor, moments: Moments, damping: float = 0.01) -> dict[str, Tensor]:
    """Three losses of removing a weight, (out, in) each; `moments` with cross products.

    "printed": Table 1's W² / diag(H⁻¹), all other weights refitted. "algorithm": W² / C_jj², only
    the columns after j refitted. Both halved here, since H = 2 E[X Xᵀ]. "nothing refitted": W² H_jj
    halved, which without damping is E[X_j²] W², Wanda's metric squared. Table 6's row "w/o update"
    prunes by the second and pays the third.
    """
    factor, _ = sparsegpt.inverse_factor(sparsegpt.hessian(moments), damping)
    inverse = factor.T @ factor
    return {
        "printed": metrics.sparsegpt(weight, inverse.diagonal().sqrt()) / 2,
        "algorithm": metrics.sparsegpt(weight, factor.diagonal()) / 2,
        "nothing refitted": metrics.wanda(weight, moments.second_moment.sqrt()).square(),
    }


def sparsegpt_without_update(
    weight: Tensor, moments: Moments, pattern: AnyPattern
) -> pandas.DataFrame:
    """What each of `sparsegpt_scores` costs when no weight is updated and no bias is added.

    A row is competed for by itself, so that the scores alone differ. Columns: score; loss, the
    exact one of the sets pruned, w_Pᵀ E[X Xᵀ]_P w_P, mean over outputs; relative, to the least of
    the three; differs, share of mask entries unlike Wanda's.
    """
    second = moments.gram / moments.count
    pruned = {
        name: masks.select(score, pattern)
        for name, score in sparsegpt_scores(weight, moments).items()
    }
    wanda = pruned["nothing refitted"]
    loss = [float(set_loss(weight.double(), mask, second).mean()) for mask in pruned.values()]
    table = pandas.DataFrame({"score": list(pruned), "loss": loss})
    table["relative"] = table["loss"] / table["loss"].min()
    table["differs"] = [float((mask != wanda).double().mean()) for mask in pruned.values()]
    return table
