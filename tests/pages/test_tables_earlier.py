"""Records computed earlier as frames: one model and pair of texts, beside Wanda, with origin."""

import numpy as np
import pandas
import pytest

from stade_book.claims import paper, verdicts
from stade_book.pages.tables import earlier
from stade_book.studies import shipped
from stade_nb.errors import StadeError
from stade_nb.numerics.methods import METHODS

MODEL = "smollm2-135m"


def test_a_frame_has_the_dense_cell_first_and_only_the_texts_asked_for():
    ran = earlier.frame([MODEL])
    assert ran.iloc[0]["method"] == paper.DENSE and ran.iloc[0]["relative"] == 1
    assert {corpus["source"] for corpus in ran["evaluation_corpus"]} == {earlier.TEXTS[1]}
    assert len(ran) < len(shipped.rows(MODEL))
    by_hand = {
        (row["method"], row["pattern"], row["seed"]): row["perplexity"]
        for row in shipped.rows(MODEL)
        if row["evaluation_corpus"]["source"] == earlier.TEXTS[1] and row["method"] in METHODS
        if row["evaluation_corpus"]["windows"] == 64  # the studies have fewer
        if row["evaluation_corpus"]["length"] == 512  # longer windows are compared elsewhere
        if row["calibration_corpus"]["windows"] == 32 and row["layers"] == "all"
        if row["method"] != "magnitude" or row["scope"] == "layer" or ":" in row["pattern"]
    }
    pruned = ran[ran["method"] != paper.DENSE]
    keys = zip(pruned["method"], pruned["pattern"], pruned["seed"], strict=True)
    assert dict(zip(keys, pruned["perplexity"], strict=True)) == by_hand


def test_the_studies_methods_and_fewer_windows_stay_out(monkeypatch):
    rows = shipped.rows(MODEL)
    one = next(row for row in rows if row["evaluation_corpus"]["source"] == earlier.TEXTS[1])
    fewer = one | {"evaluation_corpus": one["evaluation_corpus"] | {"windows": 16}}
    more = [one | {"method": "wanda_affine", "pattern": "2:4"}, fewer, fewer | {"method": "dense"}]
    before = earlier.frame([MODEL])
    monkeypatch.setattr(shipped, "rows", lambda name: [*more, *rows])
    after = earlier.frame([MODEL])
    assert list(after["record"]) == list(before["record"])
    assert list(after["relative"]) == list(before["relative"])


def test_every_method_is_judged_against_wanda_and_they_share_the_95_percent():
    ran = earlier.frame([MODEL])
    judged = earlier.against(ran)
    assert earlier.RIVAL not in set(judged["method"]) and set(judged["method"]) < set(ran["method"])
    alone = verdicts.judge(ran, [paper.Claim("alone", "stade", "wanda", ("0.5",))]).iloc[0]
    (shared,) = judged.query("method == 'stade' and pattern == '0.5'").itertuples()
    assert shared.change == alone["change"]
    assert shared.low < alone["low"] < alone["high"] < shared.high


def test_stricter_looks_count_what_is_left_of_the_verdicts():
    """STADE: steady over seeds. STD: seeds agree, and part. SparseGPT: in blocks of windows."""
    draw, windows = np.random.default_rng(0), 64
    base = draw.normal(3, 0.5, windows)
    waves = np.repeat(draw.permutation(np.resize([-1.0, 1.0], windows // 4)), 4)
    noise = draw.normal(0, 1e-3, windows)
    ways = {
        "wanda": [base] * 3,
        "stade": [base - 0.02 + noise] * 3,
        "std": [base + each + noise for each in (0.001, 0.02, 0.06)],
        "sparsegpt": [base + 0.07 + 0.15 * waves],
    }
    rows = [("m", "0.5", way, seed, list(losses))
            for way, seeds in ways.items() for seed, losses in enumerate(seeds)]  # fmt: skip
    ran = pandas.DataFrame(rows, columns=["model", "pattern", "method", "seed", "losses"])
    judged = earlier.against(ran)
    assert not (judged["verdict"] == verdicts.OPEN).any()
    found = {"seeds": "1 of 2", "seeds_stade": "lower in 1, higher in 0 of 1"}
    assert earlier.doubts(ran, judged) == found | {"neighbours": "1 of 3"}
    nothing = ran.iloc[:3]
    assert earlier.doubts(nothing, earlier.against(nothing))["neighbours"] == "0 of 0"


def test_it_says_with_what_the_records_were_computed():
    ran = earlier.frame([MODEL])
    how = earlier.how(ran)
    assert how["cells"].sum() == len(ran) and set(how["model"]) == {MODEL}
    assert set(how["threads"]) == {made["threads"] for made in ran["computed"]}


def test_a_model_without_records_is_refused_with_those_that_have_some():
    with pytest.raises(StadeError, match=f"no records of llama-230k .*{MODEL}"):
        earlier.frame(["llama-230k"])


def test_only_models_with_such_records_are_named():
    small = "stories260k"
    assert earlier.has(small) and not earlier.has(small, shipped.EMBEDDED)
    with pytest.raises(StadeError, match=f"no records of {small} from embedded") as caught:
        earlier.frame([small], shipped.EMBEDDED)
    others = [name for name in shipped.models() if earlier.has(name, shipped.EMBEDDED)]
    assert str(caught.value).endswith(f"expected models with some ({', '.join(others)})")
    with pytest.raises(StadeError, match=r"no records of any model from nowhere .*none has any"):
        earlier.frame([], ("nowhere", "nowhere"))


def test_lengths_are_compared_on_as_many_tokens_and_the_same_methods(monkeypatch):
    def corpus(row, use, windows, length):
        return {use: row[use] | {"windows": windows, "length": length}}

    rows = [
        row for row in shipped.rows(MODEL)
        if row["calibration_corpus"]["length"] == row["evaluation_corpus"]["length"] == 512
    ]  # fmt: skip
    cells = earlier.frame([MODEL]).query("pattern == '0.5' and seed == 0").to_dict("records")
    long = [
        row
        | corpus(row, "calibration_corpus", 8, 2048)
        | corpus(row, "evaluation_corpus", 16, 2048)
        | {"losses": [loss + (row["method"] == "stade") for loss in row["losses"][:16]]}
        for row in cells
        if row["method"] in ("wanda", "stade")
    ]
    fewer = long[0] | corpus(long[0], "evaluation_corpus", 16, 1024)
    monkeypatch.setattr(shipped, "rows", lambda name: rows)
    assert earlier.by_length([MODEL]).empty
    monkeypatch.setattr(shipped, "rows", lambda name: [*rows, *long, fewer])
    found = earlier.by_length([MODEL])
    assert found["length"].tolist() == [512, 512, 2048, 2048]
    assert found["method"].tolist() == ["wanda", "stade"] * 2
    assert found["change"].isna().tolist() == [True, False] * 2
    assert found["change"].iloc[3] > 1 > found["change"].iloc[1]


def test_answers_are_of_the_tasks_that_all_ways_of_a_model_were_asked(monkeypatch):
    same = {"pattern": "0.5", "seed": 0, "scope": "row", "evaluation_corpus": {"windows": 3}}
    cells = [
        same | {"method": "dense", "pattern": "0", "calibration": None, "losses": [1.0]},
        same | {"method": "stade", "calibration": "c", "losses": [2.0]},
        same | {"method": "wanda", "calibration": "c", "losses": [3.0]},
    ]

    def asked(cell, task, questions="q", **more):
        return cell | {"task": task, "questions": questions, "biases": "kept"} | more

    answers = [
        *(asked(cell, "rte", correct=[0, 1]) for cell in cells),
        *(asked(cell, "boolq", correct=[1, 1]) for cell in cells[:2]),
        asked(cells[2], "boolq", "fewer", correct=[1]),
        asked(cells[1], "rte", biases="dropped", correct=[0, 0]),
        asked(cells[2] | {"seed": 1}, "rte", correct=[1, 1]),  # without losses
    ]
    monkeypatch.setattr(shipped, "rows", lambda _: [cell | {"layers": "all"} for cell in cells])
    monkeypatch.setattr(shipped, "answers", lambda _: answers)
    found = earlier.answered([MODEL])
    assert list(found["pattern"]) == [paper.DENSE, "0.5", "0.5"]
    assert list(found["losses"]) == [[1.0], [2.0], [3.0]]
    assert list(found["answers"]) == [{"rte": [0, 1]}] * 3
    assert len(earlier.answered([])) == 0


def test_how_some_records_were_computed_is_asked_by_their_keys():
    rows = [row for row in shipped.rows(MODEL) if row["computed"]["threads"] == 1][:3]
    found = earlier.how_of([MODEL], [row["record"] for row in rows])
    assert found["cells"].sum() == 3 and set(found["threads"]) == {1}
    spent = sum(earlier.total(row["seconds"]) for row in rows)
    assert found["seconds"].sum() == pytest.approx(spent)
