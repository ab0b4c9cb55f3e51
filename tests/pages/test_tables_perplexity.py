"""What a table of perplexities takes and how it is laid out."""

from types import SimpleNamespace

import pandas
from tiny_models import build
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from stade_book.claims import paper
from stade_book.pages import html, models, tables
from stade_nb.engine.cell import DENSE, Cell
from stade_nb.models import saving
from stade_nb.numerics.masks import parse_pattern

METHODS = ["magnitude", "wanda", "stade"]


def test_cells_are_dense_first_and_magnitude_has_its_scope():
    cells = tables.perplexity.cells(["magnitude", "wanda"], ["0.5", "2:4"], "layer", [3])
    assert cells == [
        DENSE,
        Cell("magnitude", parse_pattern("0.5", "layer")),
        Cell("wanda", "0.5", seed=3),
        Cell("magnitude", "2:4"),
        Cell("wanda", "2:4", seed=3),
    ]


def test_only_what_depends_on_the_seed_has_a_cell_for_each():
    cells = tables.perplexity.cells(["magnitude", "random", "wanda"], ["2:4"], "layer", [4, 7])
    assert [(cell.method.name, cell.seed) for cell in cells[1:]] == [
        ("magnitude", 0), ("random", 4), ("random", 7), ("wanda", 4), ("wanda", 7),
    ]  # fmt: skip


def test_several_seeds_are_shown_as_mean_and_standard_deviation(ran):
    wide = tables.perplexity.layout(ran.assign(perplexity=ran["seed"] + 1.0)).set_index(
        ["method", "sparsity"]
    )
    assert f"{wide.loc[('Wanda', '2:4'), 'one']:.2f}" == "1.50 ± 0.71"
    assert f"{wide.loc[('Magnitude', '2:4'), 'one']:.2f}" == "1.00"
    # Shown by a table of a page as well, one beside the other.
    shown = html.table(wide.reset_index(), {"one": "{:.2f}"}).data
    assert "1.50 ±\N{NO-BREAK SPACE}0.71" in shown


def test_labels_are_short_where_they_stay_apart():
    assert models.labels(["a/opt", "/x/llama/", "b/opt", "tiny"]) == {
        "a/opt": "a/opt",
        "/x/llama/": "llama",
        "b/opt": "b/opt",
        "tiny": "tiny",
    }


def test_the_papers_table_comes_out_as_it_is_printed():
    wide = tables.perplexity.layout(tables.perplexity.printed(3, METHODS, ["0.5", "2:4", "4:8"]))
    assert list(wide.columns) == ["method", "sparsity", *paper.table(3)["model"].unique()]
    rows = {(row.method, row.sparsity): row for row in wide.itertuples()}
    assert rows["Dense", "0 %"][3] == 5.68
    assert rows["Magnitude", "50 %"][3] == 17.29
    assert rows["STADE", "4:8"][-1] == 20.29
    assert len(wide) == 10


def test_table_6_says_which_methods_update_weights():
    printed = tables.perplexity.printed(6, ["sparsegpt", "sparsegpt_without_update"], ["2:4"])
    wide = tables.perplexity.layout(printed, update=True)
    assert list(wide["method"]) == ["Dense", "SparseGPT", "SparseGPT (w/o update)"]
    assert list(wide["weight_update"]) == [False, True, False]


def test_run_gives_a_row_for_each_seed_and_says_what_the_model_is(workplace, tmp_path):
    words = Tokenizer(WordLevel({f"w{number}": number for number in range(64)}, unk_token="w0"))
    words.pre_tokenizer = Whitespace()
    for name, folder in (("llama", "model"), ("opt", "opt-125m")):
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
        saving.save(build(name), tokenizer, tmp_path / folder)
    text = "\n\n".join(" ".join(f"w{i * j % 64}" for j in range(1, 21)) for i in range(1, 12))
    (tmp_path / "text.txt").write_text(text)
    p = SimpleNamespace(
        models=[str(tmp_path / "model"), str(tmp_path / "opt-125m")],
        methods=["magnitude", "wanda"], patterns=["2:4"], magnitude_scope="layer",
        calibration=str(tmp_path / "text.txt"),
        evaluation=str(workplace / "evaluation.npy"), windows=4, evaluation_windows=None,
        window_length=16, seeds=[0, 5], device="cpu", dtype="float32", batch_size=4,
        results_dir=str(tmp_path / "results"),
    )  # fmt: skip
    ran = tables.perplexity.run(p)
    assert list(ran["method"]) == ["dense", "magnitude", "wanda", "wanda"] * 2
    assert list(ran["seed"]) == [0, 0, 0, 5] * 2
    assert list(ran["family"]) == ["llama"] * 4 + ["opt"] * 4
    assert ran["paper_model"].isna().tolist() == [True] * 4 + [False] * 4
    assert set(ran["paper_model"].dropna()) == {"opt-125m"}
    two = ran.query("method == 'wanda' and model == 'model'")
    assert two["perplexity"].nunique() == two["calibration"].nunique() == 2
    stems = {path.stem for path in (tmp_path / "results").glob("*.json")}
    assert set(ran["record"]) == stems and ran["record"].is_unique
    # Other cells by the same parameters; what they share is found.
    again = tables.perplexity.run(p, tables.perplexity.cells(["wanda"], ["2:4"], "layer", [5]))
    assert again["perplexity"].tolist()[:2] == ran["perplexity"].tolist()[:4:3]


def test_relative_perplexity_is_that_over_dense(ran):
    relative = ran.set_index(["model", "method", "pattern"])["relative"]
    assert relative["one", "dense", "dense"] == 1
    assert relative["two", "magnitude", "0.5"] == 2


def test_facts_name_models_and_tokens_by_their_hashes(ran):
    p = SimpleNamespace(
        calibration="c4", evaluation="wikitext2", windows=128, evaluation_windows=None,
        window_length=None, seeds=[0, 1], dtype="float32", device="cpu",
        results_dir="build/results",
    )  # fmt: skip
    facts = tables.perplexity.facts(p, ran)
    assert facts["models"] == f"one {'f' * 12}, two {'f' * 12}"
    both = f"{'c' * 12} {'d' * 12}"
    assert facts["calibration tokens"] == f"one {both}, two {both}"
    assert facts["calibration"].endswith("seeds 0, 1")
    assert facts["seconds of computing"] == "33"
    assert not [name for name in facts if name.startswith("embedded")]


def test_facts_say_which_models_were_pruned_already_when_loaded(ran):
    p = SimpleNamespace(
        calibration="c4", evaluation="wikitext2", windows=128, evaluation_windows=None,
        window_length=None, seeds=[0, 1], dtype="float32", device="cpu", results_dir="results",
    )  # fmt: skip
    dense, half = {"zeros": 0, "size": 2304}, {"zeros": 1152, "size": 2304}
    loaded = [half if model == "two" else dense for model in ran["model"]]
    facts = tables.perplexity.facts(p, ran.assign(loaded=loaded))
    said = "two 1,152 of 2,304 weights of the blocks' linear layers (50.000%)"
    assert facts[tables.perplexity.ZEROS] == said
    # Of none there is nothing to say, and earlier versions' records of Table 4 say nothing.
    for other in (dense, None, float("nan")):
        some = ran.assign(loaded=[other] * len(ran))
        assert tables.perplexity.ZEROS not in tables.perplexity.facts(p, some)
    assert tables.perplexity.ZEROS not in tables.perplexity.facts(p, ran)


def test_facts_say_where_an_embedded_text_is_not_the_recorded_one(ran, monkeypatch):
    said = {"calibration": None, "evaluation": "the embedded evaluation text differs"}
    monkeypatch.setattr("stade_nb.corpus.documents.difference", said.get)
    p = SimpleNamespace(
        calibration="embedded", evaluation="embedded", windows=128, evaluation_windows=None,
        window_length=None, seeds=[0, 1], dtype="float32", device="cpu", results_dir="results",
    )  # fmt: skip
    facts = tables.perplexity.facts(p, ran)
    assert facts["embedded evaluation text"] == said["evaluation"]
    assert "embedded calibration text" not in facts


def test_each_row_names_the_record_it_was_read_from(ran):
    records = tables.perplexity.records(ran)
    assert (
        list(records["record"]) == [key[:12] for key in ran["record"]] and "layers" not in records
    )
    assert tuple(records.iloc[2])[:4] == ("one", "Wanda", "50 %", 0)
    some = tables.perplexity.records(ran.assign(layers=[["fc1", "fc2"]] * len(ran)))
    assert set(some["layers"]) == {"fc1, fc2"}


def test_equal_parameters_leave_as_many_as_without_added_biases():
    plain = {"zeros": {"a": 4, "b": 4}, "sizes": {"a": 8, "b": 8}, "added_bias": {"a": 2, "b": 0}}
    paid = plain | {"zeros": {"a": 6, "b": 4}}
    ran = pandas.DataFrame(
        [
            {"method": "dense", "zeros": {}, "sizes": {}, "added_bias": {}, "perplexity": 2.0},
            {"method": "stade", "perplexity": 3.0} | plain,
            {"method": "stade_equal_parameters", "perplexity": 3.5} | paid,
        ]
    )
    kept, equal = tables.perplexity.parameters_left(ran).to_dict("records")
    assert kept == {"method": "STADE", "zeros": 8, "biases": 2, "left": 10 / 16, "perplexity": 3.0}
    assert (equal["method"], equal["left"]) == ("STADE, equal parameters", 0.5)
