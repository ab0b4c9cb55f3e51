"""The rules by theory, on made-up data: each with what supports and what contradicts it."""

import pandas
import pytest

from stade_book.claims import theory
from stade_book.claims.verdicts import CONTRADICTED, MIXED, SUPPORTED


def agreed(**short: int) -> pandas.DataFrame:
    """100 outputs; `short` by metric_bias, such as wanda_refitted=3: so many chosen otherwise."""
    rows = [
        (metric, refit, 100, 100 - short.get(f"{metric}_{'refitted' if refit else 'kept'}", 0))
        for metric in ("wanda", "std", "without_bias")
        for refit in (True, False)
    ]
    return pandas.DataFrame(rows, columns=["metric", "refit", "outputs", "agree"])


def ledger(*fails: str) -> pandas.DataFrame:
    equations = ["Eq. 3", "Eq. 4", "Eq. 7", "Eq. 7", "Eq. 8", "Eq. 9"]
    return pandas.DataFrame({"equation": equations, "holds": [e not in fails for e in equations]})


def drawn(**furthest: float) -> pandas.DataFrame:
    names = {f"Eq. {n}, loss": furthest.get(f"eq{n}", 1.0) for n in (3, 7, 8, 9)}
    return pandas.DataFrame(names.items(), columns=["equation", "furthest"])


def test_wanda_is_optimal_only_where_it_is_so_in_every_output():
    found = theory.wanda_optimal(ledger(), agreed())
    assert (found.word, found.count[:3]) == (SUPPORTED, (206, 0, 0))
    assert theory.wanda_optimal(ledger(), agreed(wanda_kept=1)).word == MIXED
    assert theory.wanda_optimal(ledger("Eq. 4"), agreed()).word == MIXED


@pytest.mark.parametrize(
    ("steps", "simulations", "choices", "others"),
    [
        ({"Eq. 7"}, {}, {}, "bias-optimum"),
        (set(), {"eq7": 6.0}, {}, "bias-optimum"),
        (set(), {}, {"std_refitted": 1, "wanda_refitted": 9}, "std-optimal"),
        (set(), {"eq8": 6.0}, {"wanda_refitted": 9}, "std-optimal"),
        ({"Eq. 9"}, {}, {"wanda_refitted": 9}, "no-bias-optimum"),
        (set(), {}, {"without_bias_kept": 1, "wanda_refitted": 9}, "no-bias-optimum"),
    ],
)
def test_each_equation_of_the_bias_has_its_own_evidence(steps, simulations, choices, others):
    found = theory.of_the_bias(ledger(*steps), drawn(**simulations), agreed(**choices))
    words = {verdict.id: verdict.word for verdict in found}
    assert words.pop(others) != SUPPORTED
    words.pop("wanda-suboptimal")
    assert set(words.values()) == {SUPPORTED}


def test_wanda_is_suboptimal_where_it_misses_and_std_does_not():
    def word(**short: int) -> str:
        *_, last = theory.of_the_bias(ledger(), drawn(), agreed(**short))
        assert last.id == "wanda-suboptimal"
        return last.word

    assert word(wanda_refitted=1) == SUPPORTED
    assert word() == word(wanda_refitted=2, std_refitted=1) == CONTRADICTED


def test_more_general_is_optimal_in_more_cases_and_in_all_of_the_other():
    found = theory.more_general(agreed(), agreed(wanda_refitted=40))
    assert (found.word, found.count.note) == (SUPPORTED, "optimal: STADE in 4, Wanda in 3")
    assert theory.more_general(agreed(), agreed()).word == CONTRADICTED
    worse = theory.more_general(agreed(std_refitted=1), agreed(wanda_refitted=1, wanda_kept=1))
    assert worse.word == MIXED


def test_eq12_is_held_against_both_metrics_masks():
    columns = ["pattern", "form", "std", "wanda"]
    rows = [("0.5", "printed", 0.0, 0.2), ("0.5", "consistent", 0.2, 0.0)]
    frame = pandas.DataFrame(rows, columns=columns)
    estimates, consistent, printed = theory.of_eq12(frame, frame)
    assert estimates.word == CONTRADICTED and consistent.word == printed.word == SUPPORTED
    meant = frame.replace({"form": {"printed": "consistent", "consistent": "printed"}})
    estimates, consistent, printed = theory.of_eq12(meant, meant)
    assert estimates.word == SUPPORTED and consistent.word == printed.word == CONTRADICTED


def test_added_biases_are_too_few_to_show():
    (found,) = theory.of_added_biases()
    assert found.word == SUPPORTED and "8,192 to 202,375,168 weights, 0.004 %" in str(found)


def test_checks_that_decide_no_claim_are_counted_alike():
    found = theory.steps(ledger("Eq. 3"))
    assert (found.word, found.count[:3]) == (MIXED, (5, 0, 1))
    assert theory.algebra(pandas.Series([True, False])).count[:3] == (1, 0, 1)
    assert theory.simulated(pandas.Series([4.9, 5.1]), "it").count[:3] == (1, 0, 1)
    (code,) = theory.of_code({"so it is": pandas.Series([True, True])})
    assert "so it is" in str(code) and code.word == SUPPORTED
