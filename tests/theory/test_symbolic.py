"""Every displayed line is confirmed, and a line with any one number or sign changed is not."""

import pytest

from stade_book.theory import symbolic
from stade_nb.errors import StadeError


def test_every_step_is_confirmed():
    table = symbolic.table()
    assert table["confirmed"].all()
    assert len(table) == sum(len(chain.lines) - 1 for chain in symbolic.CHAINS)
    names = {name.split(",")[0] for name in table["equation"]}
    assert names == {*(f"Eq. {n}" for n in range(3, 10)), "two weights"}


def test_a_table_has_the_steps_asked_for():
    assert set(symbolic.table("Eq. 8", "Eq. 7")["equation"].str[:5]) == {"Eq. 7", "Eq. 8"}
    assert len(symbolic.table("Eq. 3")) == 2 + 4  # two moments, four equality signs
    with pytest.raises(StadeError, match="equation"):
        symbolic.table("Eq. 13")


# (equation, which line, what is changed in it, into what, which of the chain's steps break).
CHANGES = [
    ("Eq. 3, moments", 0, "X_j**2", "2*X_j**2", [0]),
    ("Eq. 3", 0, "X_j*0", "X_j*1", [0]),
    ("Eq. 3", 1, "+ X_j*W_j", "- X_j*W_j", [0, 1]),
    ("Eq. 3", 2, "+ 2*", "+ ", [1, 2]),
    ("Eq. 3", 3, "E(X_j*W_j)", "E(X_i*W_j)", [2, 3]),
    ("Eq. 3", 4, "sigma_j**2 + mu_j**2", "sigma_j**2", [3]),
    ("Eq. 4, best bias", 1, "B", "B + W_j", [0]),
    ("Eq. 4", 0, "sigma_j**2", "2*sigma_j**2", [0]),
    ("Eq. 4", 1, "0**2 +", "1**2 +", [0, 1]),
    ("Eq. 5, N = 2", 1, "x_2**2", "x_1*x_2", [0]),
    ("Eq. 5, N = 3", 0, "(x_3 - mu_j)", "(x_3 - 1)", [0]),
    ("Eq. 5, expectation, N = 2", 1, "2*sigma_j**2", "sigma_j**2", [0]),
    ("Eq. 5, expectation, any N", 1, "N*sigma", "sigma", [0]),
    ("Eq. 6, squared", 0, "Abs(W_j)", "Abs(W_j + 1)", [0]),
    ("Eq. 6, squared, N = 2", 1, "/(N - 1)", "/N", [0]),
    ("Eq. 7", 1, "+ 2*(B", "+ 3*(B", [0, 1]),
    ("Eq. 7", 2, "- 2*mu_j", "+ 2*mu_j", [1]),
    ("Eq. 7, root", 1, "+ B", "- B", [0]),
    ("Eq. 7, convex", 1, "2", "3", [0]),
    ("Eq. 8", 1, "(mu_j*W_j + B))**2", "(mu_j*W_j - B))**2", [0, 1]),
    ("Eq. 8", 2, "- 2*", "+ 2*", [1, 2]),
    ("Eq. 8", 3, "sigma_j**2", "sigma_j", [2]),
    ("Eq. 8, expectation, N = 2", 0, "/(2 - 1)", "/2", [0]),
    ("Eq. 8, expectation, N = 3", 0, "/3)**2 + (x_2", "/2)**2 + (x_2", [0]),
    ("Eq. 9", 1, "mu_j**2", "mu_j", [0, 1]),
    ("Eq. 9", 2, "+ mu_j**2", "- mu_j**2", [1]),
    ("two weights", 1, "2*Sigma_ij", "Sigma_ij", [0]),
    ("two weights, root", 1, "W_i*mu_i", "W_i*mu_j", [0]),
]


@pytest.mark.parametrize(("equation", "line", "old", "new", "broken"), CHANGES)
def test_a_changed_line_breaks_the_steps_beside_it(equation, line, old, new, broken):
    (chain,) = [c for c in symbolic.CHAINS if c.equation == equation and old in c.lines[line]]
    changed = chain.lines[line].replace(old, new, 1)
    assert changed != chain.lines[line]
    lines = (*chain.lines[:line], changed, *chain.lines[line + 1 :])
    confirmed = [step.confirmed for step in symbolic.confirm(chain._replace(lines=lines))]
    assert [n for n, holds in enumerate(confirmed) if not holds] == broken


def test_every_chain_has_a_changed_line():
    assert {change[0] for change in CHANGES} == {chain.equation for chain in symbolic.CHAINS}


def test_what_is_given_is_needed_and_shown():
    (chain,) = [c for c in symbolic.CHAINS if c.equation == "Eq. 4"]
    assert not any(step.confirmed for step in symbolic.confirm(chain._replace(given={}))[:1])
    assert r"with } B^{*} = \mu_{j} W_{j} + B\end" in symbolic.table("Eq. 8")["step"][0]
    assert not symbolic.table("Eq. 3")["step"].str.contains("with").any()
