"""The budget of calibration text: what gains, and what differences can be believed."""

import math

import numpy as np
import pytest

from stade_book.studies import budget

GENERATOR = np.random.default_rng(0)
BASE = GENERATOR.normal(4, 0.5, budget.EVALUATED)


def row(windows, method, seed, losses, **other):
    calibration = {"source": budget.TEXTS[0], "windows": windows, "length": 512}
    evaluation = {"source": budget.TEXTS[1], "windows": 64, "length": 512}
    about = {"calibration_corpus": calibration, "evaluation_corpus": evaluation, "layers": "all"}
    about |= {"pattern": "0.5", "method": method, "seed": seed, "device": "cpu"}
    return about | {"losses": list(losses), "record": f"{windows} {method} {seed}"} | other


def cells(spread, gain=0.0):
    """Wanda and STADE, 1 % of loss above it and `spread` more or less by seed, at 8 and 32."""
    rows = []
    for windows in (8, 32):
        for seed, away in enumerate((-1, 0, 1)):
            wanda = BASE + GENERATOR.normal(0, 0.001, 64) - gain * (windows == 32)
            rows.append(row(windows, "wanda", seed, wanda))
            stade = wanda + 0.01 + spread * away + GENERATOR.normal(0, 0.001, 64)
            rows.append(row(windows, "stade", seed, stade))
    return rows


def test_what_is_no_cell_of_the_study_is_left_out():
    one = row(8, "wanda", 0, BASE)
    others = [
        one | {"layers": "q_proj"},
        one | {"pattern": "2:4"},
        one | {"method": "sparsegpt"},
        one | {"evaluation_corpus": {"source": budget.TEXTS[1], "windows": 16, "length": 512}},
        one | {"calibration_corpus": {"source": "embedded", "windows": 8, "length": 512}},
    ]
    found = budget.of_records([*others, one])
    assert found["record"].tolist() == ["8 wanda 0"] and found["windows"].tolist() == [8]


def test_a_difference_is_believed_where_seeds_agree_and_not_where_they_do_not():
    steady, shaken = (
        budget.believable(budget.of_records(cells(spread))).set_index("windows")
        for spread in (0.0005, 0.02)
    )
    assert steady["believed"].all() and not shaken["believed"].any()
    assert steady.loc[8, "change"] == pytest.approx(math.expm1(0.01), abs=1e-3)
    # t of three seeds is 4.303: the seeds' part of what one draw leaves open.
    assert shaken.loc[8, "one"] == pytest.approx(math.expm1(4.303 * 0.02), rel=0.05)
    assert (steady["all"] < steady["one"]).all()


def test_the_parts_are_those_of_plain_formulas():
    found = budget.of_records(cells(0.003))
    shown = budget.believable(found).iloc[0]
    by = {(r.method, r.seed): np.array(r.losses) for r in found[found["windows"] == 8].itertuples()}
    gaps = np.array([by["stade", seed] - by["wanda", seed] for seed in range(3)])
    assert shown["of_seeds"] == pytest.approx(math.expm1(gaps.mean(axis=1).std(ddof=1)))
    mean = gaps.mean(axis=0)
    half = 1.99834 * mean.std(ddof=1) / 8  # t of 63 degrees of freedom; 64 windows
    assert shown["of_windows"] == pytest.approx(math.expm1(half), rel=1e-4)


def test_more_text_helps_where_it_lowers_the_perplexity():
    helped = budget.gains(budget.of_records(cells(0.001, gain=0.05))).set_index("method")
    assert set(helped["verdict"]) == {"supported"}
    assert helped.loc["wanda", "change"] == pytest.approx(math.expm1(-0.05), abs=1e-3)
    same = budget.gains(budget.of_records(cells(0.001))).set_index("method")
    assert set(same["verdict"]) == {"open"}
    assert helped[["fewest", "most"]].to_numpy().tolist() == [[8, 32], [8, 32]]


def test_all_methods_share_the_95_percent():
    rows = cells(0.001, gain=0.05)
    shared = budget.gains(budget.of_records(rows)).set_index("method").loc["wanda"]
    alone = budget.gains(budget.of_records([r for r in rows if r["method"] == "wanda"])).iloc[0]
    assert shared["low"] < alone["low"] < alone["high"] < shared["high"]


def test_only_shared_seeds_count_and_one_alone_says_nothing():
    made = cells(0.001)
    rows = [r for r in made if r["calibration_corpus"]["windows"] == 32 or r["seed"] == 0]
    found = budget.believable(budget.of_records(rows))
    assert found["windows"].tolist() == [32]
    assert set(budget.gains(budget.of_records(rows))["seeds"]) <= {"0 of 1", "1 of 1"}
    assert budget.perplexities(budget.of_records(rows))["seeds"].tolist() == [1, 1, 3, 3]


def test_budgets_that_share_no_seed_are_not_compared():
    rows = [row(8, "wanda", 1, BASE), row(64, "wanda", 0, BASE), row(8, "stade", 0, BASE)]
    assert budget.gains(budget.of_records(rows)).empty


def test_one_standard_deviation_for_all_rows_is_that_of_their_squares():
    found = budget.believable(budget.of_records(cells(0.02)))
    half = np.log1p(found["of_windows"]).mean()
    # Two rows of three seeds: four degrees of freedom, whose t is 2.776.
    spread = 2.776445 * math.sqrt((np.log1p(found["of_seeds"]) ** 2).mean())
    assert budget.pooled(found) == pytest.approx(math.expm1(math.hypot(half, spread)), rel=1e-5)
    assert budget.pooled(found) < found["one"].min()


def test_other_comparisons_have_the_same_rule_and_one_seed_says_nothing():
    found = budget.of_records(cells(0.003))
    by = {m: {r.seed: r.losses for r in rows.itertuples()}
          for m, rows in found[found["windows"] == 8].groupby("method")}  # fmt: skip
    alone = {name: {0: seeds[0]} for name, seeds in by.items()}
    (row,) = budget.against(
        [("m", "0.5", "stade", by["stade"], by["wanda"]),
         ("m", "2:4", "stade", alone["stade"], alone["wanda"])]
    ).to_dict("records")  # fmt: skip
    same = budget.believable(found).iloc[0]
    assert (row["model"], row["pattern"], row["seeds"]) == ("m", "0.5", 3)
    assert [row[name] for name in ("change", "all", "believed")] == [
        same[name] for name in ("change", "all", "believed")
    ]
    assert budget.against([]).empty
