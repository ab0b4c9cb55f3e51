"""Texts of the grid and its words: sources that are damaged, names that are misspelt."""

import pytest

from workflow import grid, texts


@pytest.fixture
def sources(tmp_path):
    documents = texts.SEPARATOR.join(
        f"document {number}" for number in range(texts.C4_CALIBRATION + 2)
    )
    (tmp_path / "c4_documents.txt").write_text(documents)
    for name in ("wiki.test.raw", *texts.OTHERS.values()):
        (tmp_path / name).write_text("a line\n" * 4)
    return tmp_path


@pytest.mark.parametrize("name", ["c4_documents.txt", "wiki.test.raw", "tinyshakespeare.txt"])
def test_a_source_that_is_not_utf_8_is_named(sources, capsys, name):
    texts.cut(sources, sources / "cut")
    (sources / name).write_bytes("caf\xe9 ".encode("latin-1") * 400)
    assert texts.main([str(sources), str(sources / "cut")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{name}' is not UTF-8" in line and line.endswith(": convert it to UTF-8")


def test_a_misspelt_calibration_ends_the_grid_before_the_first_cell(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grid, "sweep_texts", lambda *given: pytest.fail(f"computed {given}"))
    words = ["--calibrations", "C4,Sotries", "--results-dir", str(tmp_path)]
    assert grid.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m workflow.grid: unknown calibration text 'Sotries': did you")
