"""`python -m workflow.rungs`: the ladder of every layer, in a record that a page can read."""

import json

import pytest

from stade_book.studies import ladder, measured
from workflow import rungs

SMALL = ["--model", "llama-230k", "--calibration", "embedded", "--windows", "2", "--length", "128"]


def test_a_model_is_measured_into_a_record_and_read_back(tmp_path, capsys):
    assert rungs.main([*SMALL, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    assert capsys.readouterr().out.strip() == str(path)
    fields = json.loads(path.read_text(encoding="utf-8"))["fields"]
    assert fields["study"] == ladder.STUDY and len(fields["calibration"]) == 64
    record = measured.of(ladder.STUDY, "llama-230k", "", tmp_path)
    assert (record["metric"], record["pattern"]) == ("wanda", "2:4")
    for layer in record["layers"]:
        gap = layer["linear"] - layer["affine"]
        assert layer["predicted"] == pytest.approx(gap, abs=1e-8 * layer["none"])
        assert layer["affine"] <= min(layer["bias"], layer["linear"]) <= layer["none"]
    kinds = {layer["layer_type"] for layer in record["layers"]}
    assert len(kinds) == 7 and len(record["layers"]) == 5 * 7


def test_a_model_that_is_none_is_one_line(capsys, tmp_path):
    assert rungs.main(["--model", "no-such", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
