"""The claims that theory decides: Secs. 3.2–3.4 on random layers, every weight removed in turn."""

from collections.abc import Iterator

import torch

from stade_nb.claims.verdicts import THEORY, Decided, held
from stade_nb.numerics import metrics
from stade_nb.theory import brute_force, equalities, synthetic
from stade_nb.theory.synthetic import Layer

TOKENS = 10_000
SHAPE = (200, 4, 16)  # random layers, outputs, inputs
MEANS, STDS = (-2, 2), (0.1, 2)


def decide(generator: torch.Generator) -> Iterator[Decided]:
    """Secs. 3.2–3.4 on random layers drawn from `generator`: every weight removed in turn."""
    general = synthetic.random_layers(SHAPE, MEANS, STDS, generator)
    centred = synthetic.random_layers(SHAPE, (0, 0), STDS, generator)
    agreed = {
        (where, found.metric, found.refit): found
        for where, layers in (("centred", centred), ("not centred", general))
        for found in brute_force.agreements(layers)
    }

    def right(where: str, metric: str, refit: bool) -> tuple[str, bool]:
        found = agreed[where, metric, refit]
        return f"{found.agree:,} of {found.outputs:,}", found.agree == found.outputs

    cheapest = "the metric's choice is the cheapest weight, by brute force, in every output"
    for claim, key, words in (
        ("wanda-optimal", ("centred", "wanda", False), "centred inputs, bias kept, Wanda"),
        ("std-optimal", ("not centred", "std", True), "any means, bias refitted, STD"),
        ("no-bias-optimum", ("not centred", "without_bias", False), "any means, bias kept, Eq. 9"),
    ):
        count, holds = right(*key)
        yield Decided(claim, THEORY, f"{words}: {cheapest}", count, held(holds))
    yield _bias_optimum(generator)
    dearer, wanda = right("not centred", "wanda", True)
    kept, _ = right("not centred", "wanda", False)
    yield Decided(
        "wanda-suboptimal",
        THEORY,
        "any means, bias refitted: Wanda's choice is not the cheapest in at least one output",
        f"cheapest in {dearer}; with the bias kept in {kept}",
        held(not wanda),
    )
    yield _eq12(general)
    where_refit = [
        (where, refit) for where in ("centred", "not centred") for refit in (True, False)
    ]
    ours = [right(w, "std" if r else "without_bias", r)[1] for w, r in where_refit]
    theirs = [right(w, "wanda", r)[1] for w, r in where_refit]
    yield Decided(
        "more-general",
        THEORY,
        "inputs centred or not, bias refitted or kept: STADE (Eq. 8 with a bias; without one the "
        "form that agrees with Eq. 9, not Eq. 12 as printed) is optimal, for single weights, "
        "wherever Wanda is and somewhere else too",
        f"STADE in {sum(ours)} of 4 cases, Wanda in {sum(theirs)} of 4",
        held(sum(ours) > sum(theirs) and all(o for o, w in zip(ours, theirs, strict=True) if w)),
    )


def _bias_optimum(generator: torch.Generator) -> Decided:
    layer = synthetic.random_layers((1, 8), MEANS, STDS, generator)
    ledger = equalities.exact(layer, synthetic.normal(layer.weight.shape, generator))
    found = ledger[ledger["equation"] == "Eq. 7"]["holds"]
    return Decided(
        "bias-optimum",
        THEORY,
        "both sides of each equality of Eq. 7 agree within the tolerance of their row: by "
        "autograd, by search and in closed form",
        f"{found.sum()} of {len(found)}",
        held(bool(found.all())),
    )


def _eq12(layers: Layer) -> Decided:
    mean, variance = layers.mean, layers.std**2
    printed = torch.vmap(lambda w, m, v: metrics.without_bias_as_printed(w, m, v, TOKENS))(
        layers.weight, mean, variance
    ).argmin(dim=-1)
    scores = brute_force.scores(layers)
    like = {name: int((printed == score.argmin(-1)).sum()) for name, score in scores.items()}
    return Decided(
        "eq12-estimates-eq9",
        THEORY,
        f"of {TOKENS:,} tokens, Eq. 12 to the letter chooses the weight of Eq. 9 in every output",
        f"{like['without_bias']:,} of {printed.numel():,}; STD's weight in {like['std']:,}",
        held(like["without_bias"] == printed.numel()),
    )
