"""Whether a notebook can take a model is known before the run, without the model's weights."""

import json
from pathlib import Path

import pytest

from stade_nb.errors import StadeError
from stade_nb.models import loading
from stade_nb.models.packaged import packaged_models
from workflow import one, one_fits, profiles


def notebook(name):
    return profiles.NOTEBOOKS / f"{name}.ipynb"


@pytest.fixture
def narrow(tmp_path):
    """A model's folder as far as its configuration: 172 inputs of down_proj, and no weights."""
    known = json.loads((loading.EMBEDDED / "llama-230k" / "config.json").read_text("utf-8"))
    folder = tmp_path / "narrow"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(known | {"intermediate_size": 172}))
    return str(folder)


@pytest.mark.parametrize(
    ("name", "given", "remedy"),
    [
        ("table3_perplexity", {}, 'patterns: ["0.5", "2:4"]'),
        ("table3_perplexity", {"patterns": ["4:8"]}, 'patterns: ["2:4"]'),
        ("audit_code", {}, 'patterns: ["0.5", "2:4"]'),
        ("load_anywhere", {"pattern": "4:8"}, 'pattern: "2:4"'),
    ],
)
def test_a_pattern_that_does_not_divide_a_layer_is_refused_before_the_run(
    narrow, name, given, remedy
):
    with pytest.raises(StadeError) as caught:
        one.check(notebook(name), given | {"models": [narrow]})
    said = str(caught.value)
    assert f"{name} cannot prune {narrow!r} at 4:8: mlp.down_proj has 172 inputs" in said
    assert said.endswith(f"; set {remedy} in the file of PARAMETERS")


def test_patterns_that_fit_are_taken(narrow):
    one.check(notebook("table3_perplexity"), {"models": [narrow], "patterns": ["0.5", "2:4"]})
    one.check(notebook("table2_layer_types"), {"models": [narrow]})  # it takes shares alone


def test_the_example_of_a_page_is_looked_at_too(narrow):
    with pytest.raises(StadeError, match="172 inputs"):
        one.check(notebook("audit_theory"), {"example": narrow})


def test_where_no_pattern_fits_another_one_is_named(narrow):
    """2:4 where it fits, a share where it does not."""
    with pytest.raises(StadeError, match=r'at 2:7: .* no multiple of 7; set patterns: \["2:4"\]'):
        one.check(notebook("table3_perplexity"), {"models": ["llama-230k"], "patterns": ["2:7"]})
    config = Path(narrow) / "config.json"
    config.write_text(config.read_text().replace("172", "174"))
    with pytest.raises(StadeError, match=r'at 2:4: .* no multiple of 4; set patterns: \["0.5"\]'):
        one.check(notebook("table3_perplexity"), {"models": [narrow], "patterns": ["2:4"]})


def test_a_model_that_is_not_here_is_not_fetched(monkeypatch):
    monkeypatch.setattr(loading, "folder_of", lambda name: pytest.fail(f"fetched {name}"))
    assert one_fits.without_weights("facebook/opt-125m") is None
    for name in packaged_models():
        assert one_fits.without_weights(name) is not None
    one.check(notebook("load_anywhere"), {"models": ["smollm2-135m"]})


@pytest.mark.parametrize(
    ("name", "model", "why"),
    [
        ("bias", "llama-230k", "bias takes no model: leave MODEL out"),
        ("embedded_models", "smollm2-135m", "model 'smollm2-135m' has no training.json"),
        ("calibration_texts", "llama-230k", "calibration_texts shows records, and prunes no model"),
        ("real_models", "llama-230k", "real_models shows records, and prunes no model"),
        ("sparse_speed", "llama-230k", "times layers of a shape of data/shapes.json, and takes no"),
        ("load_anywhere", "opt-340k", "load_anywhere cannot write 'opt-340k' in every way"),
    ],
)
def test_a_model_that_a_notebook_cannot_take_is_refused_with_those_that_can(
    monkeypatch, capsys, name, model, why
):
    monkeypatch.setattr(one, "run", lambda *given: pytest.fail(f"ran {given}"))
    assert one.main([name, "--model", model]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    others = line.partition("; for a model of your own: ")[2].split(", ")
    assert why in line and "table3_perplexity" in others and name not in others


def test_a_folder_whose_tokenizer_fits_no_gguf_file_is_refused_by_its_name(workplace):
    folder = str(workplace / "model")
    with pytest.raises(StadeError, match=f"load_anywhere cannot write '{folder}' in every way"):
        one.check(notebook("load_anywhere"), {"models": [folder]})


def test_models_with_records_and_those_trained_here_are_taken():
    one.check(notebook("embedded_models"), {"models": ["opt-340k"]})
    one.check(notebook("calibration_texts"), {"models": ["gemma-3-270m"]})


def test_the_page_on_ones_own_model_lists_every_notebook():
    """In one of three rows: its own model, records, none."""
    text = (profiles.ROOT / "book" / "run_yourself.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`table" in line]
    (row,) = rows
    assert sorted(one_fits.own()) == sorted(row.split("|")[2].replace("`", "").strip().split(", "))
