"""Methods beyond the paper, by name: importing this makes them known wherever methods are.

Metric × compensation: `wanda`, `wanda_with_bias`, `wanda_linear`, `wanda_affine`, and so on. Where
Eq. 7 helps: `wanda_bias_v` is Wanda everywhere, corrected in v_proj alone. Newer methods: `ria`,
`symwanda`, `nowag`, `dsnot`, `greedy` (which knows covariances), each also `…_with_bias`; `rose`.
Which inputs are centred: `stade_by_measurement`, and `stade_swapped`, the opposite of STADE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stade_nb.beyond import choice, dsnot, greedy, refit, rose, scores
from stade_nb.errors import StadeError
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import BEYOND, METHODS, Method, Treatment
from stade_nb.numerics.metrics import METRICS, Needs

# The rungs of the ladder, each metric's methods on them, from what may change least to most.
RUNGS = ("none", "bias", "linear", "affine")
LADDER = {
    "magnitude": ("magnitude", "magnitude_with_bias", "magnitude_linear", "magnitude_affine"),
    "wanda": ("wanda", "wanda_with_bias", "wanda_linear", "wanda_affine"),
    "std": ("std_without_correction", "std", "std_linear", "std_affine"),
}
# Layer types by what they do, by their last part; the second names are OPT's.
PLACES = {
    "qk": ("q_proj", "k_proj"),
    "v": ("v_proj",),
    "o": ("o_proj", "out_proj"),
    "gate_up": ("gate_proj", "up_proj", "fc1"),
    "down": ("down_proj", "fc2"),
}
# What a treatment's `finish` does, in a few words; {} is the metric that chooses before it.
FINISHES = {
    refit.linear: "{}, kept weights refitted by least squares",
    refit.affine: "{}, kept weights and bias refitted by least squares",
    dsnot.without_correction: "{}, then swaps towards each row's mean output",
    dsnot.with_correction: "{}, then swaps towards each row's mean output, then bias correction",
    greedy.without_correction: "one weight after the other, by E[x xᵀ]",
    greedy.with_correction: "one weight after the other, by the covariance, then bias correction",
    rose.updated: "sparsegpt, with the columns in another order where their losses differ much",
    choice.chosen: "wanda where inputs measure as centred, std with bias correction elsewhere",
}
_WORDS = {"qk": "q and k", "gate_up": "gate and up", "qk_o_gate_up": "q, k, o, gate and up"}


@dataclass(frozen=True)
class ByType(Method):
    """A method for the layer `types` named, by their last part; on all others as `elsewhere`."""

    types: frozenset[str] = frozenset()
    elsewhere: Method | None = None

    def of(self, layer_type: str) -> Method:
        """The method that layers of a type ("self_attn.q_proj") are pruned by."""
        return self if layer_type.rpartition(".")[2] in self.types else self.elsewhere


@dataclass(frozen=True)
class OfRows(Method):
    """A method that goes through single rows, so that a whole layer's weights cannot compete."""

    def pattern(self, pattern: str | float | Pattern, scope: str | None = None) -> Pattern:
        """As of every method; StadeError for a share of a whole layer."""
        parsed = super().pattern(pattern, scope)
        if parsed.m is None and parsed.scope != "row":
            raise StadeError(
                f"method {self.name!r} with pattern {parsed} of a whole {parsed.scope}: its order "
                "is of single rows; take scope 'row', or leave the scope out"
            )
        return parsed


def done(chosen: Method) -> str:
    """What a method does to which layers: a metric and Eq. 7, or the words of its `finish`."""
    behind, elsewhere = (
        FINISHES.get(each.finish, "{}" + " with bias correction" * each.corrects).format(
            each.metric.name
        )
        for each in (chosen.centred, chosen.uncentred)
    )
    where = behind if behind == elsewhere else f"{behind} behind a norm, {elsewhere} elsewhere"
    if isinstance(chosen, ByType):  # whose title names the layer types
        where += f" there, {done(chosen.elsewhere)} elsewhere"
    return where


def _refitted(metric: str) -> Iterator[Method]:
    """The linear and the affine rung of a metric; cross products are gathered for them."""
    plain = METHODS[LADDER[metric][0]]
    scored = replace(METRICS[metric], needs=Needs.GRAM)
    for rung, name, finish in zip(
        RUNGS[2:], LADDER[metric][2:], (refit.linear, refit.affine), strict=True
    ):
        treatment = Treatment(scored, corrects=rung == "affine", finish=finish)
        title = f"{METHODS[metric].title.removesuffix(' metric')} + {rung} refit"
        yield replace(
            plain, name=name, title=title, centred=treatment, uncentred=treatment,
            updates_weights=True,
        )  # fmt: skip


def _corrected_in(place: str, types: tuple[str, ...]) -> Method:
    """Wanda with Eq. 7 in layers of these types alone."""
    whole = METHODS["wanda_with_bias"]
    return ByType(
        f"wanda_bias_{place}", f"Wanda + bias correction in {_WORDS.get(place, place)}",
        whole.centred, whole.uncentred, types=frozenset(types), elsewhere=METHODS["wanda"],
    )  # fmt: skip


def _newer() -> Iterator[Method]:
    """RIA, SymWanda, NoWag-P, DSnoT, the greedy order, by themselves and with Eq. 7 behind; ROSE.

    RIA and NoWag-P take a share from the whole layer, as their public code does.
    """
    for name, title, metric, scope in (
        ("ria", "RIA", scores.RIA, "layer"),
        ("symwanda", "SymWanda", scores.SYMWANDA, "row"),
        ("nowag", "NoWag-P", scores.NOWAG, "layer"),
    ):
        for name_, title_, corrects in _with_and_without(name, title):
            treatment = Treatment(metric, corrects)
            yield Method(name_, title_, treatment, treatment, scope=scope)
    for name, title, metric, made in (
        ("dsnot", "DSnoT", METRICS["wanda"], dsnot),
        ("greedy", "Greedy with covariances", replace(METRICS["wanda"], needs=Needs.GRAM), greedy),
    ):
        finishes = (made.without_correction, made.with_correction)
        for (name_, title_, corrects), finish in zip(
            _with_and_without(name, title), finishes, strict=True
        ):
            treatment = Treatment(metric, corrects, finish)
            kind = OfRows if made is greedy else Method
            yield kind(name_, title_, treatment, treatment)
    reordered = Treatment(replace(METRICS["wanda"], needs=Needs.GRAM), finish=rose.updated)
    yield Method("rose", "ROSE", reordered, reordered, updates_weights=True)


def _centred() -> Iterator[Method]:
    """STADE by measurement, and with what it does behind a norm and elsewhere swapped."""
    stade = METHODS["stade"]
    measured = Treatment(choice.METRIC, corrects=True, finish=choice.chosen)
    yield Method("stade_by_measurement", "STADE by measurement", measured, measured)
    yield Method("stade_swapped", "STADE, swapped", stade.uncentred, stade.centred)


def _with_and_without(name: str, title: str) -> list[tuple[str, str, bool]]:
    return [(name, title, False), (f"{name}_with_bias", f"{title} + bias correction", True)]


def _rows() -> Iterator[Method]:
    magnitude = Treatment(METRICS["magnitude"], corrects=True)
    yield replace(
        METHODS["magnitude"], name="magnitude_with_bias", title="Magnitude + bias correction",
        centred=magnitude, uncentred=magnitude,
    )  # fmt: skip
    for metric in LADDER:
        yield from _refitted(metric)
    for place, types in PLACES.items():
        yield _corrected_in(place, types)
    few = ("qk", "o", "gate_up")
    yield _corrected_in("qk_o_gate_up", tuple(t for place in few for t in PLACES[place]))
    yield from _newer()
    yield from _centred()


BEYOND.update({row.name: row for row in _rows()})
