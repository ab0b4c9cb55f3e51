"""Counts by layer, folded: shorter, and always what they were, in their order."""

import doctest
import json

import pytest

from stade_nb.engine import folded, records
from stade_nb.engine.folded import fold, unfold
from stade_nb.errors import StadeError

PARTS = ("self_attn.q_proj", "mlp.up_proj")
EVERY = {f"model.layers.{block}.{part}": 9 + block for block in range(12) for part in PARTS}
ODD = [
    {},
    {"model.layers.3.mlp.up_proj": 5},  # blocks do not begin with 0
    {"model.layers.1.a": 1, "model.layers.0.a": 2},  # nor are in order
    {"model.layers.0.a": 1, "model.layers.0.b": 2, "lm_head": 3},
    {"model.layers.0.a": 1, "model.layers.x.a": 2},
    {"model.layers.00.a": 1, "model.layers.01.a": 2},
    {"layer": 1},
    {"model.layers.0.a": 8, "model.layers.1.a": 8.0},
    {"model.layers.0.a": 1, "model.layers.1.a": True},
    {"model.layers.*.a": 1},
    {"model.layers.0.b": 1, "model.layers.1.a": 2, "model.layers.1.b": 1, "model.layers.0.a": 2},
]
SHORT = [
    EVERY,
    {name.replace("model.", "model.decoder."): count for name, count in EVERY.items()},
    {name: count for name, count in EVERY.items() if name.endswith("up_proj")},
    dict.fromkeys(EVERY, 4),
    {f"model.layers.{block}.a*": 1 for block in range(12)},
    # A later block may lack a layer that earlier ones have.
    {name: count for name, count in EVERY.items() if name != "model.layers.11.mlp.up_proj"},
]


def test_examples_of_the_module():
    assert doctest.testmod(folded).failed == 0


@pytest.mark.parametrize("counts", ODD + SHORT)
def test_what_is_unfolded_is_what_was_folded_in_its_order(counts):
    assert json.dumps(unfold(json.loads(json.dumps(fold(counts))))) == json.dumps(counts)


@pytest.mark.parametrize("counts", ODD)
def test_what_would_come_back_otherwise_is_left_as_it_is(counts):
    assert fold(counts) == counts


@pytest.mark.parametrize("counts", SHORT)
def test_blocks_become_one_name(counts):
    assert len(fold(counts)) <= 2 and len(json.dumps(fold(counts))) < len(json.dumps(counts)) / 2


def test_a_compact_record_reads_as_the_other_does(tmp_path):
    result = {"model": "m", "zeros": EVERY, "sizes": dict.fromkeys(EVERY, 4), "losses": [0.5]}
    both = [records.write(tmp_path / str(indent), {"a": 1}, result, indent) for indent in (1, None)]
    long, short = (records.checked(path) for path in both)
    assert long == short and list(short["result"]["zeros"]) == list(EVERY)
    assert both[1].stat().st_size < both[0].stat().st_size / 3


@pytest.mark.parametrize(
    "pairs",
    [
        "7",
        "[7]",
        "[[7]]",
        '[[7,"2"]]',
        "[[7,2.5]]",
        "[[7,1e99]]",
        "[[7,1000000000000]]",
        f"[[7,{10**30}],[7,-{10**30}]]",
        f"[[7,{10**400}],[7,0.5]]",
        "[[7,-3000000],[7,3000012]]",
        "null",
    ],
)
def test_pairs_that_are_none_are_damage(tmp_path, pairs):
    path = records.write(tmp_path, {"a": 1}, {"zeros": dict.fromkeys(EVERY, 7)}, indent=None)
    path.write_text(path.read_text().replace("[[7,12]]", pairs, 1))
    with pytest.raises(StadeError, match=f"record {path.name} is damaged"):
        records.checked(path)


def test_other_counts_in_a_folded_record_are_damage(tmp_path):
    path = records.write(tmp_path, {"a": 1}, {"zeros": dict.fromkeys(EVERY, 7)}, indent=None)
    path.write_text(path.read_text().replace("[[7,12]]", "[[7,11],[8,1]]", 1))
    with pytest.raises(StadeError, match="content and checksum differ"):
        records.checked(path)
