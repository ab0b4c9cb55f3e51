"""The algebra of Eqs. 3–9 redone by SymPy: every displayed line against the one before it.

What is shown on the pages is the text that was computed with, see `CHAINS`. An expectation
is worked out from the moments of the inputs alone; that a normal input has these moments is an
integral of its own. "two weights" is the step beyond Eq. 2 of the page on many weights.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import pandas
import sympy
from sympy import Expr, Function, Symbol
from sympy.stats import E as expectation_of_normal
from sympy.stats import Normal

from stade_nb.errors import unknown

# The lines that Eqs. 3–9 display. E(·) is an expectation, Gauss(·) the same over the normal
# density, D(·) the derivative by B*, Root(·) the B* where something is zero. Bn is B*. X_j is the
# input whose weight goes, X_i another one; x_1 to x_3 are independent draws of X_j, N their number.
LOSS = "(B - Bn)**2 + 2*(B - Bn)*mu_j*W_j + (sigma_j**2 + mu_j**2)*W_j**2"
ROOT = "mu_j*W_j + B"


class Chain(NamedTuple):
    """Displayed lines, each equal to the next; `given` is put in for symbols of all of them."""

    equation: str
    lines: tuple[str, ...]
    given: Mapping[str, str] = MappingProxyType({})


CHAINS = (
    Chain("Eq. 3, moments", ("Gauss(X_j)", "mu_j")),
    Chain("Eq. 3, moments", ("Gauss(X_j**2)", "sigma_j**2 + mu_j**2")),
    Chain(
        "Eq. 3",
        (
            "E((B + X_i*W_i + X_j*W_j - (Bn + X_i*W_i + X_j*0))**2)",
            "E(((B - Bn) + X_j*W_j)**2)",
            "E((B - Bn)**2 + 2*(B - Bn)*(X_j*W_j) + (X_j*W_j)**2)",
            "(B - Bn)**2 + 2*(B - Bn)*E(X_j*W_j) + E((X_j*W_j)**2)",
            LOSS,
        ),
    ),
    Chain("Eq. 4, best bias", (f"Root(D({LOSS}))", "B"), {"mu_j": "0"}),
    Chain(
        "Eq. 4",
        (LOSS, "0**2 + 2*0*mu_j*W_j + sigma_j**2*W_j**2", "sigma_j**2*W_j**2"),
        {"mu_j": "0", "Bn": "B"},
    ),
    Chain(
        "Eq. 5, N = 2",
        ("((x_1 - mu_j)**2 + (x_2 - mu_j)**2)/(2 - 1)", "(x_1**2 + x_2**2)/(2 - 1)"),
        {"mu_j": "0"},
    ),
    Chain(
        "Eq. 5, N = 3",
        (
            "((x_1 - mu_j)**2 + (x_2 - mu_j)**2 + (x_3 - mu_j)**2)/(3 - 1)",
            "(x_1**2 + x_2**2 + x_3**2)/(3 - 1)",
        ),
        {"mu_j": "0"},
    ),
    Chain("Eq. 5, expectation, N = 2", ("E((x_1 - mu_j)**2 + (x_2 - mu_j)**2)/(2 - 1)",
                                        "2*sigma_j**2/(2 - 1)")),
    Chain("Eq. 5, expectation, any N", ("N*E((X_j - mu_j)**2)/(N - 1)",
                                        "N*sigma_j**2/(N - 1)")),
    Chain("Eq. 6, squared", ("(sigma_j*Abs(W_j))**2", "sigma_j**2*W_j**2")),
    Chain(
        "Eq. 6, squared, N = 2",
        ("(sqrt((x_1**2 + x_2**2)/(N - 1))*Abs(W_j))**2",
         "(sqrt(x_1**2 + x_2**2)*Abs(W_j))**2/(N - 1)"),
    ),
    Chain("Eq. 7", ("D(E((B - Bn + X_j*W_j)**2))", f"D({LOSS})", "-2*(B - Bn) - 2*mu_j*W_j")),
    Chain("Eq. 7, root", ("Root(-2*(B - Bn) - 2*mu_j*W_j)", ROOT)),
    Chain("Eq. 7, convex", ("D(D(E((B - Bn + X_j*W_j)**2)))", "2")),
    Chain(
        "Eq. 8",
        (
            LOSS,
            f"(B - ({ROOT}))**2 + 2*(B - ({ROOT}))*mu_j*W_j + (sigma_j**2 + mu_j**2)*W_j**2",
            "(mu_j*W_j)**2 - 2*(mu_j*W_j)*mu_j*W_j + (sigma_j**2 + mu_j**2)*W_j**2",
            "sigma_j**2*W_j**2",
        ),
        {"Bn": ROOT},
    ),
    *(
        Chain(f"Eq. 8, expectation, N = {count}", (f"E({text})/({count} - 1)", "sigma_j**2"))
        for count, text in (
            (2, "(x_1 - (x_1 + x_2)/2)**2 + (x_2 - (x_1 + x_2)/2)**2"),
            (3, " + ".join(f"(x_{n} - (x_1 + x_2 + x_3)/3)**2" for n in (1, 2, 3))),
        )
    ),
    Chain("Eq. 9", ("E((B - Bn + X_j*W_j)**2)", LOSS, "(sigma_j**2 + mu_j**2)*W_j**2"),
          {"Bn": "B"}),
    Chain(
        "two weights",
        (
            "E((B - Bn + X_i*W_i + X_j*W_j)**2)",
            "(B - Bn + W_i*mu_i + W_j*mu_j)**2"
            " + sigma_i**2*W_i**2 + sigma_j**2*W_j**2 + 2*Sigma_ij*W_i*W_j",
        ),
    ),
    Chain(
        "two weights, root",
        ("Root(D(E((B - Bn + X_i*W_i + X_j*W_j)**2)))", "B + W_i*mu_i + W_j*mu_j"),
    ),
)  # fmt: skip


class Step(NamedTuple):
    """One equality sign: its equation, whether it is one, and what was compared (LaTeX)."""

    equation: str
    confirmed: bool
    step: str


def _shown(name: str, before: str) -> type[Function]:
    def _latex(self, printer, **_):
        return rf"{before}\left[{printer._print(self.args[0])}\right]"

    return type(name, (Function,), {"_latex": _latex})


_E = _shown("E", r"\mathbb{E}")
_GAUSS = _shown("Gauss", r"\mathbb{E}_{X_j \sim \mathcal{N}(\mu_j, \sigma_j^2)}")
_D = _shown("D", r"\tfrac{\partial}{\partial B^*}")
_ROOT = _shown("Root", r"\operatorname{root}_{B^*}")

_SYMBOLS = {
    name: Symbol(name, real=True)
    for name in ["B", "W_i", "W_j", "X_i", "X_j", "mu_i", "mu_j", "Sigma_ij", "x_1", "x_2", "x_3"]
} | {
    "Bn": Symbol("B^*", real=True),
    "N": Symbol("N", integer=True, positive=True),
    "sigma_i": Symbol("sigma_i", positive=True),
    "sigma_j": Symbol("sigma_j", positive=True),
}
_FUNCTIONS = {"E": _E, "Gauss": _GAUSS, "D": _D, "Root": _ROOT}
# Whose mean and standard deviation a random symbol has.
_FEATURE = {"X_i": "i", "X_j": "j", "x_1": "j", "x_2": "j", "x_3": "j"}


def _parsed(text: str) -> Expr:
    return sympy.parse_expr(text, local_dict=_SYMBOLS | _FUNCTIONS, evaluate=False)


def _moment(powers: dict[str, int]) -> Expr:
    """E of a product of random symbols, of degree two at most, by the moments."""
    names = [name for name, power in powers.items() for _ in range(power)]
    mean = [_SYMBOLS[f"mu_{_FEATURE[name]}"] for name in names]
    if len(names) < 2:
        return sympy.prod(mean)
    first, second = names
    if first == second:
        covariance = _SYMBOLS[f"sigma_{_FEATURE[first]}"] ** 2
    else:  # draws are independent, two inputs of a layer need not be
        covariance = _SYMBOLS["Sigma_ij"] if {first, second} == {"X_i", "X_j"} else 0
    return mean[0] * mean[1] + covariance


def _expectation(expression: Expr) -> Expr:
    """E of a polynomial of degree two in the random symbols: linear, and moments for the rest."""
    names = list(_FEATURE)
    polynomial = sympy.Poly(sympy.expand(expression), *(_SYMBOLS[name] for name in names))
    return sum(
        coefficient * _moment(dict(zip(names, powers, strict=True)))
        for powers, coefficient in polynomial.terms()
    )


def _integral(expression: Expr) -> Expr:
    """E of `expression` in X_j, integrated over the normal density."""
    mean, std = _SYMBOLS["mu_j"], _SYMBOLS["sigma_j"]
    drawn = expression.subs(_SYMBOLS["X_j"], Normal("X", mean, std))
    return sympy.simplify(expectation_of_normal(drawn))


def _root(expression: Expr) -> Expr:
    (found,) = sympy.solve(expression, _SYMBOLS["Bn"])
    return found


_MEANING = {
    _E: _expectation,
    _GAUSS: _integral,
    _D: lambda expression: sympy.diff(expression, _SYMBOLS["Bn"]),
    _ROOT: _root,
}


def _computed(expression: Expr) -> Expr:
    """`expression` with its functions worked out, inner ones first."""
    arguments = [_computed(part) for part in expression.args]
    if type(expression) in _MEANING:
        return _MEANING[type(expression)](*arguments)
    return expression.func(*arguments) if arguments else expression


def confirm(chain: Chain) -> list[Step]:
    """A step for each equality sign of `chain`: computed on both sides, then subtracted.

    What is given is put in after expectations, derivatives and roots were taken.
    """
    parsed = [_parsed(line) for line in chain.lines]
    given = {_SYMBOLS[name]: _parsed(value) for name, value in chain.given.items()}
    values = [_computed(line).subs(given) for line in parsed]
    names = [_latex(line) for line in parsed]
    where = r",\; ".join(f"{_latex(name)} = {_latex(value)}" for name, value in given.items())
    last = rf" \\ \quad\text{{with }} {where}" if where else ""
    return [
        Step(
            chain.equation,
            sympy.simplify(values[n] - values[n + 1]) == 0,
            rf"\small\begin{{array}}{{l}}{names[n]} \\ \quad = {names[n + 1]}{last}\end{{array}}",
        )
        for n in range(len(parsed) - 1)
    ]


def _latex(expression: Expr) -> str:
    return sympy.latex(expression, order="none")


@cache
def _steps() -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for chain in CHAINS:
        found.setdefault(chain.equation.split(",")[0], []).extend(confirm(chain))
    return found


def table(*equations: str) -> pandas.DataFrame:
    """A row for each step of `equations`, such as "Eq. 3" with all its parts; else of all of them.

    Columns: equation, confirmed, step (LaTeX, with what is given). StadeError for another equation.
    """
    known = _steps()
    for name in equations:
        if name not in known:
            raise unknown("equation", name, known)
    rows = [step for name in equations or known for step in known[name]]
    return pandas.DataFrame(rows, columns=Step._fields)
