"""The algebra of Eqs. 3 and 6–9 redone by SymPy, from the distribution up."""

import sympy
from sympy.stats import E, Normal


def steps() -> list[tuple[str, str, bool]]:
    """(equation, what was derived, whether it equals the printed form) for Eqs. 3 and 6–9.

    The expectation is integrated over the normal density; nothing of the paper's algebra is used.
    """
    b, new, w, mu = sympy.symbols("B B_new W mu", real=True)
    sigma = sympy.symbols("sigma", positive=True)
    x = Normal("X", mu, sigma)
    loss = sympy.expand(E(sympy.expand((b - new + x * w) ** 2)))
    (best,) = sympy.solve(sympy.diff(loss, new), new)
    printed_loss = (b - new) ** 2 + 2 * (b - new) * mu * w + (sigma**2 + mu**2) * w**2
    derived = [
        ("Eq. 3", loss, printed_loss),
        ("Eq. 6, μ = 0 and B* = B", loss.subs({mu: 0, new: b}), sigma**2 * w**2),
        ("Eq. 7, derivative", sympy.diff(loss, new), -2 * (b - new) - 2 * mu * w),
        ("Eq. 7, root", best, mu * w + b),
        ("Eq. 8, at the root", loss.subs(new, best), sigma**2 * w**2),
        ("Eq. 9, B* = B", loss.subs(new, b), (sigma**2 + mu**2) * w**2),
    ]
    return [
        (name, _plain(left), sympy.simplify(left - right) == 0) for name, left, right in derived
    ]


def _plain(expression: sympy.Expr) -> str:
    text = str(sympy.factor(expression))
    for ugly, plain in (
        ("-", "−"),
        ("**2", "²"),
        ("*", " "),
        ("B_new", "B*"),
        ("mu", "μ"),
        ("sigma", "σ"),
    ):
        text = text.replace(ugly, plain)
    return text
