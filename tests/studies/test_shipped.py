"""Records computed earlier: taken over whole, found, computed again, and refused when stale."""

import json

import pytest

from stade_book.studies import shipped
from stade_nb.engine import records
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.engine.sweep import sweep
from stade_nb.errors import StadeError
from stade_nb.numerics import methods
from workflow import ship

FEW = Windows("embedded", 4, 32)
CELLS = [DENSE, Cell("wanda", "2:4"), Cell("magnitude", "0.5")]


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("computed")
    sweep("llama-230k", CELLS, Setting(FEW, FEW, folder))
    return folder


@pytest.fixture
def folder(computed, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    assert ship.main([str(computed), "--threads", "1"]) == 0
    return tmp_path / "shipped"


def test_records_are_taken_over_with_a_note_and_found_by_model(folder):
    found = shipped.rows("llama-230k", folder)
    assert {(row["method"], row["computed"]["threads"]) for row in found} == {
        ("dense", 1), ("wanda", 1), ("magnitude", 1),
    }  # fmt: skip
    assert {shipped.cell_of(row) for row in found} == set(CELLS)
    assert shipped.models(folder) == ["llama-230k"] and not shipped.rows("llama-390k", folder)


def test_a_shipped_record_has_the_key_that_the_engine_looks_for(folder, computed):
    for path in computed.glob("*.json"):
        fields = records.checked(path)["fields"]
        assert records.read(folder, fields)["losses"] == records.read(computed, fields)["losses"]


def test_of_two_devices_the_one_with_more_cells_is_shown(folder):
    """What a GPU computed has the same fields but for the device."""
    paths = {records.checked(p)["fields"]["method"]: p for p in folder.glob("*.json")}

    def on_gpu(method):
        content = records.checked(paths[method])
        records.write(folder, content["fields"] | {"device": "cuda"}, content["result"])

    on_gpu("wanda")
    shown = {row["method"]: row["device"] for row in shipped.rows("llama-230k", folder)}
    # A tie goes to the GPU, and nothing that one device alone has computed is left out.
    assert shown == {"wanda": "cuda", "dense": "cpu", "magnitude": "cpu"}
    assert len(shipped.computed("llama-230k", folder)) == 4
    ((cpu, gpu),) = shipped.on_both("llama-230k", folder)
    assert (cpu["device"], gpu["device"], cpu["method"]) == ("cpu", "cuda", "wanda")
    on_gpu("dense")
    shown = {row["method"]: row["device"] for row in shipped.rows("llama-230k", folder)}
    assert shown == {"wanda": "cuda", "dense": "cpu", "magnitude": "cpu"}
    on_gpu("magnitude")
    assert {row["device"] for row in shipped.rows("llama-230k", folder)} == {"cuda"}
    # A build on a CPU computes a CPU's again.
    assert shipped.one("llama-230k", "any", folder=folder)["device"] == "cpu"


def test_what_is_computed_again_is_what_was_recorded(folder):
    for row in shipped.rows("llama-230k", folder):
        assert shipped.check(row) == 0


@pytest.mark.parametrize("threads", ["0", "-1"])
def test_records_of_no_threads_are_not_taken_over(computed, tmp_path, monkeypatch, capsys, threads):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    assert ship.main([str(computed), "--threads", threads]) == 2
    assert f"--threads {threads}: expected 1 or more" in capsys.readouterr().err
    assert not (tmp_path / "shipped").exists()


def changed(path, **result):
    content = records.checked(path)
    content["result"] |= result
    content["digest"] = records.digest([content["fields"], content["result"]])
    path.write_text(json.dumps(content))


def test_a_changed_record_is_stale(folder):
    row = next(r for r in shipped.rows("llama-230k", folder) if r["method"] == "wanda")
    changed(folder / f"{row['record']}.json", perplexity=row["perplexity"] * 1.01)
    (row,) = (r for r in shipped.rows("llama-230k", folder) if r["method"] == "wanda")
    with pytest.raises(StadeError, match=r"stale: its perplexity .* differs by -0\.99%"):
        shipped.check(row)


def test_a_changed_metric_makes_a_record_stale_even_where_it_was_computed_again_before(
    folder, monkeypatch
):
    row = next(r for r in shipped.rows("llama-230k", folder) if r["method"] == "wanda")
    assert shipped.check(row) == 0
    other = methods.METHODS["std_without_correction"]
    monkeypatch.setitem(
        methods.METHODS,
        "wanda",
        methods.Method("wanda", "Wanda", other.centred, other.uncentred),
    )
    with pytest.raises(StadeError, match="is stale"):
        shipped.check(row)


def test_a_text_that_is_no_part_of_the_project_is_taken_from_a_folder(tmp_path, monkeypatch):
    names = ("stories_1.txt", "stories_2.txt")
    for name in names:
        (tmp_path / name).write_text("Once upon a time there was a little model. " * 40)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)
    few = [Windows(name, 4, 32) for name in names]
    sweep("llama-230k", [Cell("wanda", "2:4")], Setting(*few, "computed"))
    assert ship.main(["computed", "--threads", "1"]) == 0
    monkeypatch.chdir(tmp_path.parent)
    (row,) = shipped.rows("llama-230k", tmp_path / "shipped")
    assert shipped.sources(row) == names and shipped.are_here(names, tmp_path)
    assert not shipped.are_here(names, None) and not shipped.are_here(names, tmp_path / "shipped")
    assert shipped.one("llama-230k", "any", names, tmp_path / "shipped") == row
    assert shipped.check(row, tmp_path) == 0
    (tmp_path / names[1]).write_text("Another text, that nobody has ever recorded before. " * 40)
    with pytest.raises(StadeError, match="another evaluation than that of the record"):
        shipped.check(row, tmp_path)


def test_a_record_is_read_once_a_process_and_again_when_its_file_changes(folder, monkeypatch):
    read = []
    monkeypatch.setattr(
        records, "checked", lambda path, checked=records.checked: read.append(path) or checked(path)
    )
    first = shipped.rows("llama-230k", folder)
    assert shipped.rows("llama-230k", folder) == first and len(read) == len(set(read)) == 3
    changed(read[0], perplexity=1.5)
    before = len(read)
    assert 1.5 in {row["perplexity"] for row in shipped.rows("llama-230k", folder)}
    assert read[before:] == [read[0]]


def test_a_damaged_record_is_named(folder):
    path = next(folder.glob("*.json"))
    path.write_text(path.read_text().replace('"model":"llama-230k"', '"model":"other"'))
    with pytest.raises(StadeError, match=path.name):
        shipped.rows("llama-230k", folder)


def test_a_record_of_no_model_is_named(folder):
    path = records.write(folder, {}, {})
    with pytest.raises(StadeError, match=f"record {path.name} names no model"):
        shipped.rows("llama-230k", folder)
    with pytest.raises(StadeError, match=f"record {path.name} names no model"):
        shipped.models(folder)


def test_a_cell_of_which_a_part_was_done_for_another_has_no_time_of_its_own(folder):
    for row in shipped.rows("llama-230k", folder):
        calibrated = row["method"] == "wanda"
        whole = row | {"seconds": {"prune": 2.0, "evaluate": 1.0}}
        assert shipped.seconds(whole) == 3
        pruned_before = row | {"seconds": {"prune": 0.0, "evaluate": 1.0}}
        assert shipped.seconds(pruned_before) == (None if calibrated else 1)
        assert shipped.seconds(row | {"seconds": {"prune": 2.0, "evaluate": 0.0}}) is None


def test_a_record_that_lacks_what_pages_read_is_named(folder):
    known = records.checked(next(folder.glob("*.json")))
    for place in ("fields", "result"):
        for name in known[place]:
            content = known | {place: {k: v for k, v in known[place].items() if k != name}}
            path = records.write(folder, content["fields"], content["result"])
            if name in (*shipped.KEYS, "device", "perplexity", "calibration_corpus", "computed"):
                with pytest.raises(StadeError, match=f"record {path.name} has no {name}"):
                    shipped.rows("llama-230k", folder)
            records.write(folder, known["fields"], known["result"])
            if path.stem != known["key"]:
                path.unlink()
    assert shipped.rows("llama-230k", folder)


def test_another_result_under_a_known_key_is_refused(folder, computed, capsys):
    path = next(folder.glob("*.json"))
    losses = json.loads(path.read_text())["result"]["losses"]
    changed(path, losses=[loss + 1 for loss in losses])
    assert ship.main([str(computed), "--threads", "1"]) == 2
    assert "with another result" in capsys.readouterr().err


def test_the_commit_draws_what_is_computed_again(folder):
    drawn = {
        shipped.one("llama-230k", f"commit {number}", folder=folder)["method"]
        for number in range(20)
    }
    assert drawn == {"dense", "wanda", "magnitude"}
    assert shipped.one("llama-230k", "0", ("a.txt", "b.txt"), folder) is None
    with pytest.raises(StadeError, match="llama-239k"):
        shipped.one("llama-239k", "0", folder=folder)


@pytest.mark.parametrize(("model", "allowed"), [("smollm2-135m", 0.005), ("gemma-3-270m", 0.03)])
def test_a_record_may_differ_by_what_processors_do_and_no_more(model, allowed, monkeypatch):
    row = {"model": model, "record": "r", "perplexity": 10.0, "method": "wanda", "pattern": "0.5",
           "layers": "all", "scope": "row", "seed": 0}  # fmt: skip
    monkeypatch.setattr(shipped, "again", lambda *_: -0.99 * allowed)
    assert shipped.check(row) == -0.99 * allowed
    monkeypatch.setattr(shipped, "again", lambda *_: 1.01 * allowed)
    with pytest.raises(StadeError, match=f"more than {allowed:.1%}"):
        shipped.check(row)
