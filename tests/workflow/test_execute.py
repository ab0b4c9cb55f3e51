"""Running a notebook: parameters arrive, failures are named, outputs of check cells are stored."""

import json
import subprocess
import sys

import nbformat
import pytest

from stade_nb.errors import StadeError
from workflow import check_cells, execute, minutes, pdf


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A notebook that divides by its parameter, and a profile that makes it fail."""
    new = nbformat.v4
    cells = [
        new.new_code_cell("divisor = 2", metadata={"tags": ["parameters"]}, id="defaults"),
        new.new_code_cell(f"{check_cells.MARK}\nprint(1 / divisor)", id="check"),
        new.new_code_cell("'not stored'", id="other"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder = tmp_path / "notebooks"
    (folder / "parameters").mkdir(parents=True)
    (folder / "parameters" / "plain.yaml").write_text("offline: true")
    (folder / "parameters" / "zero.yaml").write_text("common: {divisor: 0}")
    notebook = new.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "divide.ipynb")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return tmp_path


def test_a_run_leaves_its_outputs_its_parameters_and_its_time(project):
    source = project / "notebooks" / "divide.ipynb"
    executed = execute.execute(source, "plain", root=project)
    assert executed == project / "book" / "notebooks" / "divide.ipynb"
    assert nbformat.read(executed, 4).cells[1].outputs[0].text == "0.5\n"
    assert "0.5" in (project / "build" / "logs" / "divide.log").read_text()
    assert not (project / "build" / "running" / "divide.ipynb").exists()
    run = execute.timings(project)["divide"]
    assert (run["profile"], run["parameters"]) == ("plain", {}) and run["seconds"] > 0
    execute.write_timings(project)
    heading, row = (project / "build" / "timings.csv").read_text("utf-8").splitlines()
    assert heading == "notebook,profile,started,seconds"
    assert row.split(",")[:3] == ["divide", "plain", run["started"]]

    assert check_cells.store(source, executed)
    defaults, check, other = nbformat.read(source, 4).cells
    assert check.outputs[0].text == "0.5\n" and check.execution_count == 1
    assert not defaults.outputs and not other.outputs and other.execution_count is None
    assert not check_cells.store(source, executed)


def test_the_books_own_run_alone_leaves_its_verdicts_where_the_scorecard_reads(
    project, monkeypatch
):
    monkeypatch.setenv("STADE_NB_VERDICTS", "")  # set back afterwards
    monkeypatch.delenv("STADE_NB_VERDICTS")
    source = project / "notebooks" / "divide.ipynb"
    notebook = nbformat.read(source, 4)
    notebook.cells[1].source = "import os\nprint(os.environ['STADE_NB_VERDICTS'])"
    nbformat.write(notebook, source)
    executed = execute.execute(source, "plain", root=project)
    # A path below the project is written from there.
    assert nbformat.read(executed, 4).cells[1].outputs[0].text == "build/verdicts\n"
    monkeypatch.delenv("STADE_NB_VERDICTS")
    ask = [sys.executable, "-c", "from stade_nb import paths; print(paths.VERDICTS.name)"]
    by_hand = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert by_hand.stdout == "verdicts-by-hand\n"


def test_an_executed_notebook_says_nothing_of_the_machine_that_ran_it(project):
    source = project / "notebooks" / "divide.ipynb"
    notebook = nbformat.read(source, 4)
    notebook.cells[2].source = (
        "import sys, tqdm\nprint('a warning', file=sys.stderr)\n"
        "for _ in tqdm.tqdm(range(3)):\n    pass\n"
        f"print({str(project / 'data' / 'text.txt')!r}, {str(project)!r})"
    )
    nbformat.write(notebook, source)
    executed = execute.execute(source, "plain", root=project)
    assert str(project) not in executed.read_text("utf-8")
    ran = nbformat.read(executed, 4)
    nbformat.validate(ran)
    (output,) = ran.cells[2].outputs
    assert (output.name, output.text) == ("stdout", "data/text.txt .\n")
    assert "papermill" not in ran.metadata and "papermill" not in ran.cells[2].metadata
    assert "a warning" in (project / "build" / "logs" / "divide.log").read_text("utf-8")


def test_a_part_of_a_notebooks_cells_is_no_page_of_the_book(project):
    source, given = project / "notebooks" / "divide.ipynb", {"divisor": 4}
    part = execute.execute(source, "plain", root=project, part=given, name="divide--4")
    assert part == project / "build" / "parts" / "divide--4.ipynb"
    assert nbformat.read(part, 4).cells[2].outputs[0].text == "0.25\n"  # behind what was injected
    assert not (project / "book").exists() or not list((project / "book").rglob("*.ipynb"))
    assert execute.timings(project) == {}


def test_a_failure_names_the_cell_and_keeps_the_notebook(project):
    with pytest.raises(StadeError) as caught:
        execute.execute(project / "notebooks" / "divide.ipynb", "zero", root=project)
    message = str(caught.value)
    assert message.startswith("divide.ipynb: cell 2 failed")
    assert message.endswith("ZeroDivisionError: division by zero")
    assert (project / "build" / "failed" / "divide.ipynb").exists()
    assert not (project / "book" / "notebooks" / "divide.ipynb").exists()


def test_bad_input_in_a_cell_is_said_in_one_line(project):
    source = project / "notebooks" / "divide.ipynb"
    notebook = nbformat.read(source, 4)
    notebook.cells[2].source = "import stade_nb\nstade_nb.parse_pattern('2of4')"
    nbformat.write(notebook, source)
    with pytest.raises(StadeError) as caught:
        execute.execute(source, "plain", root=project)
    message = str(caught.value)
    assert message.startswith("divide.ipynb, cell 2: pattern '2of4': expected a share")
    assert message.endswith("as far as it came is in build/failed/divide.ipynb")
    assert "\n" not in message and "Traceback" not in message


def test_check_cells_come_from_a_run_with_the_defaults(project):
    result = json.loads((project / "notebooks" / "divide.ipynb").read_text())
    result["metadata"]["stade_nb"] = {"parameters": {"divisor": 4}}
    (project / "other.ipynb").write_text(json.dumps(result))
    with pytest.raises(StadeError, match=r"run with \{'divisor': 4\}, expected its defaults"):
        check_cells.store(project / "notebooks" / "divide.ipynb", project / "other.ipynb")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a notebook, such as notebooks/bias.ipynb, or --timings"),
        (["notebooks/bias.ipynb", "--profile", "smok"], "did you mean 'smoke'?"),
        (["notebooks/bis.ipynb"], "is no notebook of"),
    ],
)
def test_bad_words_end_in_one_line_and_status_2(words, said, capsys):
    try:
        status = execute.main(words)
    except SystemExit as end:  # of argparse
        status = end.code
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith("python -m workflow.execute: ") and said in line


@pytest.mark.parametrize("step", [check_cells, minutes, pdf], ids=lambda step: step.__name__)
def test_steps_without_words_start_nothing_for_one(step, capsys, monkeypatch):
    def started(*given):
        raise AssertionError(given)

    for name in ("write", "_store_all"):
        monkeypatch.setattr(step, name, started, raising=False)
    for words, status in ((["--help"], 0), (["all"], 2)):
        with pytest.raises(SystemExit) as ended:
            step.main(words)
        assert ended.value.code == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m {step.__name__}: unrecognized arguments: all; see")


def test_a_pdf_without_a_browser_is_one_line_and_status_2(capsys, monkeypatch):
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    assert pdf.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m workflow.pdf: a PDF needs a browser, one of no-such-browser")


def test_a_notebook_from_elsewhere_is_refused(project):
    with pytest.raises(StadeError, match=r"other\.ipynb is no notebook of"):
        execute.execute(project / "other.ipynb", "plain", root=project)
