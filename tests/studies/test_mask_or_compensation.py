"""The rule on made-up losses: where mask, compensation, neither or another model decides."""

import numpy as np
import pandas
import pytest

from stade_book.studies import mask_or_compensation as study
from stade_nb.beyond.methods import LADDER, RUNGS

METRIC = {"magnitude": 1.0, "wanda": 0.0, "std": 0.4}
RUNG = dict(zip(RUNGS, (0.0, 0.1, -0.3, -0.5), strict=True))


def frame(metric=1.0, rung=1.0, noise=0.01, models=("one",), patterns=("0.5", "2:4"), seeds=(0,)):
    """Losses of 30 windows, metric and rung weighted; dense and another method beside them."""
    generator, rows = np.random.default_rng(0), []
    for model in models:
        windows = generator.normal(3, 0.3, size=30)
        rows.append((model, "dense", "dense", 0, list(windows - 1)))
        for pattern in patterns:
            rows.append((model, "stade", pattern, 0, list(windows)))
            for name, methods in LADDER.items():
                for on, method in zip(RUNGS, methods, strict=True):
                    level = metric * METRIC[name] + rung * RUNG[on]
                    for seed in seeds:
                        losses = windows + level + noise * generator.normal(size=30)
                        rows.append((model, method, pattern, seed, list(losses)))
    return pandas.DataFrame(rows, columns=["model", "method", "pattern", "seed", "losses"])


@pytest.mark.parametrize(
    ("metric", "rung", "noise", "word"),
    [
        (1.0, 0.1, 0.01, study.MASK),
        (0.1, 1.0, 0.01, study.COMPENSATION),
        (0.0, 0.0, 0.5, study.UNDECIDED),
    ],
)
def test_what_moves_the_losses_is_named(metric, rung, noise, word):
    (answer,) = study.answers(study.placed(frame(metric, rung, noise)))
    assert answer.word == word and answer.contexts == 2
    assert answer.low <= answer.part <= answer.high


def test_the_part_is_that_of_the_means_by_hand():
    cells = study.placed(frame(noise=0))
    (answer,) = study.answers(cells)
    metrics = np.array([METRIC["wanda"], METRIC["std"]])
    rungs = np.array(list(RUNG.values()))
    of_metric = 4 * ((metrics - metrics.mean()) ** 2).sum()
    of_rung = 2 * ((rungs - rungs.mean()) ** 2).sum()
    assert answer.part == pytest.approx(of_rung / (of_rung + of_metric))
    assert answer.together == pytest.approx(0, abs=1e-9)  # the two were added


def test_a_bias_that_helps_one_mask_and_harms_the_other_is_neither():
    cells = study.placed(frame(1, 1, 0))
    level = {"wanda": 0.1, "std": 0.0}, {"wanda": 0.0, "std": 0.1}
    own = study.design(cells, study.OWN)
    losses = [
        [level[row.compensation == "bias"][row.metric] + window for window in (3.0, 3.1, 3.3)]
        for row in own.itertuples()
    ]
    (answer,) = study.answers(own.assign(losses=losses), study.OWN)
    assert answer.together == pytest.approx(1)


def test_models_that_disagree_depend_and_sentences_give_the_signs():
    ran = pandas.concat([frame(1, 0.1, 0), frame(0.1, 1, 0, models=("two",))])
    cells = study.placed(ran)
    found = study.answers(cells)
    assert study.overall(found) == study.DEPENDS and study.overall([]) == ""
    changes = study.gains(study.design(cells, study.JUDGED))
    said = study.sentence(found[1:], changes[changes["model"] == "two"])
    assert said.startswith("The compensation explains more of the differences")
    assert "(1 model; " in said
    assert "bias +10.5 %" in said and "affine −39.3 %" in said
    one, other = changes["change"].where(changes["compensation"] == "affine").dropna()
    assert study.effects(changes, "affine") == (
        f"{100 * min(one, other):+.1f} to {100 * max(one, other):+.1f} %".replace("-", "−")
    )
    assert study.effects(changes, "of none") == "not run here"
    assert "nothing is decided" in study.sentence([], changes)


def test_a_context_without_all_cells_is_left_out_and_said():
    ran = frame()
    lacking = ran[~((ran["method"] == "std_affine") & (ran["pattern"] == "2:4"))]
    (answer,) = study.answers(study.placed(lacking))
    assert answer.contexts == 1
    only = lacking[lacking["method"] != "std_affine"]
    assert study.answers(study.placed(only)) == []
    bias = list(study.DESIGNS)[1]
    assert study.answers(study.placed(only), bias)[0].contexts == 2
    with pytest.raises(ValueError, match="no balanced design"):
        study.explained(study.placed(only))


def test_shares_have_a_row_for_each_factor_that_varies():
    cells = study.design(study.placed(frame(models=("one", "two"))), study.JUDGED)
    found = study.explained(cells).set_index("term")
    assert set(found.index) >= {"model", "pattern", "metric", "compensation"}
    assert "text" not in found.index and found["share"].sum() == pytest.approx(1)
    assert found["degrees"].sum() == len(cells) - 1


def test_texts_are_factors_of_their_own_and_a_pair_without_all_cells_is_left_out():
    ran = frame(patterns=("0.5",), noise=0)
    parts = [
        ran.assign(evaluation=evaluation, calibration=calibration,
                   losses=[[x + more for x in one] for one in ran["losses"]])
        for evaluation, easier in (("a", 0.0), ("b", -0.5))
        for calibration, more in (("a", easier), ("b", easier + 0.2), ("c", easier + 0.1))
    ]  # fmt: skip
    grid = pandas.concat(parts, ignore_index=True)
    lacking = (grid["method"] == "std") & (grid["calibration"] == "c") & (grid["evaluation"] == "b")
    cells = study.on_texts(grid[~lacking])
    assert len(cells) == 5 * 4
    full = study.on_texts(grid)
    found = study.explained(full, study.TEXTS, ["model", "evaluation"]).set_index("term")["share"]
    assert list(found.index)[:3] == ["evaluation", "calibration", study.TOGETHER]
    # By hand: what each factor does to a mean, the others being the same.
    level = {"evaluation": [0, -0.5], "calibration": [0, 0.2, 0.1], "metric": [0, 0.4],
             "compensation": [0, 0.1]}  # fmt: skip
    of = {name: np.var(values) for name, values in level.items()}
    for name, part in of.items():
        assert found[name] == pytest.approx(part / sum(of.values()))


def test_seeds_are_averaged_window_by_window():
    ran = frame(seeds=(0, 1, 2), noise=0.2)
    cells = study.placed(ran)
    assert len(cells) == 3 * 4 * 2
    first = cells.iloc[0]
    same = ran[(ran["method"] == first["method"]) & (ran["pattern"] == first["pattern"])]
    assert first["losses"] == pytest.approx(np.mean(list(same["losses"]), axis=0))


def with_dsnot(before, after, noise=0.001):
    """DSnoT `before` and `after` the correction so much below Wanda's, in log-perplexity."""
    ran = frame(patterns=("0.5",))
    generator = np.random.default_rng(2)
    more = []
    for method, rival, gain in (("dsnot", "wanda", before), ("dsnot_with_bias", None, after)):
        rival = ran[ran["method"] == (rival or "wanda_with_bias")]["losses"].iloc[0]
        losses = np.array(rival) - gain + noise * generator.normal(size=30)
        more.append(("one", method, "0.5", 0, list(losses)))
    return pandas.concat([ran, pandas.DataFrame(more, columns=ran.columns)])


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (0.05, 0.0, "supported"),
        (0.05, 0.05, "contradicted"),
        (0.05, -0.05, "open"),  # worse then: it did not just vanish
        (0.0, 0.0, "open"),
        (-0.05, 0.0, "open"),
    ],
)
def test_the_prediction_on_dsnot(before, after, word):
    (row,) = study.vanishes(with_dsnot(before, after)).itertuples()
    assert row.verdict == word
    assert row.before == pytest.approx(np.expm1(-before), abs=2e-3)


def test_dsnot_is_compared_with_wanda_at_its_own_seeds():
    ran = with_dsnot(0.05, 0.0)
    others = ran[ran["method"].isin(["wanda", "wanda_with_bias"])].assign(seed=1)
    others = others.assign(losses=[[loss - 0.2 for loss in losses] for losses in others["losses"]])
    (row,) = study.vanishes(pandas.concat([ran, others])).itertuples()
    assert row.before == pytest.approx(np.expm1(-0.05), abs=2e-3) and row.verdict == "supported"


def test_without_dsnot_there_is_no_word():
    assert study.vanishes(frame()).empty and study.against(frame(), [("ria", "wanda")]).empty
