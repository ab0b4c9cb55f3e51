"""What cells cost is what torch counts when they are run."""

import copy

import pytest
import torch
from plain import compute
from tiny_models import CONFIGS, build, windows
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from stade_nb.engine.arithmetic import Operations, memory, operations, seconds
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.errors import StadeError
from stade_nb.models.shapes import empty


def setting(calibration=6, evaluation=4, length=16, **more):
    return Setting(
        Windows("a", calibration, length), Windows("b", evaluation, length), None, **more
    )


def counted(model, cell, calibration, evaluation):
    """Operations of all matrix products while the plain path computes a cell, by torch.

    Attention is written out, so that its products are among them, the whole square.
    """
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        compute(cell, model, calibration, evaluation, batch_size=2)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["llama", "opt", "opt_350m", "gemma3", "qwen3"])
@pytest.mark.parametrize("method", ["dense", "magnitude", "stade"])
def test_operations_are_those_that_torch_counts_in_a_run(name, method):
    model = build(name)
    cell = DENSE if method == "dense" else Cell(method, "2:4")
    found = operations(model, [cell], setting())
    # OPT-350m's projections around the blocks, which windows pass once each.
    through = 4 + 4 + (6 if method == "stade" else 0)
    around = 2 * 16 * 32 * 16 * through if name == "opt_350m" else 0
    # In a whole square of scores each of the two products has twice as many terms.
    expected = found.layers + 2 * found.attention + found.head
    ids = windows(6), windows(4, seed=1)
    assert counted(model, cell, *ids) == expected + around


def test_cross_products_are_counted_where_the_method_needs_them():
    model, cells = build("llama"), [Cell("sparsegpt", "2:4")]
    found = operations(model, cells, setting())
    # Three inputs of 32 features (of q, k, v; of o; of gate and up) and one of 48, in three blocks.
    assert found.gram == 3 * 2 * 6 * 16 * (3 * 32**2 + 48**2)
    only = operations(model, [Cell("sparsegpt", "2:4", "mlp.up_proj")], setting())
    assert only.gram == 3 * 2 * 6 * 16 * 32**2
    assert operations(model, [Cell("stade", "2:4")], setting()).gram == 0


def test_cells_add_up_and_a_cell_without_evaluation_has_no_logits():
    model = empty("opt-125m")
    one, two = Cell("stade", "2:4"), Cell("magnitude", "0.5")
    both = operations(model, [one, two], setting())
    assert both == operations(model, [one], setting()).plus(operations(model, [two], setting()))
    without = Setting(Windows("a", 6, 16), None, None)
    assert operations(model, [one], without).head == 0
    assert both.total == both.layers + both.attention + both.head


@pytest.mark.parametrize(
    ("name", "evaluation", "expected"),
    [("opt-125m", 140, 1.9e14), ("llama-3.2-1b", 141, 1.8e15), ("llama-7b", 166, 1.2e16)],
)
def test_a_cell_of_the_papers_protocol_is_as_large_as_estimated_by_hand(name, evaluation, expected):
    found = operations(empty(name), [Cell("stade", "0.5")], setting(128, evaluation, 2048))
    assert found.total == pytest.approx(expected, rel=0.07)


def test_bytes_are_those_of_the_tensors():
    config = copy.deepcopy(CONFIGS["llama"])
    config.tie_word_embeddings = True
    model = AutoModelForCausalLM.from_config(config)
    found = memory(model, [DENSE], setting(batch_size=2))
    stored = {p.data_ptr(): p.numel() * 4 for p in model.parameters()}
    assert found.weights == sum(stored.values())
    assert found.around == 4 * (64 * 32 + 32)  # embeddings, shared by the head, and the last norm
    assert found.block == (found.weights - found.around) / 3
    assert found.hidden == windows(4).numel() * 32 * 4
    assert found.logits == 16 * 64 * (4 + 8) and found.gram == 0
    more = memory(model, [DENSE, Cell("sparsegpt", "2:4")], setting())
    assert more.hidden == (windows(4).numel() + windows(6).numel()) * 32 * 4
    assert more.gram == 8 * (3 * 32**2 + (1 + 4) * 48**2)
    assert more.all == more.weights + more.hidden + more.device


def test_half_precision_takes_half_the_bytes():
    one = memory(empty("opt-125m"), [DENSE], setting())
    other = memory(empty("opt-125m", "float32"), [DENSE], setting())
    assert (2 * one.weights, 2 * one.hidden) == (other.weights, other.hidden)
    assert empty("opt-125m", "float32").dtype == torch.float32


def test_seconds_are_operations_over_the_rate_that_is_reached():
    assert seconds(Operations(layers=4e12, head=4e12), 1e12, 0.5) == 16
    assert seconds(Operations(layers=4e12, gram=1e12), 1e12, 1, gram_rate=1e11) == 14


@pytest.mark.parametrize(
    ("rate", "share", "gram"), [(0, 0.5, None), (1, 0, 1), (1, 1.1, 1), (1, 1, 0)]
)
def test_a_rate_or_share_that_is_none_is_refused(rate, share, gram):
    with pytest.raises(StadeError, match=f"rate {rate}.*share {share}"):
        seconds(Operations(1.0), rate, share, gram)


def test_windows_without_a_count_or_a_length_have_no_cost():
    for windows_ in (Windows("a", None, 16), Windows("a", 4)):
        asked = Setting(None, windows_, None)
        with pytest.raises(StadeError, match="follows from their count and length; give both"):
            operations(build("llama"), [DENSE], asked)
