"""The real models at the head of a page: what was run and what was not, on made-up records."""

import re
from pathlib import Path

import pandas
from bs4 import BeautifulSoup
from made_records import LARGE, SMALL, record

from stade_book.pages import tables
from stade_book.pages.tables import earlier, real
from stade_nb.models import packaged


def text_of(shown):
    return BeautifulSoup(shown.data, "lxml").get_text(" ", strip=True)


def cells_of(shown):
    """The first table of a block as a frame of texts, its unbroken spaces as plain ones."""
    table = BeautifulSoup(shown.data.replace("\N{NO-BREAK SPACE}", " "), "lxml").find("table")
    head = [cell.get_text() for cell in table.find_all("th")]
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in table.find_all("tr")]
    return pandas.DataFrame([row for row in rows if row], columns=head)


def test_what_was_run_has_its_change_from_wanda_and_what_was_not_says_so(there):
    there(
        record(method="dense", level=2.0),
        record(),
        record(method="stade", level=2.9, losses=[2.89, 2.9, 2.91]),
        record(LARGE, level=4.0),
        record(LARGE, method="stade", level=4.1, losses=[4.09, 4.1, 4.11]),
        record(LARGE, pattern="2:4", level=5.0),
    )
    shown = real.table(["stade"], ["0.5", "2:4"])
    table = cells_of(shown).set_index(["method", "sparsity"])
    assert list(table.columns) == [SMALL, LARGE]  # the smaller first
    better, worse = table.loc[("STADE", "50 %")]
    assert re.fullmatch(r"18\.17: −9\.5 % \(−9\.5 to −9\.5\), lower", better)
    assert re.fullmatch(r"60\.34: \+10\.5 % \(\+10\.5 to \+10\.5\), higher", worse)
    assert table.loc[("Wanda", "2:4"), SMALL] == "not run"
    assert table.loc[("Wanda", "2:4"), LARGE] == "148.41"
    assert table.loc[("Dense", "0 %"), LARGE] == "not run"
    said = text_of(shown)
    assert said.startswith("Computed earlier.") and "2026-01-02" in said
    for fact in ("abacus", "7", "torch 2.0", "10,800", "2.9" * 4):
        assert fact in said
    missing = [line for line in said.split("python -m")[1:] if f"--model {SMALL} " in line]
    assert len(missing) == 1 and "--methods wanda,stade --patterns 2:4 " in missing[0]


def test_the_figure_compares_what_the_table_does_and_nothing_where_nothing_was_run(there):
    there(
        record(),
        record(method="stade", level=2.9, losses=[2.89, 2.9, 2.91]),
        record(method="std", level=2.8),
        record(method="stade", pattern="2:4", level=2.9),
    )
    (row,) = real.against(["stade"], ["0.5", "2:4"]).itertuples()
    assert (row.method, row.pattern, f"{row.change:+.1%}") == ("stade", "0.5", "-9.5%")
    there()
    assert real.against(["stade"], ["0.5"]).empty


def test_only_seeds_that_both_methods_have_are_compared(there):
    there(
        *(record(seed=seed, level=3.0 + seed) for seed in range(3)),
        record(method="stade", seed=1, level=4.1, losses=[4.09, 4.1, 4.11]),
    )
    (row,) = earlier.against(earlier.frame([SMALL])).itertuples()
    assert (row.seeds, round(row.change, 3)) == ("1 of 1", 0.105)


def test_windows_of_another_size_are_not_mixed_in(there):
    few = {"source": earlier.TEXTS[1], "windows": 4, "length": 2}
    other = {"evaluation": "f", "evaluation_corpus": few, "losses": [1.0] * 4}
    there(record(), record(method="stade"), record(method="std", **other))
    assert set(earlier.frame([SMALL])["method"]) == {"wanda", "stade"}


def test_magnitude_takes_its_share_where_the_page_says(there):
    there(
        record(),
        record(method="magnitude", scope="layer", level=3.5),
        record(method="magnitude", scope="row", level=3.4),
    )
    for scope, level in (("layer", 3.5), ("row", 3.4)):
        (row,) = earlier.frame([SMALL], scope=scope).query("method == 'magnitude'").itertuples()
        assert row.losses[1] == level


def test_single_layer_types_have_a_page_of_their_own(there):
    layer = {"layers": ["mlp.down_proj"]}
    cells = [("wanda", "0.9"), ("std", "0.9"), ("std", "0.5")]
    there(record(), *(record(method=m, pattern=p, **layer) for m, p in cells))
    assert set(earlier.frame([SMALL])["pattern"]) == {"0.5"}
    shown = real.by_layer(tables.layers.types_of, ["0.5", "0.9"])
    table = cells_of(shown).set_index("metric")
    assert list(table.index) == ["Wanda", "STD†"]
    assert list(table["50 %"]) == ["not run", "20.09"] and list(table["90 %"]) == ["20.09"] * 2
    assert "Computed earlier" in shown.data and "mlp.down_proj" in shown.data


def test_layer_types_are_compared_on_the_models_that_both_metrics_pruned(there):
    layer, other = {"layers": ["mlp.down_proj"]}, {"layers": ["self_attn.q_proj"]}
    small = [record(method="dense", level=2.0), record(**layer), record(method="std", **layer)]
    small += [record(**other), record(method="std", **other)]
    there(*small, record(LARGE, method="dense"), record(LARGE, **layer))
    ran = tables.layers.of_real_models()
    assert set(ran["model"]) == {SMALL}
    assert set(ran["layer"]) == {"dense", "mlp.down_proj", "self_attn.q_proj"}
    assert set(ran["metric"]) == {"dense", "wanda", "std"}
    assert set(tables.layers.of_real_models(tables.layers.mlp_types)["layer"]) == {
        "dense", "mlp.down_proj",
    }  # fmt: skip


def asked(task, right, questions=1277, **more):
    """What a cell answered: the first `right` of so many questions."""
    share = right / questions
    answers = {"correct": [1] * right + [0] * (questions - right), "count": questions}
    known = {"task": task, "questions": f"{task} {questions}", "biases": "kept", "seconds": 5.0}
    known |= {"accuracy": share, "standard_error": 0.03, "calibration": "c"}
    return record(**(known | answers | more))


def test_answers_stand_with_the_number_of_their_questions(there):
    there(record(calibration="c"), asked("rte", 639))
    (row,) = cells_of(real.zero_shot(["wanda"], ["0.5"])).itertuples()
    assert row.rte == "50.0 ± 3.0 of 1,277" and row.method == "Wanda"


def test_methods_that_were_asked_the_same_are_compared_question_by_question(there):
    cells = [record(method=m, level=v, calibration="c") for m, v in (("wanda", 3), ("stade", 4))]
    both = [asked("rte", 900, method=m) for m in ("wanda", "stade")]
    more = [asked("boolq", 800), asked("boolq", 700, method="stade")]
    there(*cells, *both, *more)
    table = cells_of(real.zero_shot(["wanda", "stade"], ["0.5"]))
    means = [f"{mean} ± 2.1" for mean in (66.6, 62.6)]
    assert list(table["mean of the tasks"]) == means
    assert list(table["method"]) == [
        "Wanda",
        "STADE",
    ]  # in the order of Table 1, tasks in the paper's
    assert list(table.columns[-2:]) == ["boolq", "rte"]
    (row,) = tables.accuracy.real_above(["0.5", "2:4"]).itertuples()
    assert (row.tasks, row.questions, row.verdict) == (2, 2554, "contradicted")
    assert row.points.startswith("−3.9 (−4.") and "contradicted" in text_of(
        real.zero_shot(["wanda", "stade"], ["0.5"])
    )
    follows = tables.accuracy.real_follows(["0.5"])
    assert str(follows) == "supported 1, open 0, contradicted 0 of 1 (+3.9 points)"
    said = tables.accuracy.real_glue(["0.5"])
    assert said["real"].endswith("points, contradicted, in 2,554 questions of 2 tasks")
    assert said["real_follows"] == str(follows)
    there(*cells, *both, more[0])
    table = cells_of(real.zero_shot(["wanda", "stade"], ["0.5"]))
    assert list(table["mean of the tasks"]) == [means[0], "not run"]
    assert tables.accuracy.real_above(["0.5"])["verdict"].item() == "open"
    assert set(tables.accuracy.real_glue(["2:4"]).values()) == {"not run here"}


def test_without_a_record_that_fits_the_command_is_there(there):
    for rows in ([], [record(pattern="4:8")]):
        there(*rows)
        for shown, word in (
            (real.table(["stade"], ["0.5"]), "--methods stade --patterns 0.5"),
            (real.by_layer(tables.layers.mlp_types, ["0.9"]), "--layers mlp.gate_proj,mlp.up_proj"),
            (real.zero_shot(["stade"], ["0.5"]), "-p tasks official"),
        ):
            said = text_of(shown)
            assert said.startswith("Not run on a real model yet.") and word in said


def test_the_opening_page_counts_what_real_models_show_and_names_what_is_missing(there):
    there(
        record(), record(method="stade", level=3.1, losses=[3.09, 3.1, 3.11]),
        record(pattern="2:4"), record(method="stade", pattern="2:4", losses=[3.2, 2.9, 3.0]),
    )  # fmt: skip
    ran = earlier.frame([SMALL])
    said = real.opening(ran, earlier.against(ran))
    assert said["stade"].startswith("lower in 0, open in 1, higher in 1 of 2 (")
    assert said["std"] == "not run" and said["seeds"] == "1"
    assert "135 M" in said["models"] and said["missing"].startswith("Gemma 3 270M")


def test_the_opening_page_names_a_small_model_that_is_in_no_package(there):
    there(record("stories260k"), record("stories260k", "stade"))
    ran = earlier.frame(["stories260k"])
    said = real.opening(ran, earlier.against(ran))
    assert said["models"] == "stories260k (0.26 M)" and "SmolLM2" in said["missing"]


def test_a_cell_can_be_computed_again_where_its_model_and_texts_are(tmp_path, monkeypatch):
    row = record()
    monkeypatch.setattr(packaged, "is_here", lambda name: name == SMALL)
    assert not real.at_hand(row, None) and not real.at_hand(None, tmp_path)
    for name in earlier.TEXTS:
        (tmp_path / name).write_text("text")
    assert real.at_hand(row, tmp_path) and not real.at_hand(record(LARGE), tmp_path)
    monkeypatch.setattr(real.paths, "TEXTS", tmp_path)
    assert real.texts_in(None) == tmp_path and real.texts_in("there") == Path("there")


def test_cells_are_parted_by_their_share_and_those_of_more_than_half_left_out():
    patterns = ["dense", "0.05", "0.45", "0.5", "2:4", "4:8", "0.7"]
    ran = pandas.DataFrame({"pattern": patterns})
    most, mild = real.by_share(ran)
    assert list(most["pattern"]) == ["dense", "0.5", "2:4", "4:8"]
    assert list(mild["pattern"]) == ["dense", "0.05", "0.45"]
    assert real.by_share(ran[ran["pattern"].isin(["dense", "0.5"])])[1].empty
