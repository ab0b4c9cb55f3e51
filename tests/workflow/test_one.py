"""`make one`: what it is given reaches the notebook, what is wrong is said before the run."""

import json

import nbformat
import pytest

from stade_nb.errors import StadeError
from workflow import one, profiles

TABLE3 = profiles.NOTEBOOKS / "table3_perplexity.ipynb"


def test_a_model_and_a_file_of_parameters_reach_the_run(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text('windows: 16\npatterns: ["2:4"]\n')
    given = one.parameters(TABLE3, "smollm2-135m", file)
    assert given == {"windows": 16, "patterns": ["2:4"], "models": ["smollm2-135m"]}
    assert one.parameters(TABLE3, None, None) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("windws: 16", "did you mean 'windows'"),
        ("- windows", "expected lines such as 'windows: 128'"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, content, message):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(StadeError, match=message):
        one.parameters(TABLE3, None, file)
    with pytest.raises(StadeError, match="cannot be read"):
        one.parameters(TABLE3, None, tmp_path / "absent.yaml")


def test_a_notebook_without_models_takes_none():
    with pytest.raises(StadeError, match="bias takes no model: leave MODEL out"):
        one.parameters(profiles.NOTEBOOKS / "bias.ipynb", "llama-230k", None)


def test_a_misspelt_notebook_ends_with_status_2_and_the_nearest_name(capsys):
    assert one.main(["table3_perplexty", "--model", "llama-230k"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'table3_perplexity'?" in said and said.count("\n") == 1
    assert one.located("notebooks/bias.ipynb") == profiles.NOTEBOOKS / "bias.ipynb"


def test_a_run_keeps_its_verdicts_to_itself_and_prints_them(tmp_path, monkeypatch, capsys):
    """The notebook stands for a table: it writes a verdict as pages do."""
    new, kernel = nbformat.v4, {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [
        new.new_code_cell("models = 'embedded'", metadata={"tags": ["parameters"]}, id="a"),
        new.new_code_cell(
            "from stade_nb.claims import scorecard, verdicts\n"
            "count = verdicts.Count(3, 1, 0)\n"
            "scorecard.write('mini', [verdicts.Verdict('more-general', by='runs', rule='a < b', "
            "count=count, where=models[0])]);",
            id="b",
        ),
    ]
    notebook = new.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "mini.ipynb")
    monkeypatch.setattr(one, "located", lambda name: tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(one, "FOLDER", tmp_path / "one")
    monkeypatch.setattr(one, "page", lambda done: None)
    monkeypatch.setenv("STADE_NB_VERDICTS", "")  # set back afterwards
    assert one.main(["mini", "--model", "llama-230k"]) == 0
    folder = tmp_path / "one" / "mini-llama-230k"
    assert json.loads((folder / "mini.json").read_text())[0]["where"] == "llama-230k"
    said = capsys.readouterr().out
    assert "supported 3, open 1" in said and "minutes" in said
