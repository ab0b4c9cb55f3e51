"""Cells, windows and settings as callers give them: other types, and what is refused."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stade_nb.engine.cell import DENSE, Cell, Setting, Windows, cells
from stade_nb.engine.sweep import sweep
from stade_nb.errors import StadeError
from stade_nb.numerics.masks import Pattern
from stade_nb.numerics.methods import METHODS

FEW = Windows("embedded", 2, 32)


def test_equal_cells_have_one_pattern_in_records():
    """Whatever number the share was given as: else one cell would have several records."""
    for share in (0.5, np.float64(0.5), Pattern(0.5), Pattern(np.float64(0.5)), "50%"):
        assert Cell("wanda", share) == Cell("wanda", "0.5")
        assert Cell("wanda", share).pattern_name == "0.5"
    assert Cell("wanda", Pattern(1)).pattern_name == Cell("wanda", "1").pattern_name == "1.0"
    assert Cell("wanda", "-0.0").pattern_name == Cell("wanda", 0).pattern_name == "0.0"


def test_one_alone_stands_for_a_list_of_one():
    assert cells("stade", "2:4", "q_proj", 3) == cells(["stade"], ["2:4"], ["q_proj"], [3])
    assert cells(Cell("stade", "2:4").method, 0.5) == [Cell("stade", "0.5")]
    assert cells("magnitude", Pattern(0.5)) == [Cell("magnitude", Pattern(0.5))]


def test_a_method_of_ones_own_needs_a_name_of_its_own():
    """Records and pickles have the name alone."""
    mine = replace(METHODS["wanda"], name="mine", centred=METHODS["std"].centred)
    cell = Cell(mine, "0.5")
    assert copy.deepcopy([cell]) == [cell] and cell.method is mine
    for name in ("wanda", "dense", "stade"):
        taken = Cell(replace(mine, name=name), "0.5")
        for use in (pickle.dumps, lambda one: sweep("nowhere", [one], Setting(FEW, FEW, "new"))):
            with pytest.raises(StadeError, match=f"a method called '{name}' that is not the one"):
                use(taken)
    again = pickle.loads(pickle.dumps(Cell(METHODS["stade"], "2:4", ("q_proj",), seed=3)))
    assert again == Cell("stade", "2:4", ("q_proj",), seed=3)
    assert pickle.loads(pickle.dumps(DENSE)) == DENSE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layers": None}, "layers None: expected 'all', a layer type or several"),
        ({"layers": 3}, "layers 3: expected 'all'"),
        ({"method": ["stade"]}, r"unknown method \"\['stade'\]\""),
        ({"method": Cell("stade", "2:4")}, "unknown method 'stade 2:4': did you mean 'stade'"),
    ],
)
def test_what_is_no_cell(given, message):
    with pytest.raises(StadeError, match=message):
        Cell(**{"method": "stade", "pattern": "2:4"} | given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"calibration": "embedded"}, "calibration of the type str: expected Windows"),
        ({"evaluation": ("embedded", 2, 32)}, "evaluation of the type tuple: expected Windows"),
        ({"results_dir": 3}, "results_dir 3: expected a folder"),
        ({"cache_dir": b"bytes"}, "cache_dir b'bytes': expected a folder"),
        ({"memory": "1GB"}, "memory '1GB': expected a number of bytes"),
        ({"device_memory": True}, "device_memory True: expected a number of bytes"),
        ({"keep_every": "300"}, "keep_every '300': expected a number of seconds"),
        ({"keep_every": None}, "keep_every None: expected a number of seconds"),
        ({"keep_every": 0}, "keep_every 0: expected a number of seconds above 0"),
        ({"batch_size": 2.0}, "batch_size 2.0: expected 1 or more"),
    ],
)
def test_what_is_no_setting(given, message):
    with pytest.raises(StadeError, match=message):
        Setting(**{"calibration": FEW, "evaluation": FEW, "results_dir": "results"} | given)


def test_paths_and_numbers_of_numpy_are_kept_as_records_can_hold_them(monkeypatch):
    monkeypatch.setenv("HOME", "/home/reader")
    assert Windows(Path("texts/one.txt"), 2, 32) == Windows("texts/one.txt", 2, 32)
    asked = Setting(FEW, FEW, "~/results", batch_size=np.int64(4))
    assert asked.results_dir == "/home/reader/results"
    assert type(asked.batch_size) is int
