"""`make one`: what it is given reaches the notebook, what is wrong is said before the run."""

import json
import re
import shutil
import time

import nbformat
import papermill
import pytest

from stade_book.claims.verdicts import Count, Verdict
from stade_book.pages import fields, notebooks
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


def test_a_model_is_the_example_of_a_page_too(tmp_path):
    for name in ("audit_theory", "audit_code"):
        given = one.parameters(profiles.NOTEBOOKS / f"{name}.ipynb", "opt-340k", None)
        assert given == {"models": ["opt-340k"], "example": "opt-340k"}
    file = tmp_path / "mine.yaml"
    file.write_text("example: llama-230k\n")
    audit = profiles.NOTEBOOKS / "audit_code.ipynb"
    assert one.parameters(audit, None, file) == {"example": "llama-230k"}


def test_a_model_goes_to_the_one_parameter_that_takes_it():
    speed = profiles.NOTEBOOKS / "sparse_speed.ipynb"
    assert one.parameters(speed, "opt-125m", None) == {"model": "opt-125m"}
    one.check(speed, {"model": "opt-125m"})
    with pytest.raises(StadeError, match=r"unknown shape 'llama-230k'.*known: .*smollm2-135m"):
        one.check(speed, {"model": "llama-230k"})


def test_a_misspelt_notebook_ends_with_status_2_and_the_nearest_name(capsys):
    assert one.main(["table3_perplexty", "--model", "llama-230k"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'table3_perplexity'?" in said and said.count("\n") == 1
    assert one.located("notebooks/bias.ipynb") == profiles.NOTEBOOKS / "bias.ipynb"


@pytest.fixture
def unused(tmp_path, monkeypatch):
    """A folder for what a run leaves, and no run."""
    monkeypatch.setattr(one, "FOLDER", tmp_path / "one")
    monkeypatch.setattr(one, "run", lambda *given: pytest.fail(f"ran {given}"))
    return tmp_path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("windows: many", "windows = 'many' of table3_perplexity.ipynb: expected a whole number"),
        ("patterns: [2:4]", "YAML reads an unquoted 2:4 as 124"),
        ("models: [llama-230k, llama-23k]", "no model 'llama-23k': did you mean 'llama-230k'?"),
        ("calibration: embeded", "unknown text source 'embeded': did you mean 'embedded'?"),
        ("evaluation: wiki.tset.raw", "no file 'wiki.tset.raw'"),
        ("evaluation: c4", "source 'c4' is for calibration here"),
        ("device: cdua", "unknown device 'cdua': did you mean 'cuda'?"),
    ],
)
def test_a_wrong_value_ends_before_the_run_with_one_line(unused, capsys, content, said):
    file = unused / "mine.yaml"
    file.write_text(content)
    assert one.main(["table3_perplexity", "--parameters", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and not (unused / "one").exists()


def test_a_misspelt_model_ends_before_the_run_with_the_nearest_name(unused, capsys):
    assert one.main(["table3_perplexity", "--model", "llama-23k"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("no model 'llama-23k': did you mean 'llama-230k'?")
    assert not (unused / "one").exists()


def test_a_model_that_need_not_be_here_is_not_looked_for():
    one.check(TABLE3, {"models": ["facebook/opt-125m"]})  # a hub id, which nobody is asked about
    one.check(profiles.NOTEBOOKS / "real_models.ipynb", {"models": ["babygpt-shakespeare"]})


@pytest.mark.parametrize("path", sorted(profiles.NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_notebook_can_be_run_with_its_defaults(path):
    one.check(path, {})


DECIDES = (
    "from stade_book.claims import scorecard, verdicts\n"
    "count = verdicts.Count(3, 1, 0)\n"
    "scorecard.write('mini', [verdicts.Verdict('more-general', by='runs', rule='a < b', "
    "count=count, where=models[0])]);"
)


class Mini(fields.Parameters):
    models: fields.Several[fields.ModelName]


@pytest.fixture
def mini(tmp_path, monkeypatch):
    """A notebook that stands for a table, with the cells that it is called with; and its page."""

    def write(*sources):
        new = nbformat.v4
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [new.new_code_cell(text, id=f"b{at}") for at, text in enumerate(sources)]
        tagged = {"tags": ["parameters"]}
        first = new.new_code_cell("models = 'embedded'", metadata=tagged, id="a")
        notebook = new.new_notebook(cells=[first, *cells], metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "mini.ipynb")

    def page(done):
        html = done.parent / "_build" / "mini.html"
        html.parent.mkdir()
        html.write_text(done.read_text("utf-8"), "utf-8")
        done.with_suffix(".log").write_text("built")
        return html

    monkeypatch.setattr(one, "located", lambda name: tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(one, "FOLDER", tmp_path / "one")
    monkeypatch.setattr(one, "page", page)
    monkeypatch.setitem(notebooks.NOTEBOOKS, "mini", Mini)
    monkeypatch.setenv("STADE_NB_VERDICTS", "")  # set back afterwards
    return write


def there(folder):
    """The files below a folder, with what is in them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def test_a_run_keeps_its_verdicts_to_itself_and_prints_them(mini, tmp_path, capsys):
    mini(DECIDES)
    assert one.main(["mini", "--model", "llama-230k"]) == 0
    folder = tmp_path / "one" / "mini-llama-230k"
    assert json.loads((folder / "mini.json").read_text())[0]["where"] == "llama-230k"
    said = capsys.readouterr().out
    assert "\n  supported 3, open 1, contradicted 0 of 4\n" in said
    assert re.fullmatch(r"\d+ s", said.splitlines()[-1])
    assert f"page: {folder / '_build' / 'mini.html'}\nnotebook: {folder / 'mini.ipynb'}" in said


def test_what_the_run_found_comes_first_and_records_in_a_line():
    other = {"by": "records", "rule": "", "where": "smollm2-135m, gemma-3-270m"}
    found = [
        Verdict("more-general", count=Count(5, 1, 2), **other),
        Verdict("opt-alike", "runs", "", Count(0, 0, 0)),
        Verdict("more-general", "runs", "", Count(2, 0, 0, -0.2, -0.1, note="left out: nothing")),
    ]
    lines = one.told(found, 72).splitlines()
    assert lines[0].startswith("supported: ") and "(more-general, by runs)" in "".join(lines[:2])
    assert "  supported 2, open 0, contradicted 0 of 2 (−20.0 to −10.0 %)" in lines
    assert "  left out: nothing" in lines and max(map(len, lines)) <= 72
    (not_run,) = (at for at, line in enumerate(lines) if line.startswith("not run here: "))
    text = "by records of smollm2-135m, gemma-3-270m, computed earlier: 1 more, on the page"
    assert not_run > 2 and " ".join(" ".join(lines).split()).endswith(text)
    assert "contradicted 2 of 8" not in "".join(lines)


def test_a_page_of_records_alone_says_all_of_them():
    found = [Verdict("more-general", "records", "", Count(5, 1, 2), "smollm2-135m")]
    assert "\n  supported 5, open 1, contradicted 2 of 8" in one.told(found, 80)
    assert one.told([], 80) == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(38.6, "39 s"), (119.4, "119 s"), (120, "2.0 minutes")]
)
def test_a_time_is_in_seconds_below_two_minutes(seconds, said):
    assert one.elapsed(seconds) == said


def test_the_time_at_the_end_is_of_all_that_was_done(mini, monkeypatch, capsys):
    mini("print('an answer')")
    monkeypatch.setattr(one, "run", lambda notebook, given, folder: notebook)
    monkeypatch.setattr(one, "settle", lambda folder: folder.mkdir(parents=True))
    monkeypatch.setattr(one, "loaded_zeros", lambda notebook: "")
    monkeypatch.setattr(one, "page", lambda done: time.sleep(1.5))
    assert one.main(["mini"]) == 0
    assert int(capsys.readouterr().out.splitlines()[-1].removesuffix(" s")) >= 1


def test_two_runs_of_one_page_and_model_are_not_mixed(mini, tmp_path, capsys):
    mini(DECIDES)
    folder = tmp_path / "one" / "mini-llama-230k"
    with one.alone(folder):
        assert one.main(["mini", "--model", "llama-230k"]) == 2
        assert not folder.exists()
        assert one.main(["mini", "--model", "opt-340k"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert "another run of mini-llama-230k goes on: wait until it ends, or stop it" in said
    assert one.main(["mini", "--model", "llama-230k"]) == 0
    assert there(folder)


def test_a_run_that_fails_leaves_what_an_earlier_one_has_left(mini, tmp_path, capsys):
    mini(DECIDES)
    assert one.main(["mini"]) == 0
    folder = tmp_path / "one" / "mini-defaults"
    before = there(folder)
    assert set(before) == {"mini.ipynb", "mini.json", "mini.log", "_build/mini.html"}
    capsys.readouterr()
    bad = "import stade_nb\nstade_nb.parse_pattern('2of4')"
    mini(DECIDES.replace("(3, 1, 0)", "(0, 1, 3)"), bad)
    assert one.main(["mini"]) == 2
    *_, line = capsys.readouterr().err.splitlines()  # the kernel has its own to say
    kept = folder / "failed" / "mini.ipynb"
    assert line.startswith("mini.ipynb, cell 2: pattern '2of4': expected") and str(kept) in line
    assert nbformat.read(kept, 4).cells[-1].source == bad
    after = there(folder)
    assert set(after) == {*before, "failed/mini.ipynb"} and before.items() <= after.items()
    # The next one that ends well takes the place of all of it.
    mini(DECIDES, "print('again')")
    assert one.main(["mini"]) == 0
    assert set(there(folder)) == set(before) and "again" in there(folder)["_build/mini.html"]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted; cells with a record are kept, and the same"),
        (OSError(28, "No space left on device"), 2, "[Errno 28] No space left on device"),
        (RuntimeError("Kernel died before replying"), 2, "mini.ipynb: the kernel failed; the"),
    ],
)
def test_what_ends_a_run_from_outside_is_said_without_a_traceback(
    mini, tmp_path, capsys, monkeypatch, error, status, line
):
    """As papermill does: the notebook is written before the kernel is asked for."""

    def ended(source, done, *_, **__):
        shutil.copy(source, done)
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", ended)
    mini(DECIDES)
    assert one.main(["mini"]) == status
    said = capsys.readouterr().err
    assert said.startswith(line) and "Traceback" not in said


def test_a_page_that_is_not_written_leaves_no_earlier_one_beside_the_notebook(
    mini, tmp_path, monkeypatch, capsys
):
    mini(DECIDES)
    assert one.main(["mini"]) == 0
    monkeypatch.setattr(one, "page", lambda done: None)
    assert one.main(["mini"]) == 0
    folder = tmp_path / "one" / "mini-defaults"
    assert f"no page was written, see {folder / 'mini.log'}" in capsys.readouterr().out
    assert "_build/mini.html" not in there(folder)


ZEROS = (
    "from stade_book.pages import provenance\n"
    "import pandas\n"
    "from stade_book.pages.tables import perplexity\n"
    "ran = pandas.DataFrame([{'model': 'mine', 'loaded': {'zeros': 1152, 'size': 2304}}])\n"
    "provenance.shown(**{perplexity.ZEROS: perplexity.zeros_as_loaded(ran)})"
)


def test_zeros_that_a_model_came_with_are_said(mini, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    mini(ZEROS)
    assert one.main(["mini"]) == 0
    said = capsys.readouterr().out
    zeros = "mine 1,152 of 2,304 weights of the blocks' linear layers (50.000 %)"
    assert f"\nas loaded, some weights are zero: {zeros}\n" in said
    mini("print('an answer')")
    assert one.main(["mini"]) == 0
    assert "as loaded" not in capsys.readouterr().out


def test_a_page_that_decides_no_claim_says_so(mini, capsys):
    mini("print('an answer')")
    assert one.main(["mini"]) == 0
    said = capsys.readouterr().out
    assert "mini decides no claim of the paper: what this run found is in the tables of" in said


def run_here(name, **given):
    """Run a notebook's code cells in this process, as a kernel would."""
    notebook, variables = nbformat.read(profiles.NOTEBOOKS / f"{name}.ipynb", 4), {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, variables)
            variables |= given if "parameters" in cell.metadata.get("tags", []) else {}


OF_ONE_MODEL = (
    ("real_models", {"models": ["babygpt-shakespeare"], "recompute": "never"}),
    ("real_models", {"models": ["gemma-3-270m"], "recompute": "never"}),
    ("calibration_texts", {"models": ["gemma-3-270m"]}),
)


@pytest.mark.parametrize(("name", "given"), OF_ONE_MODEL)
def test_a_page_of_records_alone_can_be_run_on_one_model(name, given):
    run_here(name, **given)


@pytest.mark.parametrize(
    ("name", "model"),
    [("real_models", "llama-230k"), ("calibration_texts", "babygpt-shakespeare")],
)
def test_a_page_of_records_alone_names_the_model_that_has_none(name, model):
    with pytest.raises(StadeError, match=f"no records .*of '?{model}.*smollm2-135m") as caught:
        run_here(name, models=[model])
    assert str(caught.value).count(model) == 1  # it is not among those that have some
