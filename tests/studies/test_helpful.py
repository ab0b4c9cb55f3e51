"""The rule for a correction that helps: reached where the numbers say so, and not a cell sooner."""

from itertools import permutations

import pandas
import pytest

from stade_book.studies import helpful

TEXTS = ("C4", "WikiText", "documentation")


def records(first, second=110.0):
    """Wanda 100 and STADE 102 everywhere; first: the first candidate's, by cell."""
    rows = []
    for pattern in ("0.5", "2:4"):
        for calibration in TEXTS:
            for evaluation in TEXTS:
                values = {"wanda": 100.0, "stade": 102.0, helpful.CANDIDATES[1]: second}
                values[helpful.CANDIDATES[0]] = first(pattern, calibration, evaluation)
                about = {"pattern": pattern, "calibration": calibration, "evaluation": evaluation}
                rows += [
                    about | {"method": method, "perplexity": value, "seed": 0}
                    for method, value in values.items()
                ]
    dense = {"pattern": "0", "calibration": "", "evaluation": "C4", "method": "dense", "seed": 0}
    return pandas.DataFrame([*rows, dense | {"perplexity": 30.0}])


def test_cells_are_pairs_of_two_texts_and_the_lead_does_not_count():
    found = helpful.cells(records(lambda *_: 90.0))
    pairs = {(row.calibration, row.evaluation) for row in found.itertuples()}
    assert pairs == set(permutations(TEXTS, 2))
    assert len(found) == 2 * 6
    left_out = found[~found["counts"]]
    assert left_out[["pattern", "calibration", "evaluation"]].values.tolist() == [
        ["2:4", "C4", "WikiText"]
    ]


def worse_in(*places):
    return lambda *where: 101.0 if where in places else 90.0


OUT, BACK = ("0.5", "C4", "WikiText"), ("0.5", "WikiText", "C4")


@pytest.mark.parametrize(
    ("places", "lower", "reached"),
    [
        ((), 11, True),
        ((OUT, BACK), 9, True),  # 82 %
        ((OUT, BACK, ("2:4", "WikiText", "C4")), 8, False),
        ((("2:4", "C4", "WikiText"),), 11, True),  # the lead itself
        ((("0.5", "C4", "C4"),), 11, True),  # at home
    ],
)
def test_success_is_four_of_five(places, lower, reached):
    first, second = helpful.success(helpful.cells(records(worse_in(*places)))).itertuples()
    assert (first.lower, first.cells, first.success) == (lower, 11, reached)
    assert first.median == pytest.approx(-0.1)
    assert (second.lower, second.success) == (0, False)
    assert second.median == pytest.approx(0.1)


def test_lower_than_wanda_alone_is_not_enough():
    rows = records(lambda *_: 99.0)
    rows.loc[rows["method"] == "stade", "perplexity"] = 98.0
    first, _ = helpful.success(helpful.cells(rows)).itertuples()
    assert (first.lower, first.success) == (0, False)


def test_without_cells_nothing_succeeds():
    rows = records(lambda *_: 90.0)
    found = helpful.success(helpful.cells(rows[rows["method"] != "stade"]))
    assert found["cells"].tolist() == [0, 0]
    assert not found["success"].any()
