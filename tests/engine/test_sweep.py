"""Records of the engine: those of the plain path, written group by group, resumed after a kill."""

import re
from pathlib import Path

import pytest
import recorded
import torch
from plain import run_cells
from recorded import CELLS, all_records, times
from tiny_models import build, windows

from stade_nb.engine import plan, sweep
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.errors import StadeError

ALL = [
    *CELLS,
    Cell("sparsegpt", "0.5", seed=1),
    Cell("stade", "2:4", ("mlp.up_proj", "mlp.down_proj")),
]


def run(workplace, chosen, results_dir, path=sweep.sweep, **options):
    return recorded.run(workplace, chosen, results_dir, path, **options)


def without_seconds(result):
    return {key: value for key, value in result.items() if key not in ("seconds", "losses")}


def test_the_records_are_those_of_the_plain_path(workplace, tmp_path):
    plain = run(workplace, ALL, tmp_path / "plain", run_cells)
    found = run(workplace, ALL, tmp_path / "engine")
    assert len(found) == len(plain)
    for one, other in zip(found, plain, strict=True):
        approximately = {"perplexity": pytest.approx(other["perplexity"], rel=1e-5)}
        assert without_seconds(one) == without_seconds(other) | approximately
        assert list(one) == list(other)
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-6)
        assert set(one["seconds"]) == set(other["seconds"])
    names = [sorted(path.name for path in times(tmp_path / each)) for each in ("plain", "engine")]
    assert names[0] == names[1]
    # Either path finds the cells that the other one has computed.
    for path, folder in ((run_cells, "engine"), (sweep.sweep, "plain")):
        before = times(tmp_path / folder)
        again = run(workplace, list(reversed(ALL)), tmp_path / folder, path)
        assert times(tmp_path / folder) == before
        assert again == list(reversed(found if folder == "engine" else plain))


def test_half_precision(workplace, tmp_path):
    plain = run(workplace, ALL, tmp_path / "plain", run_cells, dtype="bfloat16")
    found = run(workplace, ALL, tmp_path / "engine", dtype="bfloat16")
    assert [result["dtype"] for result in found] == ["bfloat16"] * len(ALL)
    assert [result["zeros"] for result in found] == [result["zeros"] for result in plain]
    for one, other in zip(found, plain, strict=True):
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-5)


@pytest.mark.parametrize(
    "limits", [{"memory": 0}, {"memory": 60_000}, {"memory": 60_000, "device_memory": 0}]
)
def test_memory_changes_nothing(workplace, tmp_path, monkeypatch, limits):
    groups, traverse = [], sweep.traverse
    monkeypatch.setattr(
        sweep,
        "traverse",
        lambda model, cells, *rest, **options: (
            groups.append((len(cells), options["room"])) or traverse(model, cells, *rest, **options)
        ),
    )
    free = run(workplace, ALL, tmp_path / "free")
    assert [size for size, _ in groups] == [len(ALL)]
    tight = run(workplace, ALL, tmp_path / "tight", **limits)
    assert [result["losses"] for result in tight] == [result["losses"] for result in free]
    assert sum(size for size, _ in groups[1:]) == len(ALL)
    sizes = [size for size, _ in groups[1:]]
    assert max(sizes) == 1 if not limits["memory"] else 1 < max(sizes) < len(ALL)
    assert all(bool(room.spilled) == ("device_memory" in limits) for _, room in groups[1:])


def test_what_is_recorded_is_not_computed_again(workplace, tmp_path, monkeypatch):
    computed, traverse = [], sweep.traverse
    monkeypatch.setattr(
        sweep,
        "traverse",
        lambda model, cells, *rest, **options: (
            computed.extend(cells) or traverse(model, cells, *rest, **options)
        ),
    )
    first = run(workplace, ALL[:3], tmp_path)
    everything = run(workplace, ALL + ALL[:2], tmp_path)
    assert everything[:3] == first and everything[-2:] == first[:2]
    assert sorted(map(str, computed)) == sorted(map(str, ALL))
    # Equal cells by other names, and cells that come to the same, have records of their own.
    query = "self_attn.q_proj"
    twins = [Cell("wanda", "0.5", query), Cell("stade", "0.5", query), Cell("stade", "50%", query)]
    one, other, same = run(workplace, twins, tmp_path)
    assert len(computed) == len(ALL) + 1
    assert one["losses"] == other["losses"] and one["method"] == "wanda" and same == other
    assert set(other["seconds"].values()) == {0.0} and one["seconds"]["prune"] > 0
    damaged = next(path for path in tmp_path.glob("*.json") if '"random"' in path.read_text())
    damaged.write_text("{")
    with pytest.warns(UserWarning, match=damaged.name):
        run(workplace, ALL, tmp_path)
    assert len(computed) == len(ALL) + 2


def test_a_cell_that_another_process_finishes_meanwhile(workplace, tmp_path, monkeypatch):
    order, traverse = [], sweep.traverse

    def and_another(model, cells, *rest, **options):
        order.append([str(cell) for cell in cells])
        if len(order) == 1:
            run(workplace, [Cell("wanda", "2:4")], tmp_path, run_cells)
        return traverse(model, cells, *rest, **options)

    monkeypatch.setattr(sweep, "traverse", and_another)
    cells = [Cell("wanda", "0.5"), Cell("wanda", "2:4"), Cell("wanda", "4:8")]
    found = run(workplace, cells, tmp_path, memory=0)
    assert order == [["wanda 0.5"], ["wanda 4:8"]]
    assert [result["pattern"] for result in found] == ["0.5", "2:4", "4:8"]


def test_progress_says_cell_and_block(workplace, tmp_path, capsys):
    run(workplace, ALL[:3], tmp_path, progress=True)
    said = capsys.readouterr().err
    assert "100%" in said and "block 3 of 3" in said and "wanda 2:4" in said and "<00:00" in said
    assert re.search(r": 3 cells to compute, about \d+ s; of a cell on its way up to 0\.0 MB", said)
    run(workplace, ALL[:1], tmp_path / "one", progress=True)
    assert ": 1 cell to compute, about " in capsys.readouterr().err
    run(workplace, ALL[:3], tmp_path / "quiet")
    assert not capsys.readouterr().err


@pytest.mark.filterwarnings("error")
def test_the_bar_does_not_run_beyond_its_end(workplace, tmp_path, monkeypatch):
    # Sums in another order: with some of these rates the parts add up to more than the whole.
    for rate in range(3, 40, 4):
        monkeypatch.setattr(sweep.effort, "rate", lambda *_, rate=rate: 1e6 * rate / 7)
        run(workplace, ALL[:3], tmp_path / str(rate), progress=True)


def test_cells_in_any_order_of_things_and_a_path_for_a_model(workplace, tmp_path, monkeypatch):
    """An iterator can be read once, and a path is no JSON: both showed after all was computed."""
    chosen = CELLS[:2]
    expected = run(workplace, chosen, tmp_path / "list")
    for given in (iter(chosen), tuple(chosen), (cell for cell in chosen)):
        assert len(run(workplace, given, tmp_path / "list")) == 2
    assert run(workplace, chosen[0], tmp_path / "list") == expected[:1]

    def as_a_path(model, *arguments, **options):
        return sweep.sweep(Path(model), *arguments, **options)

    found = run(workplace, chosen, tmp_path / "path", as_a_path)
    assert [one["perplexity"] for one in found] == [one["perplexity"] for one in expected]


@pytest.mark.parametrize(
    ("chosen", "setting", "message"),
    [
        (["wanda"], {}, "cell 'wanda': expected a Cell, such as"),
        ([("wanda", "2:4")], {}, r"cell \('wanda', '2:4'\): expected a Cell"),
        (CELLS, {"calibration": None}, "in a setting without calibration windows"),
        (CELLS, {"evaluation": None}, "a sweep with evaluation None and results_dir .*records"),
        (CELLS, {"results_dir": None}, "results_dir None: expected windows to evaluate"),
    ],
)
def test_what_a_sweep_needs_is_asked_for_first(tmp_path, chosen, setting, message):
    few = Windows("embedded", 2, 32)
    asked = {"calibration": few, "evaluation": few, "results_dir": tmp_path / "new"} | setting
    with pytest.raises(StadeError, match=message):
        sweep.sweep("nowhere", chosen, Setting(**asked))
    assert not (tmp_path / "new").exists()


def test_errors_before_anything_is_computed(workplace, tmp_path):
    for cells, options, message in (
        ([Cell("wanda", "5:7")], {}, r"cell 'wanda 5:7': layer '.*': pattern 5:7 with"),
        ([Cell("wanda", "0.5", "fc1")], {}, "unknown layer type 'fc1'"),
        ([Cell("std_equal_parameters", "2:4")], {}, "2:4': pattern 2:4 with one more weight"),
        ([DENSE], {"memory": -1}, "memory -1: expected a number of bytes"),
        ([DENSE], {"device_memory": -1}, "device_memory -1: expected a number of bytes"),
        ([DENSE], {"device": "gpu"}, "unknown device 'gpu'"),
        ([DENSE], {"batch_size": 0}, "batch_size 0: expected 1 or more"),
    ):
        with pytest.raises(StadeError, match=message):
            run(workplace, [Cell("magnitude", "0.5"), *cells], tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_cell_that_fails_leaves_the_records_of_its_group(workplace, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise StadeError("the Hessian is not positive definite")

    monkeypatch.setattr("stade_nb.numerics.sparsegpt.inverse_factor", fails)
    cells = [Cell("sparsegpt", "0.5"), Cell("wanda", "0.5"), DENSE]
    with pytest.raises(StadeError, match=r"cell 'sparsegpt 0\.5': layer '.*q_proj': the Hessian"):
        run(workplace, cells, tmp_path)
    assert {record["method"] for record in all_records(tmp_path)} == {"wanda", "dense"}


@pytest.mark.slow
def test_a_killed_run_loses_its_group_and_nothing_else(workplace, tmp_path):
    of_two = 3 * plan.hidden_bytes(build("llama"), windows(6 + 9))
    results_dir = recorded.killed(workplace, tmp_path, sweep.sweep, 16, memory=of_two)
    recorded.assert_resumed(workplace, results_dir, sweep.sweep, 16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("limit", [None, 0, 20_000])
def test_cuda_with_and_without_spilling(workplace, tmp_path, limit):
    plain = run(workplace, ALL, tmp_path / "plain", run_cells, device="cuda")
    found = run(workplace, ALL, tmp_path / "engine", device="cuda", device_memory=limit)
    for one, other in zip(found, plain, strict=True):
        assert one["device"] == "cuda"
        assert one["perplexity"] == pytest.approx(other["perplexity"], rel=1e-4)
        assert one["zeros"] == other["zeros"]
