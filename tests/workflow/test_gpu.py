"""The GPU benchmark does its steps in order, keeps what it has, and goes on after a failure."""

import json
import sys

import pytest

from workflow import ROOT


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu

    yield gpu
    for name in ("gpu", "floor", "public", "sweep"):
        sys.modules.pop(name, None)


def asked(gpu, tmp_path):
    return gpu.Asked("cpu", tmp_path / "out", tiny=True)


def record(tmp_path, name):
    return json.loads((tmp_path / "out" / f"{name}.json").read_text())


def test_a_run_goes_on_where_it_was_cut_off_and_tries_a_failed_step_again(
    gpu, tmp_path, monkeypatch
):
    done, broken = [], [True]

    def first(_):
        done.append("first")
        return {"x": 1}

    def second(_):
        done.append("second")
        if broken:
            raise RuntimeError("out of memory")
        return {}

    monkeypatch.setattr(gpu, "STEPS", {"first": first, "second": second, "third": first})
    became = gpu.run(asked(gpu, tmp_path), minutes=1)
    assert became == {"first": "done", "second": "RuntimeError: out of memory", "third": "done"}
    assert record(tmp_path, "first")["found"] == {"x": 1} and "torch" in str(
        record(tmp_path, "first")
    )
    broken.clear()
    became = gpu.run(asked(gpu, tmp_path), minutes=1)
    assert became == {"first": "there already", "second": "done", "third": "there already"}
    assert done == ["first", "second", "first", "second"]


def test_no_step_begins_when_the_minutes_are_over(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "STEPS", {"first": lambda _: {}})
    assert gpu.run(asked(gpu, tmp_path), minutes=-1) == {"first": "no time left"}
    assert not (tmp_path / "out" / "first.json").exists()


@pytest.mark.slow
def test_the_shapes_and_kernels_run_small_on_a_cpu(gpu, tmp_path):
    became = gpu.run(
        asked(gpu, tmp_path), 10, ["beside_public", "small_shape", "large_shape", "kernels"]
    )
    assert set(became.values()) == {"done"}
    found = record(tmp_path, "small_shape")["found"]
    assert found["engine_seconds"] > 0 and found["share_of_gemm_rate"] > 0
    assert "goal of 2 times" in record(tmp_path, "beside_public")["found"]["said"]
    assert all(row["error"] < 1e-4 for row in record(tmp_path, "kernels")["found"]["rows"])
