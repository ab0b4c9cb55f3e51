"""The lines that Eqs. 3–9 display, as text that `symbolic` both shows and computes with.

E(·) is an expectation, Gauss(·) the same over the normal density, D(·) the derivative by B*,
Root(·) the B* where something is zero. Bn is B*. X_j is the input whose weight goes, X_i another
one; S_1 to S_3 are independent draws of X_j, N is a number of draws.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

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
        ("((S_1 - mu_j)**2 + (S_2 - mu_j)**2)/(2 - 1)", "(S_1**2 + S_2**2)/(2 - 1)"),
        {"mu_j": "0"},
    ),
    Chain(
        "Eq. 5, N = 3",
        (
            "((S_1 - mu_j)**2 + (S_2 - mu_j)**2 + (S_3 - mu_j)**2)/(3 - 1)",
            "(S_1**2 + S_2**2 + S_3**2)/(3 - 1)",
        ),
        {"mu_j": "0"},
    ),
    Chain("Eq. 5, expectation, N = 2", ("E((S_1 - mu_j)**2 + (S_2 - mu_j)**2)/(2 - 1)",
                                        "2*sigma_j**2/(2 - 1)")),
    Chain("Eq. 5, expectation, any N", ("N*E((X_j - mu_j)**2)/(N - 1)",
                                        "N*sigma_j**2/(N - 1)")),
    Chain("Eq. 6, squared", ("(sigma_j*Abs(W_j))**2", "sigma_j**2*W_j**2")),
    Chain(
        "Eq. 6, squared, N = 2",
        ("(sqrt((S_1**2 + S_2**2)/(N - 1))*Abs(W_j))**2",
         "(sqrt(S_1**2 + S_2**2)*Abs(W_j))**2/(N - 1)"),
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
            (2, "(S_1 - (S_1 + S_2)/2)**2 + (S_2 - (S_1 + S_2)/2)**2"),
            (3, " + ".join(f"(S_{n} - (S_1 + S_2 + S_3)/3)**2" for n in (1, 2, 3))),
        )
    ),
    Chain("Eq. 9", ("E((B - Bn + X_j*W_j)**2)", LOSS, "(sigma_j**2 + mu_j**2)*W_j**2"),
          {"Bn": "B"}),
    Chain(
        "two weights",
        (
            "E((B - Bn + X_i*W_i + X_j*W_j)**2)",
            "(B - Bn + W_i*mu_i + W_j*mu_j)**2"
            " + sigma_i**2*W_i**2 + sigma_j**2*W_j**2 + 2*C_ij*W_i*W_j",
        ),
    ),
    Chain(
        "two weights, root",
        ("Root(D(E((B - Bn + X_i*W_i + X_j*W_j)**2)))", "B + W_i*mu_i + W_j*mu_j"),
    ),
)  # fmt: skip
