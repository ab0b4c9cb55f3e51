"""Table 2: which cells it takes, and how it is laid out, counted and drawn."""

from types import SimpleNamespace

import pandas
import pytest
from layer_frames import SPARSITIES, frame
from tiny_models import CONFIGS, build

from stade_book import claims
from stade_book.claims import paper
from stade_book.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED
from stade_book.pages import html, tables
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.errors import StadeError
from stade_nb.models import architectures, loading

NINE = [f"0.{tenth}" for tenth in range(1, 10)]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_models_types_are_known_without_its_weights(name, tmp_path):
    CONFIGS[name].save_pretrained(tmp_path)
    types = tables.layers.types_of(str(tmp_path))
    assert set(types) == set(architectures.layer_types(build(name)))
    assert types == sorted(types, key=architectures.ORDER.index)
    assert not any(
        layer.startswith("self_attn") for layer in tables.layers.mlp_types(str(tmp_path))
    )


def test_types_are_those_of_table_2_in_its_order():
    assert tables.layers.types_of("llama-390k") == list(dict.fromkeys(paper.table(2)["layer"]))
    assert tables.layers.types_of("opt-340k")[2:] == [
        "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2",
    ]  # fmt: skip
    assert tables.layers.mlp_types("opt-340k") == ["fc1", "fc2"]


def test_an_architecture_is_refused_by_its_name(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(StadeError, match=r"unknown architecture of .* 'gpt2'"):
        tables.layers.types_of(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "lama"}')
    with pytest.raises(StadeError, match="cannot load"):
        loading.architecture(str(tmp_path))


@pytest.mark.parametrize(("name", "count"), [("llama-390k", 126), ("opt-340k", 108)])
def test_every_type_metric_and_sparsity_has_its_cell(name, count):
    types = tables.layers.types_of(name)
    dense, *cells = tables.layers.cells(types, NINE, [0])
    assert dense == DENSE and len(set(cells)) == count
    assert Cell("std", "0.7", "self_attn.v_proj") in cells
    twice = tables.layers.cells(types, NINE, [3, 5])
    assert len(set(twice)) == 2 * count + 1 and {cell.seed for cell in twice[1:]} == {3, 5}


def test_figure_1_asks_for_no_cell_that_table_2_does_not_have():
    name = "llama-390k"
    figure = tables.layers.cells(tables.layers.mlp_types(name), NINE, [0, 1])
    assert set(figure) < set(tables.layers.cells(tables.layers.types_of(name), NINE, [0, 1]))


def test_predicted_is_what_the_paper_marks():
    marked = paper.table(2).query("predicted_better == 1").groupby("layer")["metric"].first()
    assert {layer: claims.layers.predicted(layer) for layer in marked.index} == marked.to_dict()


def test_table_2_comes_out_as_it_is_printed():
    table = tables.layers.layout(claims.layers.printed_rows(), claims.layers.PRINTED)
    assert list(table.columns[3:]) == [f"{10 * n} %" for n in range(1, 10)]
    assert len(table) == 14
    rows = table.set_index(["layer", "metric"])
    assert rows.loc[("q_proj", "Wanda†"), "90 %"] == 15.05
    assert rows.loc[("down_proj", "STD†"), "80 %"] == 10.06
    assert rows.loc[("down_proj", "Wanda"), "input"] == "not centred"
    assert list(table["metric"][6:10]) == ["Wanda", "STD†", "Wanda†", "STD"]
    assert "dense 5.68" in tables.layers.heading(
        claims.layers.printed_rows(), claims.layers.PRINTED
    )


def test_several_seeds_are_shown_as_mean_and_standard_deviation():
    ran = frame({})
    table = tables.layers.layout(ran, "one")
    assert list(table["layer"].unique()) == ["q_proj", "fc1", "fc2"]
    cell = table.set_index(["layer", "metric"]).loc[("fc1", "Wanda†"), "50 %"]
    perplexity = ran.query("layer == 'fc1' and metric == 'wanda' and sparsity == 0.5")["perplexity"]
    assert f"{cell:.4f}" == f"{perplexity.mean():.4f} ± {perplexity.std():.4f}"
    shown = html.table(table, {"50 %": "{:.2f}"}).data
    assert f"{cell:.2f}" in shown.replace("\N{NO-BREAK SPACE}", " ")


def test_the_papers_own_counts():
    counts = claims.layers.counts(claims.layers.printed_comparisons()).set_index("input")
    assert list(counts.loc["all", ["better", "equal", "worse"]]) == [34, 23, 6]
    assert set(counts["better_beyond_noise"]) == {"not printed"}


def test_comparisons_say_by_how_much_the_marked_metric_differs():
    ran = frame({("fc1", "wanda"): 0.1, ("fc2", "std"): -0.05, ("self_attn.q_proj", "std"): 1e-5})
    rows = claims.layers.compared(ran).set_index(["layer", "sparsity"])
    assert len(rows) == 3 * len(SPARSITIES)
    fc1, fc2, q = (rows.loc[(layer, 0.9)] for layer in ("fc1", "fc2", "self_attn.q_proj"))
    assert (fc1.predicted, fc1.outcome, fc1.verdict) == ("wanda", "worse", CONTRADICTED)
    assert fc1.change == pytest.approx(0.1052, abs=1e-4) and fc1.low > 0
    assert (fc2.predicted, fc2.outcome, fc2.verdict) == ("std", "better", SUPPORTED)
    # Equal in two decimals, and so is the noise: the windows differ by nothing but the shift.
    assert q.outcome == "equal" and q.wanda < q["std"]
    counts = claims.layers.counts(claims.layers.compared(ran)).set_index("input")
    assert list(counts.loc["all"])[1:4] == [3, 3, 3]
    assert counts.loc["not centred", "better_beyond_noise"] == 3
    assert list(claims.layers.compared(ran, claims.layers.is_mlp)["layer"].unique()) == [
        "fc1", "fc2",
    ]  # fmt: skip


def test_seeds_that_disagree_are_noise():
    ran = frame({("fc2", "std"): -0.05})
    other = (ran["layer"] == "fc2") & (ran["metric"] == "std") & (ran["seed"] == 1)
    ran.loc[other, "losses"] = ran.loc[other, "losses"].map(lambda w: [x + 0.06 for x in w])
    rows = claims.layers.compared(ran).set_index(["layer", "sparsity"])
    assert rows.loc[("fc2", 0.5), "verdict"] == OPEN


def test_the_comparisons_of_a_kind_of_input_share_the_confidence():
    ran = frame({}, noise=0.01)
    wide = claims.layers.compared(ran)
    narrow = claims.layers.compared(ran[(ran["layer"] == "fc2") & (ran["sparsity"] == 0.5)])
    same = wide[(wide["layer"] == "fc2") & (wide["sparsity"] == 0.5)]
    assert narrow["change"].item() == same["change"].item()
    assert narrow["high"].item() - narrow["low"].item() < (same["high"] - same["low"]).item()
    # One interval for a comparison, wherever it is shown: in the figure as in the verdict.
    for claim, _, rows in list(claims.layers.comparisons(ran))[:2]:
        shown = wide[wide["layer"].isin(rows["layer"])].reset_index(drop=True)
        assert len(rows) and shown.equals(rows.drop(columns="counts")), claim


def test_run_asks_each_model_for_its_own_types(monkeypatch):
    asked = {}

    def run(p, cells):
        asked.update((name, {cell.layers for cell in cells(name)}) for name in p.models)
        rows = [
            (name, cell.method.name, paper.DENSE if cell == DENSE else cell.pattern_name,
             "all" if cell == DENSE else [cell.layers])
            for name in p.models for cell in cells(name)
        ]  # fmt: skip
        return pandas.DataFrame(rows, columns=["model", "method", "pattern", "layers"])

    monkeypatch.setattr(tables.perplexity, "run", run)
    p = SimpleNamespace(models=["opt-340k", "llama-390k"], sparsities=["0.5"], seeds=[0, 1])
    ran = tables.layers.run(p)
    assert asked["opt-340k"] == {"all", *tables.layers.types_of("opt-340k")}
    assert list(ran["model"].unique()) == ["opt-340k", "llama-390k"]
    assert set(ran[ran["layer"] == "fc2"]["metric"]) == {"wanda", "std"}
    assert set(ran[ran["layer"] == paper.DENSE]["sparsity"]) == {0.0}
    tables.layers.run(p, tables.layers.mlp_types)
    assert asked["opt-340k"] == {"all", "fc1", "fc2"}


def test_each_layer_type_that_is_not_centred_in_words():
    ran = frame({("fc2", "std"): -0.01})
    said = tables.layers.uncentred_in_words(ran[ran["model"] == "one"])
    assert said.startswith("fc2: supported 3, open 0, contradicted 0 of 3 (") and ";" not in said
    assert tables.layers.uncentred_in_words(ran[ran["layer"] == "dense"]) == "not run here"
