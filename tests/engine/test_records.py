"""Results on disk: written at once, resumed after a kill, never trusted when damaged."""

import copy
import json
import os
import pickle
import shutil

import numpy as np
import plain
import pytest
import recorded
import torch
from plain import run_cells
from recorded import CELLS, all_records, run
from tiny_models import build, windows

from stade_nb.engine import prepare, pruning, records, sweep, traversal
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows, cells
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import perplexity_of, window_losses
from stade_nb.files import digest_of_ids
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS

FIELDS = {"method": "wanda", "pattern": "0.5", "seed": 0, "calibration": None}
RESULT = {"perplexity": 3.25, "losses": [1.0, 1.5]}


def test_round_trip(tmp_path):
    assert records.read(tmp_path / "new", FIELDS) is None
    path = records.write(tmp_path / "new", FIELDS, RESULT)
    assert records.read(tmp_path / "new", dict(reversed(FIELDS.items()))) == RESULT
    assert all_records(tmp_path / "new") == [FIELDS | RESULT]
    assert os.listdir(tmp_path / "new") == [path.name]
    for name, value in (("seed", 1), ("pattern", "0.6"), ("calibration", "abc"), ("new", 0)):
        assert records.read(tmp_path / "new", FIELDS | {name: value}) is None


def test_digest_of_ids():
    ids = windows(3)
    assert digest_of_ids(ids) == digest_of_ids(ids.int())
    different = {digest_of_ids(each) for each in (ids, ids + 1, ids[:2], ids.view(4, 12))}
    assert len(different) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace("3.25", "2.25"),
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        lambda text: text.replace('"digest"', '"other"'),
    ],
)
def test_damaged_records_are_named_and_not_used(tmp_path, damage):
    path = records.write(tmp_path, FIELDS, RESULT)
    path.write_text(damage(path.read_text()))
    with pytest.warns(UserWarning, match=f"record {path.name} is damaged .*computing it again"):
        assert records.read(tmp_path, FIELDS) is None
    with pytest.raises(StadeError, match=path.name):
        records.checked(path)
    records.write(tmp_path, FIELDS, RESULT)
    assert records.read(tmp_path, FIELDS) == RESULT


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        (FIELDS, ["no", "result"]),
        (FIELDS, "perplexity"),
        (list(FIELDS), RESULT),
        (FIELDS, RESULT | {"perplexity": "3.25"}),
        (FIELDS, RESULT | {"perplexity": None}),
        (FIELDS, RESULT | {"losses": {"0": 1.0}}),
        (FIELDS, RESULT | {"losses": ["1.0"]}),
        (FIELDS, RESULT | {"zeros": [1, 2]}),
        (FIELDS, RESULT | {"sizes": {"layer": None}}),
        (FIELDS, RESULT | {"model": 7}),
    ],
)
def test_wrong_types_behind_a_digest_that_fits_are_damage(tmp_path, fields, result):
    path = records.write(tmp_path, fields, result)
    with pytest.raises(StadeError, match=f"record {path.name} is damaged .*what a record has"):
        records.checked(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"fields":' * 100_000, "\ud800", "1" * 10_000])
def test_json_that_no_reader_can_take_is_damage(tmp_path, text):
    path = records.write(tmp_path, FIELDS, RESULT)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.warns(UserWarning, match=f"record {path.name} is damaged"):
        assert records.read(tmp_path, FIELDS) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_place_of_a_record_stops_a_run_before_it_starts(
    workplace, tmp_path, monkeypatch, make
):
    run(workplace, CELLS[:2], tmp_path)
    monkeypatch.setattr(traversal, "advance", None)  # nothing is to be computed
    place = min(tmp_path.iterdir())
    place.unlink()
    make(place)
    with (
        pytest.warns(UserWarning, match=f"{place.name} is damaged .not an ordinary file"),
        pytest.raises(StadeError, match=rf"{place.name}' is a .*only ordinary files"),
    ):
        run(workplace, CELLS[:2], tmp_path, sweep.sweep)


def test_a_folder_that_cannot_be_written_stops_a_run_before_it_starts(
    workplace, tmp_path, monkeypatch
):
    monkeypatch.setattr(traversal, "advance", None)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StadeError, match=r"folder '.*' cannot be written \((File|Not a dir)"):
            run(workplace, [DENSE], folder, sweep.sweep)
    free = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    with pytest.raises(StadeError, match=r"2 records may take 0\.0 MB in .* make room"):
        run(workplace, CELLS[:2], tmp_path / "new", sweep.sweep)


def test_the_estimate_of_a_records_room_is_enough_and_not_much_more(workplace, tmp_path):
    asked = []
    records.try_places(tmp_path, [], 9, 21)
    run(workplace, [Cell("stade", "0.5")], tmp_path)
    (path,) = tmp_path.iterdir()

    def noted(folder, needed, what):
        asked.append(needed)
        return folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "try_folder", noted)
        records.try_places(tmp_path, [FIELDS, FIELDS], 9, 21)
    assert 2 * path.stat().st_size < asked[0] < 10 * path.stat().st_size


def test_stale_records_are_named_once_and_not_used(tmp_path):
    old = [records.write(tmp_path, FIELDS | {"numerics": version}, RESULT) for version in (1, 3)]
    assert records.read(tmp_path, FIELDS | {"numerics": 3}) == RESULT
    with pytest.warns(UserWarning) as said:
        for _ in range(2):
            assert records.read(tmp_path, FIELDS | {"numerics": 4}) is None
            assert records.read(tmp_path, FIELDS | {"numerics": 2, "seed": 1}) is None
    assert [str(warning.message) for warning in said] == [
        f"record {path.name} is of numerics version {version}, and this is 4; computing it again"
        for path, version in zip(old, (1, 3), strict=True)
    ]
    records.write(tmp_path, FIELDS | {"numerics": 4}, RESULT)
    assert records.read(tmp_path, FIELDS | {"numerics": 4}) == RESULT


def test_raised_numerics(workplace, tmp_path, monkeypatch):
    run(workplace, [DENSE], tmp_path)
    (old,) = tmp_path.iterdir()
    version = records.NUMERICS_VERSION
    monkeypatch.setattr(records, "NUMERICS_VERSION", version + 1)
    said = f"{old.name} is of numerics version {version}, and this is {version + 1}; computing"
    with pytest.warns(UserWarning, match=said):
        run(workplace, [DENSE], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    run(workplace, [DENSE], tmp_path)


def test_a_record_under_the_wrong_name(tmp_path):
    path = records.write(tmp_path, FIELDS, RESULT)
    other = FIELDS | {"seed": 5}
    path.rename(records.path_of(tmp_path, other))
    with pytest.warns(UserWarning, match="damaged"):
        assert records.read(tmp_path, other) is None


def test_nothing_half_written(tmp_path, monkeypatch):
    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        records.write(tmp_path, FIELDS, RESULT)
    assert records.read(tmp_path, FIELDS) is None and not all_records(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.write(tmp_path, FIELDS, {"perplexity": float("nan")})


def test_equal_cells_are_equal():
    assert Cell("wanda", "50%") == Cell("wanda", "0.5") == Cell("wanda", 0.5)
    assert Cell("stadew", "2:4") == Cell("stade", "2:4")
    assert Cell("wanda", "0.5", ["fc1"]) == Cell("wanda", "0.5", ("fc1",))
    assert str(Cell("wanda", "0.5", "fc1")) == "wanda 0.5 on fc1" and str(DENSE) == "dense 0"
    with pytest.raises(StadeError, match="unknown method 'wnda'"):
        Cell("wnda", "0.5")
    assert Cell("stade", "2:4").method is METHODS["stade"]
    assert Cell("stade", "2:4").pattern == parse_pattern("2:4")
    with pytest.raises(StadeError, match="expected '0'"):
        Cell("dense", "0.5")


@pytest.mark.parametrize("cell", [DENSE, Cell("stade", parse_pattern("0.5", "layer"), ["fc1"], 3)])
def test_a_cell_is_the_same_in_another_process(cell):
    assert pickle.loads(pickle.dumps(cell)) == cell == copy.deepcopy(cell)


@pytest.mark.parametrize("seed", ["x", "0", -1, 0.5, True, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(StadeError, match="expected a whole number, 0 or more"):
        Cell("stade", "2:4", seed=seed)


def test_a_seed_of_numpy_is_the_number_itself():
    assert Cell("stade", "2:4", seed=np.int64(3)) == Cell("stade", "2:4", seed=3)
    assert type(Cell("stade", "2:4", seed=np.int64(3)).seed) is int


def test_cells_are_every_combination_once():
    asked = cells(["dense", "magnitude", "std"], ["0.5", "2:4"], ["all", "fc1"], [0, 3])
    assert list(map(str, asked[:5])) == [
        *("dense 0", "magnitude 0.5", "magnitude 0.5 on fc1"),
        *("magnitude 2:4", "magnitude 2:4 on fc1"),
    ]
    assert len(asked) == len(set(asked)) == 1 + 2 * 2 + 2 * 2 * 2
    assert {cell.seed for cell in asked[:5]} == {0} and {cell.seed for cell in asked[5:]} == {0, 3}
    (whole,) = cells(["wanda"], ["0.5"], scope="layer")
    assert whole.pattern.scope == "layer" and Cell("wanda", "0.5") != whole
    both = cells(["magnitude", "wanda"], ["0.5", "2:4"])
    assert [cell.pattern.scope for cell in both] == ["layer", "row", "row", "row"]
    assert both[0] == Cell("magnitude", 0.5) != Cell("magnitude", parse_pattern(0.5))
    assert cells(["magnitude"], ["0.5"], scope="row") == [Cell("magnitude", parse_pattern(0.5))]
    with pytest.raises(StadeError, match="unknown scope 'rows': did you mean 'row'"):
        cells(["wanda"], ["0.5"], scope="rows")


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (DENSE, "f2f45e1021f3cc1c"),
        (Cell("wanda", "50%"), "6729edbea2221ab1"),
        (Cell("stade", "2:4"), "d1f217cb9c8cdd63"),
        (Cell("sparsegpt", "4:8", seed=2), "29a66902191a40f0"),
        (Cell("random", 0.5, seed=3), "6f953f2db4b263f2"),
        (Cell("magnitude", parse_pattern("0.5", "layer"), seed=9), "c5ef3743f4a4ec4e"),
        (Cell("std", "0.7", ("up_proj", "q_proj")), "c48f0e9375998c79"),
        (Cell("stadenobias", parse_pattern("33.3%", "layer")), "6f22e5fd47852202"),
        (Cell("wanda", 0), "2b59c1cf4f360be3"),
        (Cell("magnitude", parse_pattern("2:4", "layer"), "mlp.up_proj"), "de98aea7257c4caa"),
    ],
)
def test_records_have_the_names_that_they_always_had(cell, name):
    """As the code gave them whose cells held a method and a pattern as text (commit 4f21463)."""
    constants = {"fingerprint": "f" * 64, "evaluation": "e" * 64, "dtype": "float32"}
    constants["device"] = "cpu"
    ids = {cell.seed: torch.arange(32).view(2, 16)}
    fields = prepare.key_fields(cell, build("llama"), ids, constants)
    assert records.path_of("", fields).name.startswith(name)


def test_each_cell_as_by_itself(workplace, tmp_path):
    """The dense weights are really restored between cells, added biases included."""
    results = run(workplace, CELLS, tmp_path)
    for cell, result in zip(CELLS, results, strict=True):
        model = build("llama")
        reports = pruning.prune_model(model, windows(6, seed=1), cell)
        losses = window_losses(model, windows(9, seed=2))
        assert result["losses"] == losses.tolist()
        assert result["perplexity"] == perplexity_of(losses)
        assert result["zeros"] == {layer: report.zeros for layer, report in reports.items()}
        assert result["sizes"] == {layer: report.size for layer, report in reports.items()}
        added = {layer: report.added_bias for layer, report in reports.items()}
        assert result["added_bias"] == added
        assert (result["method"], result["pattern"]) == (cell.method.name, cell.pattern_name)
        assert set(result["versions"]) == {"torch", "transformers"}
        assert result["device"] == "cpu" and result["dtype"] == "float32"


def test_resumed_and_shared(workplace, tmp_path, monkeypatch):
    computed = []
    compute = plain.compute
    monkeypatch.setattr(
        plain, "compute", lambda cell, *rest: computed.append(cell) or compute(cell, *rest)
    )
    first = run(workplace, CELLS[:4], tmp_path)
    assert computed == CELLS[:4]
    again = run(workplace, list(reversed(CELLS)), tmp_path, progress=False)
    assert sorted(map(str, computed)) == sorted(map(str, CELLS))
    assert again[:2:-1] == first
    # What an argument cannot change is computed once.
    same = [
        Cell("magnitude", parse_pattern("0.5", "layer"), seed=9),
        DENSE,
        Cell("stade", "0.5", ("self_attn.q_proj", *_all_but_q())),
        Cell("stade", "0.5"),
    ]
    run(workplace, same, tmp_path)
    assert len(computed) == len(CELLS)
    # And what it can change is not.
    by_row = Cell("magnitude", parse_pattern("0.5"))
    run(workplace, [Cell("random", "0.5", seed=4), by_row], tmp_path)
    run(workplace, [DENSE], tmp_path, dtype="bfloat16")
    assert len(computed) == len(CELLS) + 3
    damaged = next(path for path in tmp_path.glob("*.json") if '"sparsegpt"' in path.read_text())
    damaged.write_text("{")
    with pytest.warns(UserWarning, match=damaged.name):
        run(workplace, CELLS, tmp_path)
    assert len(computed) == len(CELLS) + 4 and json.loads(damaged.read_text())


def _all_but_q():
    attention = [f"self_attn.{name}_proj" for name in "kvo"]
    return [*attention, *(f"mlp.{name}_proj" for name in ("gate", "up", "down"))]


def test_seeds_draw_their_own_windows(workplace, tmp_path, monkeypatch):
    drawn = []

    def windows_of(source, tokenizer, count, length, seed, *_):
        drawn.append((seed, length))
        return windows(count, length, seed)

    monkeypatch.setattr("stade_nb.models.windows.calibration_windows", windows_of)
    evaluation = Windows(str(workplace / "evaluation.npy"), 3, 16)
    results = run_cells(
        str(workplace / "model"),
        [Cell("wanda", "0.5", seed=seed) for seed in (0, 1, 0)]
        + [Cell("magnitude", "0.5", seed=7)],
        Setting(Windows("anything", 4), evaluation, tmp_path),
    )
    assert drawn == [(0, 32), (1, 32)]  # 32: all positions of the model
    assert results[0] == results[2] and results[0]["losses"] != results[1]["losses"]
    assert len(list(tmp_path.iterdir())) == 3


def test_cells_that_do_not_fit_stop_the_run_before_it_starts(workplace, tmp_path):
    for cell, message in (
        (Cell("wanda", "5:7"), r"cell 'wanda 5:7': layer '.*': pattern 5:7 with"),
        (Cell("wanda", "0.5", "fc1"), r"unknown layer type 'fc1'"),
        (
            Cell("std_equal_parameters", "2:4"),
            r"cell 'std_equal_parameters 2:4': pattern 2:4 with one more",
        ),
    ):
        with pytest.raises(StadeError, match=message):
            run(workplace, [DENSE, cell], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_killed_run_loses_nothing_that_was_finished(workplace, tmp_path):
    results_dir = recorded.killed(workplace, tmp_path, run_cells, 24, progress=True)
    recorded.assert_resumed(workplace, results_dir, run_cells, 24)


def test_a_record_that_was_removed_meanwhile_is_named(tmp_path):
    path = records.write(tmp_path, {"a": 1}, {"b": 2})
    assert records.found(tmp_path, {"a": 1}) == {"a": 1, "b": 2, "record": path.stem}
    path.unlink()
    with pytest.raises(StadeError, match=f"record {path.name} is gone or damaged"):
        records.found(tmp_path, {"a": 1})
