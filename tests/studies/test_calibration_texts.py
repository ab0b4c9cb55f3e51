"""The rule on what the correction carries: found where it was put in, and only there."""

import math

import numpy as np
import pandas
import pytest

from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from stade_book.studies import calibration_texts as study

TEXTS = ["C4", "WikiText", "stories"]


def records(effect, seeds=(0,), windows=16, noise=0.001):
    """Losses of Wanda's mask with and without correction, whose effect is put in."""
    draw, rows = np.random.default_rng(3), []
    for evaluation in TEXTS[:2]:
        base = 3 + draw.normal(size=windows)
        for calibration in [*TEXTS, study.NO_TEXT]:
            for seed in seeds:
                plain = base + 0.1 * draw.normal(size=windows)
                gap = effect(calibration, evaluation) + noise * draw.normal(size=windows)
                about = {"calibration": calibration, "evaluation": evaluation, "seed": seed}
                about["pattern"] = "0.5"
                rows.append(about | {"method": "wanda", "losses": plain.tolist()})
                corrected = (plain + gap).tolist()
                rows.append(about | {"method": "wanda_with_bias", "losses": corrected})
    return pandas.DataFrame(rows)


def at_home(calibration, evaluation):
    return -0.1 if calibration == evaluation else 9.0 if calibration == study.NO_TEXT else 0.05


def test_effects_are_the_ones_put_in():
    found = study.effects(records(at_home)).set_index(["evaluation", "calibration"])
    assert len(found) == 2 * 4
    for (evaluation, calibration), row in found.iterrows():
        expected = math.expm1(at_home(calibration, evaluation))
        assert row["change"] == pytest.approx(expected, rel=0.02)
        assert row["low"] < row["change"] < row["high"]
        assert row["home"] == (calibration == evaluation)


def test_other_pairs_of_methods_are_compared_in_the_same_way():
    rows = records(at_home).replace({"method": {"wanda_with_bias": "stade"}})
    assert study.effects(rows).empty
    found = study.effects(rows, study.STADE)
    assert set(found["mask"]) == {"stade"} and len(found) == 2 * 4
    pandas.testing.assert_frame_equal(
        found.drop(columns="mask"), study.effects(records(at_home)).drop(columns="mask")
    )


def test_a_correction_that_is_worth_more_at_home_carries_the_text():
    found = study.carried(records(at_home, seeds=(0, 1)))
    assert list(found["verdict"]) == [SUPPORTED, SUPPORTED]
    assert list(found["away_texts"]) == [2, 2]  # random tokens are no text
    assert found["home"].to_numpy() == pytest.approx(math.expm1(-0.1), abs=0.002)
    assert found["away"].to_numpy() == pytest.approx(math.expm1(0.05), abs=0.002)
    assert found["change"].to_numpy() == pytest.approx(math.expm1(-0.15), abs=0.002)


def test_one_that_is_worth_as_much_everywhere_does_not():
    same = study.carried(records(lambda *_: -0.1, noise=0.05))
    assert list(same["verdict"]) == [OPEN, OPEN]
    opposite = study.carried(records(lambda c, e: 0.1 if c == e else 0.0))
    assert list(opposite["verdict"]) == [CONTRADICTED, CONTRADICTED]


def test_half_a_cell_is_left_out():
    rows = records(at_home)
    half = rows[~((rows["method"] == "wanda") & (rows["calibration"] == "stories"))]
    found = study.effects(half)
    assert "stories" not in set(found["calibration"])
    assert list(study.carried(half)["away_texts"]) == [1, 1]
    nothing = study.carried(rows[rows["method"] == "wanda"])
    assert nothing.empty
    assert "verdict" in nothing
