"""`python -m workflow.outliers`: a record that the page can read, under a key of what made it."""

import json

import pytest

from stade_book.claims import verdicts
from stade_book.pages.tables import losses
from stade_book.studies import measured, outliers
from workflow import layers, rungs
from workflow import outliers as command

SMALL = ["--model", "llama-230k", "--calibration", "embedded", "--windows", "2", "--length", "64"]


def test_a_model_is_measured_into_a_record_and_read_back(tmp_path, capsys):
    assert command.main([*SMALL, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    assert capsys.readouterr().out.strip() == str(path)
    fields = json.loads(path.read_text(encoding="utf-8"))["fields"]
    assert fields["study"] == outliers.STUDY and len(fields["calibration"]) == 64
    record = measured.of(outliers.STUDY, "llama-230k", "", tmp_path)
    assert record["cells"][0] == ["magnitude", "0.5"] and len(record["layers"]) == 35
    for pattern in command.PATTERNS:
        found = outliers.layers(record, pattern)
        assert len(found) == 35 and set(outliers.METHODS) <= set(found)


@pytest.mark.parametrize(
    ("names", "pattern"), [(["llama-230k"], "0.5"), ([], "0.5"), (["smollm2-135m"], "0.3")]
)
def test_a_page_of_what_was_not_measured_has_no_rows(names, pattern):
    found = losses.outlying(names, pattern)
    assert found.empty and list(found) == list(outliers.COLUMNS)
    kept = losses.outlying_by_type(found, pattern)
    assert kept.empty and outliers.goes_with_cost(kept) == {}
    assert not str(verdicts.counted(found, unit="points"))


@pytest.mark.parametrize("study", [command, layers, rungs])
def test_the_folder_is_tried_before_the_work(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study.loading, "load", None)
    (tmp_path / "file").touch()
    assert study.main([*SMALL, "--out", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said and said.count("\n") == 1


def test_an_interruption_says_what_is_kept(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.loading, "load", stop)
    assert command.main([*SMALL, "--out", str(tmp_path)]) == 130
    assert "interrupted; nothing of a model is kept before" in capsys.readouterr().err


def test_a_model_that_is_none_is_one_line(capsys, tmp_path):
    assert command.main(["--model", "no-such", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
