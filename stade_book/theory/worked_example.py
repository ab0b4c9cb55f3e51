"""Table 1 on one layer small enough for pencil and paper: 2×4 weights, six inputs, whole numbers.

Features 0 and 1 are centred and correlated; features 2 and 3 are not centred. Of every product
Σ_n x_n xᵀ_n only that of features 0 and 1 is not zero, so XᵀX is inverted by hand as well:

    feature          0    1    2    3
    mean μ           0    0    3    1
    variance σ²      8    4    4    6        XᵀX of features 0 and 1:  40  20
    ‖X‖²            40   20   74   36                                  20  20
"""

import pandas
import torch
from torch import Tensor

from stade_nb.numerics import metrics, sparsegpt
from stade_nb.numerics.methods import METHODS, Method, prune_layer
from stade_nb.numerics.moments import Moments

WEIGHT = ((4, -5, 3, 1), (5, 6, -4, 7))
BIAS = (2, -1)
INPUTS = (
    (0, 0, -1, 5),
    (0, 0, 3, -1),
    (-4, -3, 4, -1),
    (4, 3, 4, -1),
    (-2, 1, 4, 2),
    (2, -1, 4, 2),
)
PATTERN = "2:4"
INPUT_WORDS = {"any": "any", "yes": "centred", "no": "not centred"}


def weight() -> Tensor:
    """W, (out 2, in 4), float64."""
    return torch.tensor(WEIGHT, dtype=torch.float64)


def moments() -> Moments:
    """Eqs. 5 and 8 for the six inputs, with XᵀX."""
    return Moments.of(torch.tensor(INPUTS, dtype=torch.float64), gram=True)


def features() -> pandas.DataFrame:
    """A row for each feature: its six values, mean, variance and squared norm."""
    x = moments()
    return pandas.DataFrame(
        {
            "feature": range(len(WEIGHT[0])),
            "inputs": [", ".join(map(str, column)) for column in zip(*INPUTS, strict=True)],
            "mean": x.mean.tolist(),
            "variance": x.variance.tolist(),
            "squared_norm": x.squared_norm.tolist(),
        }
    )


def conditional_diagonal() -> Tensor:
    """SparseGPT as its algorithm has it: C_jj², CᵀC = (XᵀX)⁻¹, (in,), with λ = 0.

    Column j of the inverse of XᵀX from which the columns before j are struck out.
    """
    factor, _ = sparsegpt.inverse_factor(moments().gram, damping=0)
    return factor.diagonal().square()


def squared_score(method: Method, centred: bool) -> Tensor:
    """Table 1's score of every weight, (out, in), squared where it is |W| times a norm.

    Squares rank as the scores do and are whole numbers here. SparseGPT's λ is 0 and its XᵀX is not
    divided by N, which changes no choice; its own scale, 2/N, would divide each score by three.
    """
    w, x = weight(), moments()
    metric = method.treatment(centred).metric
    if metric.name == "sparsegpt":
        return metrics.sparsegpt(w, conditional_diagonal().sqrt())
    score = metric.score(w, x, torch.Generator().manual_seed(0))
    return score.square() if metric.name in ("magnitude", "wanda") else score


def table1() -> pandas.DataFrame:
    """Table 1 from the methods of this book, each row computed on the example.

    Columns: name; method, its title; updates_weights, corrects_bias; centred ("any" where it does
    not matter) and input, the same in words; metric (LaTeX) and equation ("–" for this book's own);
    score (out, in), pruned (out, in) at 2:4, weight (out, in), bias (out,). The row of SparseGPT
    shows the scores before any weight is updated.
    """
    rows, bias = [], torch.tensor(BIAS, dtype=torch.float64)
    # Where every layer has a bias, as here, equal parameters are no other method.
    for method in (each for each in METHODS.values() if not each.equal_parameters):
        same = method.centred == method.uncentred
        for centred in (False,) if same else (True, False):
            generator = torch.Generator().manual_seed(0)
            layer = prune_layer(
                weight(), bias, moments(), method, PATTERN, centred=centred, generator=generator
            )
            treatment = method.treatment(centred)
            kind = "any" if same else "yes" if centred else "no"
            rows.append({
                "name": method.name, "method": method.title,
                "centred": kind, "input": INPUT_WORDS[kind],
                "metric": treatment.metric.formula, "equation": _source(treatment.metric),
                "corrects_bias": treatment.corrects, "updates_weights": method.updates_weights,
                "score": squared_score(method, centred),
                "pruned": layer.pruned, "weight": layer.weight, "bias": layer.bias,
            })  # fmt: skip
    return pandas.DataFrame(rows)


def _source(metric: metrics.Metric) -> str:
    """Which equation has the metric's formula: what the paper prints of SparseGPT's is another."""
    if metric.name == "sparsegpt":
        return "its algorithm"
    return metric.equation or "–"


def by_mask(table: pandas.DataFrame) -> dict[tuple, list[str]]:
    """The distinct masks of `table1`, (out, in) as tuples, and in words the methods with each.

    Of a method that treats centred inputs otherwise the other inputs; of STADE both. Without the
    random mask.
    """
    found: dict[tuple, list[str]] = {}
    for row in table.itertuples():
        both = row.name == "stade"
        if row.name == "random" or (row.centred == "yes" and not both):
            continue
        words = f"{row.method} where the input is {row.input}" if both else row.method
        if row.equation.startswith("Eq.") and row.equation not in words:
            words += f", {row.equation}"
        if row.corrects_bias:
            words += "; bias " + ", ".join(f"{value:.0f}" for value in row.bias.tolist())
        words = words.replace("-", "−") + ("; other weights updated" if row.updates_weights else "")
        found.setdefault(tuple(map(tuple, row.pruned.tolist())), []).append(words)
    return found


def formulas(table: pandas.DataFrame) -> pandas.DataFrame:
    """Table 1 as the paper lays it out: the columns of `table1` that it prints."""
    return table[["method", "input", "metric", "equation", "corrects_bias", "updates_weights"]]


def printable(table: pandas.DataFrame) -> pandas.DataFrame:
    """`table1` with its tensors written out: a row for each method and output.

    Columns: method, input ("any", "centred" or "not centred"), metric (where the paper prints it),
    output, squared_scores, removed (the inputs whose weight goes), bias (afterwards).
    """
    rows = []
    for row in table.itertuples():
        head = {"method": row.method, "input": row.input, "metric": row.equation}
        for output, score in enumerate(row.score.tolist()):
            gone = row.pruned[output].nonzero()[:, 0].tolist()
            scores = ", ".join(f"{each:.3g}" if each < 1 else f"{each:.0f}" for each in score)
            found = {"output": output, "squared_scores": scores}
            found |= {"removed": ", ".join(map(str, gone)), "bias": int(row.bias[output])}
            rows.append(head | found)
    return pandas.DataFrame(rows)
