"""Profiles hand each notebook its parameters, and name what they do not know."""

import shutil

import nbformat
import pytest

from stade_nb.errors import StadeError
from workflow import profiles


def write(path, cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)


@pytest.fixture
def folder(tmp_path):
    """Two notebooks and room for profiles."""
    for name, source in {"one": "windows = 3\nseed: int = 0", "two": "seed = 1"}.items():
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
        write(tmp_path / f"{name}.ipynb", [cell])
    (tmp_path / "parameters").mkdir()
    return tmp_path


def test_common_values_go_where_they_are_taken_and_own_values_win(folder):
    (folder / "parameters" / "small.yaml").write_text(
        "offline: true\ncommon: {windows: 4, seed: 7}\nnotebooks:\n  two: {seed: 8}\n"
    )
    assert profiles.load("small", folder) == {
        "one": {"profile": "small", "offline": True, "parameters": {"windows": 4, "seed": 7}},
        "two": {"profile": "small", "offline": True, "parameters": {"seed": 8}},
    }


def test_an_empty_profile_leaves_the_defaults(folder):
    (folder / "parameters" / "plain.yaml").write_text("# nothing to change\n")
    assert [run["parameters"] for run in profiles.load("plain", folder).values()] == [{}, {}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("comon: {seed: 1}", "unknown section of profile small 'comon': did you mean 'common'"),
        ("notebooks: {tow: {}}", "unknown notebook in profile small 'tow': did you mean 'two'"),
        ("notebooks: {one: {sead: 1}}", "unknown parameter of one in profile small 'sead'"),
        ("notebooks: {two: {windows: 1}}", "unknown parameter of two in profile small 'windows'"),
        ("common: {layers: 1}", "unknown common parameter in profile small 'layers'"),
        ("common: [seed]", r"common: \['seed'\] in profile small: expected \{name: value\}"),
        ("notebooks: seed", "notebooks: 'seed' in profile small: expected"),
        ("notebooks: {one: 3}", r"one: 3 in profile small: expected \{parameter: value\}"),
        ("offline: maybe", "offline: 'maybe' in profile small: expected true or false"),
        ("[common]", r"profile small is \['common'\]: expected the sections offline, common"),
        ("common: {", r"profile small \(small.yaml\) is no YAML: while parsing"),
        ("a: \0", r"profile small \(small.yaml\) is no YAML: unacceptable character"),
    ],
)
def test_names_what_it_does_not_know(folder, text, message):
    (folder / "parameters" / "small.yaml").write_text(text)
    with pytest.raises(StadeError, match=message):
        profiles.load("small", folder)


def test_names_the_profiles_there_are(folder):
    (folder / "parameters" / "small.yaml").write_text("")
    with pytest.raises(StadeError, match="unknown profile 'smal': did you mean 'small'"):
        profiles.load("smal", folder)


def test_a_notebook_without_parameters_is_refused(folder):
    write(folder / "three.ipynb", [])
    with pytest.raises(StadeError, match=r"three\.ipynb has no parameters: tag the cell"):
        profiles.declared(folder / "three.ipynb")


def test_a_notebook_may_have_nothing_to_choose(folder):
    cell = nbformat.v4.new_code_cell("# nothing", metadata={"tags": ["parameters"]})
    write(folder / "three.ipynb", [cell])
    assert profiles.declared(folder / "three.ipynb") == []
    assert profiles.defaults(folder / "three.ipynb") == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: profile, folder; see python -m"),
        (["smoke"], "the following arguments are required: folder"),
        (["", "out"], "unknown profile '': known: embedded, paper, smoke"),
        (["smok", "out"], "unknown profile 'smok': did you mean 'smoke'?"),
        (["smoke", "out", "more"], "unrecognized arguments: more"),
    ],
)
def test_bad_words_give_one_line_and_status_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = profiles.main(words)
    except SystemExit as end:  # of argparse
        status = end.code
    heard = capsys.readouterr()
    assert status == 2 and not heard.out and not list(tmp_path.iterdir())
    (line,) = heard.err.splitlines()
    assert line.startswith("python -m workflow.profiles: ") and said in line


def test_a_value_that_a_notebook_would_refuse_ends_before_anything_is_written(folder, tmp_path):
    source = profiles.NOTEBOOKS / "table3_perplexity.ipynb"
    shutil.copy(source, folder)
    for value, said in (("flaot16", "did you mean 'float16'"), ("2026-01-01", "expected one of")):
        text = f"notebooks: {{table3_perplexity: {{dtype: {value}}}}}"
        (folder / "parameters" / "small.yaml").write_text(text)
        with pytest.raises(StadeError, match=f"profile small: parameter dtype = .*{said}"):
            profiles.write("small", tmp_path / "out", folder)
    assert not (tmp_path / "out").exists()


def test_equal_files_are_left_alone(folder, monkeypatch):
    monkeypatch.setattr(profiles, "resolved", lambda *_: None)  # of no page of the book
    (folder / "parameters" / "small.yaml").write_text("notebooks: {one: {seed: 1}}")
    profiles.write("small", folder / "out", folder)
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    assert before.keys() == {"one.json", "two.json"}
    (folder / "parameters" / "small.yaml").write_text("notebooks: {one: {seed: 2}}")
    profiles.write("small", folder / "out", folder)
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    assert after["one.json"] > before["one.json"] and after["two.json"] == before["two.json"]


def test_pages_evaluate_a_model_on_the_same_windows():
    """So its dense perplexity, and each cell's, is one number throughout the book."""
    keys = "evaluation", "evaluation_windows", "window_length"
    asked = {path.stem: profiles.defaults(path) for path in profiles.NOTEBOOKS.glob("*.ipynb")}
    sets = {
        name: tuple(values.get(key, "embedded") for key in keys)
        for name, values in asked.items()
        if "evaluation_windows" in values
    }
    assert len(sets) >= 10 and set(sets.values()) == {("embedded", 96, 256)}, sets
