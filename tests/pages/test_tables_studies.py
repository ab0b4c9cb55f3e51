"""The frames of the pages beyond the paper: what is asked, read, missing, and a layer's ladder."""

import math
import re

import pandas
import pytest

from stade_book.pages import parameters
from stade_book.pages.tables import earlier, perplexity, studies
from stade_nb.beyond.methods import LADDER, RUNGS
from stade_nb.engine.cell import DENSE
from stade_nb.numerics.methods import BEYOND, METHODS

MODEL = "smollm2-135m"
GIVEN = {
    "models": ["llama-230k"], "real_models": [MODEL], "patterns": ["0.5", "2:4"],
    "calibration": "embedded", "windows": 2, "window_length": 64, "evaluation": "embedded",
    "evaluation_windows": 2, "seeds": [0], "device": "cpu", "dtype": "float32", "batch_size": 8,
    "results_dir": "build/results-smoke",
}  # fmt: skip


@pytest.fixture
def p():
    return parameters.checked(dict(GIVEN), "mask_or_compensation")


def row(method, pattern, losses, model="one", text="a"):
    return {"model": model, "method": method, "pattern": pattern, "seed": 0, "losses": losses,
            "text": text}  # fmt: skip


def test_every_rung_of_every_metric_is_asked_for_once(p, monkeypatch):
    asked = []
    monkeypatch.setattr(
        perplexity, "run", lambda p, cells: asked.extend(cells) or pandas.DataFrame()
    )
    studies.run(p)
    assert asked[0] == DENSE and len(set(asked)) == len(asked)
    methods = [cell.method.name for cell in asked[1:]]
    for name in {*set().union(*LADDER.values()), *studies.SWAPPED, *studies.PLACED}:
        assert methods.count(name) == 2 and name in METHODS | BEYOND


def test_real_records_are_of_c4_and_wikitext_and_say_how_many_windows():
    found = studies.real([MODEL])
    sources = {text["source"] for text in found["evaluation_corpus"]}
    assert sources == {earlier.TEXTS[1]} and "32 × 512 → 64 × 512" in set(found["text"])
    assert studies.real(["llama-230k"]).empty
    assert studies.most(studies.real(["llama-230k"])).empty


def test_the_text_with_most_cells_is_taken_and_what_lacks_is_named():
    rows = [row("wanda", "0.5", [1.0], text="a"), row("dense", "dense", [0.5], text="a")]
    rows += [row(method, "0.5", [1.0], text="b") for method in ("wanda", "std")]
    found = studies.most(pandas.DataFrame(rows))
    assert set(found["text"]) == {"b"}
    said = studies.missing(found, ["wanda", "std", "wanda_linear"], ["0.5", "2:4"])
    assert said == "50 %: Wanda + linear refit; 2:4: Wanda, STD metric, Wanda + linear refit"
    assert studies.missing(found, ["wanda"], ["0.5"]) == ""


def test_the_grid_has_a_row_for_each_metric_and_gaps_where_no_cell_is():
    rows = [row("wanda", "2:4", [1.0, 3.0]), row("std", "2:4", [2.0, 2.5]),
            row("std_without_correction", "2:4", [2.0, 4.0])]  # fmt: skip
    found = studies.grid(pandas.DataFrame(rows)).set_index("metric")
    assert list(found.columns[2:]) == list(RUNGS)
    assert found["none"].to_dict() == pytest.approx({"wanda": math.e**2, "std": math.e**3})
    assert found["bias"]["std"] == pytest.approx(math.exp(2.25))
    assert [studies.shown(x) for x in found["bias"]] == ["no record yet", "9.49"]
    assert math.isnan(found["bias"]["wanda"]) and found["affine"].isna().all()


def test_the_closed_forms_gap_is_what_two_refits_differ_by(p):
    found = studies.layer_losses(p)
    assert list(found["layer"])[:3] == [f"self_attn.{each}_proj" for each in "qkv"]
    assert (found["predicted"] - found["gap"]).abs().max() < 1e-8
    assert (found["affine"] <= found[["bias", "linear"]].min(axis=1) + 1e-12).all()
    assert found["share"].between(0, 1).all() and (found["bias"] <= 1 + 1e-12).all()
    assert list(dict.fromkeys(found["model"]))[-1] == p.models[-1]  # real ones come first
    said = studies.worth(found[found["model"] == p.models[-1]])
    assert re.fullmatch(rf"{p.models[-1]} [\d.]+ to [\d.]+ %", said)


def test_a_record_of_the_ladder_stands_before_what_is_computed_here(p):
    found = studies.layer_losses(p.model_copy(update={"real_models": ["smollm2-135m"]}))
    real = found[found["model"] == "smollm2-135m"]
    assert found["model"].iloc[0] == "smollm2-135m" and len(real) == 7
    assert (real["predicted"] - real["gap"]).abs().max() < 1e-8


def test_the_variance_of_real_models_is_explained_with_texts_and_small_ones_where_they_ran():
    real = studies.real([MODEL])
    found = studies.explained(real, real.iloc[:0])
    first, texts = found.values()
    assert next(iter(found)) == "real models" and "evaluation" in set(texts["term"])
    for shares in (first, texts):
        assert set(shares["term"]) <= set(studies.FACTORS)
        assert shares["share"].sum() == pytest.approx(1)
    assert studies.explained(real.iloc[:0], real.iloc[:0]) == {}
    said = studies.parts(first, "pattern", "model", "metric")  # one model: no factor
    assert said.startswith("pattern ") and ", which weights go " in said and said.endswith(" %")
    assert studies.parts(None, "pattern") == "not run here"


def test_places_stand_side_by_side_with_the_sign_of_their_verdict():
    rows = [("one", "0.5", "wanda_bias_v", 0.031, "contradicted"),
            ("one", "0.5", "wanda_bias_qk", -0.002, "open"),
            ("one", "2:4", "wanda_with_bias", -0.11, "supported")]  # fmt: skip
    columns = ["model", "pattern", "below", "change", "verdict"]
    judged = pandas.DataFrame(rows, columns=columns).assign(seeds="1 of 1")
    nudged = pandas.DataFrame({"model": ["other"], "pattern": ["2:4"], "nudge": ["count"]})
    found = studies.by_place(judged, nudged.assign(reach=0.5))
    assert list(found) == ["model", "pattern", "q and k", "v", "all layers"]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in found.iloc[0, 2:]] == [
        "−0.2 % ○", "+3.1 % ✗", "",
    ]  # fmt: skip
    assert list(found.iloc[1, 2:4]) == ["", ""] and found.iloc[1, 4].endswith("✓")
    # Where a nudge may do as much, the sign is in brackets; what is open stays so.
    small = studies.by_place(judged, nudged.assign(model="one", pattern="0.5", reach=0.05))
    assert small.iloc[0, 2].endswith("○") and small.iloc[0, 3].endswith("(✗)")
    assert small.iloc[1, 4] == found.iloc[1, 4]


def test_frames_without_rows_do_not_show():
    one = pandas.DataFrame({"a": [1]})
    assert studies.together(one.iloc[:0], one).equals(one)
    assert studies.together(one.iloc[:0]).empty


def test_real_cells_are_of_all_layers_and_compete_as_their_method_does():
    """One number for each cell: single layer types and other scopes have records, too."""
    found = studies.real(["smollm2-135m", "gemma-3-270m"])
    cells = found.groupby(["model", "text", "pattern", "method", "seed"]).size()
    assert (cells == 1).all() and set(found["layers"]) == {"all"}
    assert set(found["pattern"]) <= {"dense", *studies.STRONG}


def test_what_the_bias_does_is_said_for_each_metric():
    """It lowers STD's losses and raises Wanda's; the mean over both would say neither."""
    effect = {"wanda": {"0.5": 0.04, "2:4": 0.16}, "std": {"0.5": -0.07, "2:4": -0.12}}
    rows = [
        row(method, pattern, [3 + effect[metric][pattern] * (rung == "bias")] * 2)
        for metric in effect
        for pattern in ("0.5", "2:4")
        for rung, method in zip(RUNGS, LADDER[metric], strict=True)
    ]
    said = studies.of_the_bias(pandas.DataFrame(rows))
    assert set(said.split(", ")) == {"Wanda +4.1 to +17.4 %", "STD −11.3 to −6.8 %"}
    assert studies.of_the_bias(pandas.DataFrame(rows[:1])) == "not run"


def test_how_far_a_nudge_reaches_is_said_by_pattern():
    found = pandas.DataFrame({"pattern": ["0.5", "2:4"], "reach": [0.009, 0.0312]})
    assert studies.by_pattern(found) == "0.9 % at 50 %, 3.1 % at 2:4"
    assert studies.by_pattern(found.iloc[:0]) == "not run"
