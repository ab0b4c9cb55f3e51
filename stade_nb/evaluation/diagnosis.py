"""Why a perplexity is not the expected one: probable causes, by size, sign and what is known.

Two numbers say most. With d and p for the perplexity of the unpruned and of the pruned model,
expected and found (primed), r_d = log(d'/d) and r_p = log(p'/p). What is done to the *pruning*
leaves r_d at 0; what is done to the *measuring* moves both. An evaluation that divides the same
loss by another number of units (words in place of tokens) multiplies both logarithms by one factor
c = log d' / log d = log p' / log p. Causes that two numbers cannot tell apart are all named.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, log

from stade_nb import paths
from stade_nb.errors import StadeError, unknown
from stade_nb.models import papers_model
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import BEYOND, METHODS, method

KNOWN = paths.DATA / "known_numbers.csv"
DENSE = "dense"
SAME = 0.005  # a difference of other hardware, number format or rounding of what is printed
PRINTED = 0.0015  # a number with two decimals that is the same number


@dataclass(frozen=True)
class Numbers:
    """Perplexities of one model: pruned, and unpruned where it is known."""

    pruned: float
    dense: float | None = None

    def __post_init__(self):
        for value in filter(lambda one: one is not None, (self.pruned, self.dense)):
            if not isfinite(value) or value <= 1:
                raise StadeError(f"perplexity {value}: expected a number above 1")


@dataclass(frozen=True)
class Shift:
    """From the expected to the found: logarithms of the ratios, and factors of the logarithms."""

    method: str
    pruned: float
    factor: float
    dense: float | None
    dense_factor: float | None

    @classmethod
    def between(cls, method: str, expected: Numbers, found: Numbers) -> "Shift":
        """dense is None where one of the two has no unpruned perplexity."""
        both = expected.dense is not None and found.dense is not None
        return cls(
            method,
            log(found.pruned / expected.pruned),
            log(found.pruned) / log(expected.pruned),
            log(found.dense / expected.dense) if both else None,
            log(found.dense) / log(expected.dense) if both else None,
        )

    @property
    def in_pruning(self) -> bool:
        """Whether the unpruned model is as expected, or nothing is known of it."""
        return self.dense is None or abs(self.dense) <= SAME

    @property
    def together(self) -> bool:
        """Whether both moved to the same side, the pruned one at least half and at most twice."""
        return self.dense is None or 0.5 <= self.pruned / (self.dense or 1e-9) <= 2


# Each rule: how well a shift fits, 0 for best; None where it does not.
def _words(s: Shift) -> float | None:
    one = s.dense_factor if s.dense_factor is not None else s.factor
    apart = abs(s.factor / one - 1)
    return apart if one >= 1.15 and apart <= 0.08 else None


def _window(s: Shift) -> float | None:
    one = s.pruned if s.dense is None else s.dense
    if s.dense is not None and s.in_pruning:
        return None
    return 0.1 + abs(one) if s.together and SAME < abs(one) <= 0.5 else None


def _bos(s: Shift) -> float | None:
    if s.dense is None:
        return 0.8 if s.pruned > SAME else None
    if s.in_pruning or s.dense < 0 or s.pruned < -SAME:
        return None
    return 0.15 + abs(s.dense) / 4 if abs(s.dense) <= 0.5 else 0.3


def _tokenizer(s: Shift) -> float | None:
    if s.dense is None:
        return 0.6 if abs(s.pruned) > 0.5 else None
    return None if s.in_pruning else 0.2 if abs(s.dense) > 0.5 else 0.7


def _text(s: Shift) -> float | None:
    return None if s.dense is not None and s.in_pruning else 0.5


def _calibrated(s: Shift) -> bool:
    return s.method not in (DENSE, "magnitude", "random")


def _calibration(s: Shift) -> float | None:
    fits = _calibrated(s) and s.in_pruning and -0.2 <= s.pruned < -SAME / 2
    return abs(s.pruned) if fits else None


def _competition(s: Shift) -> float | None:
    if s.method == DENSE:
        return None
    if s.in_pruning:
        return 0.1 if abs(s.pruned) > SAME / 2 else None
    # Both causes at once: the pruned model moved much farther than the unpruned one, or less.
    return 0.4 if abs(s.pruned - s.dense) > 0.1 else None


def _correction(s: Shift) -> float | None:
    row = (METHODS | BEYOND).get(s.method)
    fits = row is not None and row.corrects and s.in_pruning and s.pruned > SAME / 2
    return 0.05 if fits else None


def _other_calibration(s: Shift) -> float | None:
    fits = _calibrated(s) and s.in_pruning and SAME / 2 < abs(s.pruned) <= 0.2
    return 0.2 if fits else None


@dataclass(frozen=True)
class Cause:
    """A probable cause: what was done, how to see whether it was, and how well numbers fit it."""

    name: str
    what: str
    check: str
    misfit: Callable[[Shift], float | None]


CAUSES = {
    cause.name: cause
    for cause in (
        Cause("words", "a perplexity per word and not per token",
              "divide the loss by tokens; word_perplexity of lm-evaluation-harness is per word",
              _words),
        Cause("window", "another window length",
              "the paper's is 2048 tokens, calibration too; longer is lower", _window),
        Cause("bos", "no token for the beginning of the text where the model expects one, or one "
              "too many", "compare with and without it on the unpruned model", _bos),
        Cause("tokenizer", "another tokenizer than the model's, or weights that were not loaded",
              "decode a window of ids; read the loader's warnings", _tokenizer),
        Cause("text", "another evaluation text, or another way to join its lines",
              "hash the evaluation ids; WikiText-2's lines are joined by two line ends", _text),
        Cause("calibration", "calibration on the evaluation text",
              "the paper calibrates on C4; the evaluation text flatters a method", _calibration),
        Cause("competition", "weights of a whole matrix compete, or those of each row",
              "--scope row or layer; magnitude takes the matrix, Wanda and STADE the row",
              _competition),
        Cause("correction", "biases that were not added, or were lost when the model was saved",
              "look for biases in the checkpoint; see attention_bias and mlp_bias in its config",
              _correction),
        Cause("other calibration", "other calibration windows: text, seed, number or length",
              "128 windows of C4; run three seeds to see how far they differ", _other_calibration),
    )
}  # fmt: skip


def expected(model: str, method_name: str, pattern: str) -> Numbers | None:
    """What Table 3 prints, by the paper's protocol; None where it has no such cell."""
    rows = [row for row in _table3() if row["model"] == _papers_name(model)]
    cells = {(_plain(row["method"]), _pattern(row["sparsity"])): float(row["perplexity"])
             for row in rows}  # fmt: skip
    pruned = cells.get((method_name, _pattern(pattern)))
    return None if pruned is None else Numbers(pruned, cells.get((DENSE, DENSE)))


def _table3() -> list[dict]:
    with (paths.DATA / "paper" / "table3.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _papers_name(model: str) -> str:
    """What the paper calls a model, which may be named by its id of the hub."""
    return papers_model(model) or model.lower()


def _plain(name: str) -> str:
    return next((key for key, one in METHODS.items() if one.title == name), name.lower())


def _pattern(text: str) -> str:
    return DENSE if text in (DENSE, "0%") else str(parse_pattern(text))


def known(model: str, method_name: str, pattern: str, perplexity: float) -> list[dict]:
    """Numbers that others have reported for this cell and that this one is, to two decimals."""
    with KNOWN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cell = _papers_name(model), method_name, _pattern(pattern)
    return [
        row
        for row in rows
        if (row["model"], row["method"], _pattern(row["pattern"])) == cell
        and abs(log(perplexity / float(row["perplexity"]))) <= PRINTED
    ]


def causes(method_name: str, wanted: Numbers, found: Numbers) -> list[Cause]:
    """Causes that fit, the best first; none where the numbers agree."""
    shift = Shift.between(method_name, wanted, found)
    if max(abs(shift.pruned), abs(shift.dense or 0)) <= SAME / 2:
        return []
    fits = {name: cause.misfit(shift) for name, cause in CAUSES.items()}
    ranked = sorted((fit, name) for name, fit in fits.items() if fit is not None)
    return [CAUSES[name] for _, name in ranked]


def text(model: str, method_name: str, pattern: str, found: Numbers, wanted: Numbers | None) -> str:
    """The diagnosis in words: what was expected, what is known, what is probable.

    StadeError where nothing is expected: neither given nor known.
    """
    chosen = DENSE if method_name == DENSE else method(method_name).name
    if chosen == DENSE:
        found = Numbers(found.pruned, found.pruned)
    wanted = wanted or expected(model, chosen, pattern)
    if chosen == DENSE and wanted is not None:
        wanted = Numbers(wanted.pruned, wanted.pruned)
    said = [f"{model}, {chosen}, {pattern}: {found.pruned:g} found"]
    matches = known(model, chosen, pattern, found.pruned)
    said += [f"  known: {row['perplexity']} has been reported: {row['how']}" for row in matches]
    if wanted is None:
        if not matches:
            raise _not_printed(model, chosen, pattern)
        return "\n".join(said)
    change = found.pruned / wanted.pruned - 1
    said[0] += f", {wanted.pruned:g} expected: {change:+.1%}"
    if found.dense is not None and wanted.dense is not None:
        said[0] += f"; unpruned {found.dense:g}, {wanted.dense:g} expected"
    named = {row["cause"] for row in matches}
    ranked = causes(chosen, wanted, found)
    ranked = sorted(ranked, key=lambda cause: cause.name not in named)
    if not ranked:
        said.append("  no difference to explain: other hardware or rounding gives as much")
    for number, cause in enumerate(ranked, 1):
        said += [f"  {number}. {cause.what}", f"     {cause.check}"]
    if found.dense is None or wanted.dense is None:
        said.append(
            "  Measure the unpruned model in the same way (--dense): if it is as expected, the "
            "cause is in the pruning, else in the evaluation"
        )
    return "\n".join(said)


def _not_printed(model: str, method_name: str, pattern: str) -> StadeError:
    """The error for a cell that Table 3 does not have, and nobody has said what is expected."""
    models = list(dict.fromkeys(row["model"] for row in _table3()))
    if _papers_name(model) not in models:
        said = unknown("model", model, models)
        return StadeError(f"{said}; for one that is not in Table 3 give a number with --expected")
    return StadeError(
        f"no expected perplexity of {model}, {method_name}, {pattern} is known (Table 3 has the "
        "paper's models, methods and patterns): give one with --expected"
    )
