"""The engine gives what the plain path gives: the same masks, weights, losses and records."""

import copy
import math

import pytest
import torch
from conftest import needs_shared
from golden_models import RESULTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import CONFIGS, VOCABULARY, build, windows
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM, LlamaConfig, OPTConfig

from stade_nb.engine import plan, pruning
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.engine.pruning import prune_model
from stade_nb.engine.streams import Room, Watch, brought_to
from stade_nb.engine.traversal import traverse
from stade_nb.errors import StadeError
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import architectures, blockwise, loading
from stade_nb.numerics.masks import parse_pattern
from stade_nb.numerics.methods import METHODS, prune_layer
from stade_nb.numerics.moments import Moments

CALIBRATION = {0: windows(5), 1: windows(3, 12, seed=1)}
EVALUATION = windows(7, seed=2)


def many_cells(types):
    """Every method with every kind of pattern, and what else a cell can say."""
    return [
        DENSE,
        *(
            Cell(name, pattern)
            for name, method in METHODS.items()
            for pattern in ("0.5", "2:4")[: 1 if method.equal_parameters else 2]
        ),
        *(Cell(method, "0.7", layer) for layer in types for method in ("wanda", "std")),
        Cell("stade", "4:8", (types[1], types[-1])),
        Cell("sparsegpt", "0.5", types[3]),
        Cell("magnitude", parse_pattern("0.5", "row")),
        Cell("std", parse_pattern("0.5", "layer")),
        Cell("wanda", "0.5", seed=1),
        Cell("sparsegpt", "2:4", seed=1),
        Cell("random", "0.5", seed=1),
    ]


def plain(model, cell, calibration_ids, evaluation_ids, batch_size):
    """A pruned copy, its reports and its losses, by the plain path."""
    model = copy.deepcopy(model)
    reports = prune_model(model, calibration_ids.get(cell.seed), cell, batch_size=batch_size)
    return model, reports, window_losses(model, evaluation_ids, batch_size)


def check_equal(model, cells, calibration_ids, evaluation_ids, batch_size=2, room=None):
    """Traverse once, and compare every weight, bias, report and loss with the plain path's."""
    made = {}

    class Noting(Watch):
        def left(self, one, block, results):
            for layer_type, layer in architectures.linear_layers(block.module).items():
                if layer in results:
                    result = results[layer]
                    made[one.cell, f"{block.name}.{layer_type}"] = result.weight, result.bias

    before = loading.fingerprint(model)
    found = traverse(
        model,
        cells,
        calibration_ids,
        evaluation_ids,
        batch_size=batch_size,
        room=room or Room("cpu"),
        watch=Noting(),
    )
    assert loading.fingerprint(model) == before
    assert not any(part._forward_pre_hooks for part in model.modules())
    for cell, result in zip(cells, found, strict=True):
        expected, reports, losses = plain(model, cell, calibration_ids, evaluation_ids, batch_size)
        for full, report in reports.items():
            layer, (weight, bias) = expected.get_submodule(full), made.pop((cell, full))
            assert weight.equal(layer.weight), (cell, full)
            assert bias is layer.bias is None or bias.equal(layer.bias), (cell, full)
            assert result["zeros"][full] == report.zeros
            assert result["sizes"][full] == report.size
            assert result["added_bias"][full] == report.added_bias
        assert list(result["zeros"]) == list(reports)
        assert result["losses"] == pytest.approx(losses.tolist(), rel=1e-6)
        assert result["perplexity"] == pytest.approx(losses.mean().exp().item(), rel=1e-5)
        assert all(seconds >= 0 for seconds in result["seconds"].values())
    assert not made
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_method_and_pattern(name):
    model = build(name)
    few = [DENSE, Cell("stade", "0.5"), Cell("sparsegpt", "2:4"), Cell("std", "4:8", "all", seed=1)]
    fully = name in ("llama", "opt", "opt_350m")
    cells = many_cells(architectures.layer_types(model)) if fully else few
    check_equal(model, cells, CALIBRATION, EVALUATION)


@st.composite
def small_models(draw):
    """Configurations of Llama's and OPT's kind, of any shape."""
    heads = draw(st.sampled_from([1, 2, 4]))
    width = 8 * heads
    common = {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "num_hidden_layers": draw(st.integers(1, 3)),
        "num_attention_heads": heads,
        "max_position_embeddings": 16,
    }
    inner = 8 * draw(st.integers(1, 4))
    if draw(st.booleans()):
        kinds = {"attention_bias": draw(st.booleans()), "mlp_bias": draw(st.booleans())}
        groups = draw(st.sampled_from([each for each in (1, 2, 4) if not heads % each]))
        return LlamaConfig(
            **common, **kinds, num_key_value_heads=groups, intermediate_size=inner, head_dim=8
        )
    post = draw(st.booleans())
    outside = draw(st.sampled_from([4, width]))
    return OPTConfig(
        **common, ffn_dim=inner, do_layer_norm_before=not post, word_embed_proj_dim=outside
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), config=small_models())
def test_any_small_model(data, config):
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape)
    types = architectures.layer_types(model)
    pattern = st.builds(
        parse_pattern,
        st.sampled_from(["0.5", "0.3", "0.9", "2:4", "1:4", "4:8"]),
        st.sampled_from(["row", "layer"]),
    )
    cell = st.builds(
        Cell,
        st.sampled_from(list(METHODS)),
        pattern,
        st.one_of(st.just("all"), st.lists(st.sampled_from(types), min_size=1, max_size=3)),
        st.integers(0, 1),
    ).filter(lambda cell: cell.pattern.m is None or not cell.method.equal_parameters)
    cells = data.draw(
        st.lists(st.one_of(cell, st.just(DENSE)), min_size=1, max_size=5, unique=True)
    )
    length = data.draw(st.integers(4, 12))
    calibration = {seed: windows(data.draw(st.integers(1, 5)), length, seed) for seed in (0, 1)}
    evaluation = windows(data.draw(st.integers(1, 5)), data.draw(st.integers(2, 12)), 2)
    # Windows too few for a Hessian: both paths say so, and of the same cell.
    good, bad = [], []
    for each in cells:
        try:
            plain(model, each, calibration, evaluation, 2)
            good.append(each)
        except StadeError:
            bad.append(each)
    if good:
        check_equal(model, good, calibration, evaluation, data.draw(st.integers(1, 4)))
    if bad:
        results = traverse(model, cells, calibration, evaluation, batch_size=2, room=Room("cpu"))
        failed = [c for c, r in zip(cells, results, strict=True) if isinstance(r, StadeError)]
        assert failed == bad


CELLS = [Cell("stade", "0.5"), Cell("magnitude", "2:4"), DENSE, Cell("sparsegpt", "0.5", seed=1)]


@pytest.mark.parametrize("limit", [0, 5000, 40000])
def test_spilled_hidden_states_change_nothing(limit):
    room = Room("cpu", limit)
    check_equal(build("llama"), CELLS, CALIBRATION, EVALUATION, room=room)
    assert room.spilled > 0
    assert room.left == limit  # what was given back is what was taken


def test_what_is_spilled_lies_on_the_host_whatever_torchs_default_device_is():
    hidden = torch.ones(2, 3)
    room = Room("cpu", 0)
    with torch.device("meta"):
        assert room.take(room.keep(hidden)).equal(hidden)


def test_room_is_given_back_batch_by_batch():
    """One cell by itself never takes more than its own hidden states and one batch more."""
    model, cell = build("llama"), Cell("wanda", "0.5")
    ids = {0: windows(8)}
    size = plan.hidden_bytes(model, ids[0]) + plan.hidden_bytes(model, windows(8))
    room = Room("cpu", size)
    check_equal(model, [cell], ids, windows(8), 2, room)
    assert room.spilled == 0
    room = Room("cpu", size - 1)
    check_equal(model, [cell], ids, windows(8), 2, room)
    assert room.spilled > 0


@pytest.mark.parametrize("name", ["llama", "opt"])
def test_a_cell_alone_holds_its_hidden_states_once(name):
    """And not twice, what enters a block beside what leaves it."""

    class Counting(Room):
        most = 0

        def keep(self, hidden):
            kept = super().keep(hidden)
            self.most = max(self.most, 10**9 - self.left)
            return kept

    model, ids, room = build(name), {0: windows(12)}, Counting("cpu", 10**9)
    traverse(model, [Cell("stade", "0.5")], ids, windows(8), batch_size=2, room=room)
    once = plan.hidden_bytes(model, ids[0]) + plan.hidden_bytes(model, windows(8))
    assert room.most == once and room.left == 10**9


def test_a_block_is_copied_only_to_another_device():
    block = build("opt").model.decoder.layers[1]
    assert brought_to(block, torch.device("cpu")) is block
    elsewhere = brought_to(block, torch.device("meta"))
    assert {value.device.type for value in elsewhere.state_dict().values()} == {"meta"}
    assert {value.device.type for value in block.state_dict().values()} == {"cpu"}
    shapes = [{k: v.shape for k, v in each.state_dict().items()} for each in (block, elsewhere)]
    assert shapes[0] == shapes[1] and elsewhere.training is block.training


def test_what_is_shared_is_computed_once(monkeypatch):
    """Forward passes and statistics, counted."""
    model, ran, updates = build("opt"), [], []
    run, update = blockwise.run_block, Moments.update
    monkeypatch.setattr(
        blockwise, "run_block", lambda block, *rest: ran.append(block) or run(block, *rest)
    )
    monkeypatch.setattr(
        Moments,
        "update",
        lambda self, x, **asked: updates.append(self.cross is None) or update(self, x, **asked),
    )
    options = {"batch_size": 8, "room": Room("cpu")}

    def count(*cells):
        ran.clear()
        updates.clear()
        traverse(model, cells, {0: windows(4), 1: windows(4)}, windows(4), **options)
        return len(ran), len(updates)

    # Three blocks: each watched, two pushed on, three evaluated; four inputs in a block.
    assert count(Cell("wanda", "0.5")) == (3 + 2 + 3, 3 * 4)
    assert count(Cell("magnitude", "0.5"), Cell("random", "0.5"), DENSE) == (3 * 3, 0)
    # The second one finds the first block's statistics.
    assert count(Cell("wanda", "0.5"), Cell("std", "2:4")) == (2 * 8 - 1, 2 * 12 - 4)
    # Not so with other windows; and Gram matrices are gathered only for those who want them.
    assert count(Cell("wanda", "0.5"), Cell("std", "2:4", seed=1)) == (2 * 8, 2 * 12)
    count(Cell("wanda", "0.5"), Cell("sparsegpt", "2:4"), Cell("sparsegpt", "0.5"))
    assert sum(updates) == 12 and len(updates) == 12 + 4 + 2 * 8
    # q, k and v have one input.
    qkv = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    assert count(Cell("wanda", "0.5", qkv))[1] == 3


def test_a_pass_for_statistics_ends_with_the_last_input(monkeypatch):
    model, calls = build("llama"), []
    for block in model.model.layers:
        block.mlp.register_forward_hook(lambda *_: calls.append("mlp"))
        block.self_attn.register_forward_pre_hook(lambda *_: calls.append("attention"))
    options = {"batch_size": 8, "room": Room("cpu")}
    for layer, attention, mlp in (("self_attn.q_proj", 8, 5), ("mlp.up_proj", 8, 5)):
        calls.clear()
        traverse(model, [Cell("wanda", "0.5", layer)], {0: windows(4)}, windows(4), **options)
        assert (calls.count("attention"), calls.count("mlp")) == (attention, mlp)


WAITING = {torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.is_nonzero}


class Answers(TorchDispatchMode):
    """Counts how often the host asks for a number: on a GPU it waits for each."""

    asked = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.asked += function.overloadpacket in WAITING
        return function(*args, **kwargs or {})


def asked_by(call, *args, **options):
    with Answers() as answers:
        call(*args, **options)
    return answers.asked


@pytest.mark.parametrize("name", CONFIGS)
def test_behind_the_entry_no_batch_makes_the_host_wait(name):
    """What is asked for a layer and a cell is asked once, however many batches there are."""
    model, ids, asked = build(name), windows(8), []
    chosen = [Cell("stade", "0.5"), Cell("sparsegpt", "2:4")]
    for size in (8, 2):
        whole = asked_by(traverse, model, chosen, {0: ids}, ids, batch_size=size, room=Room("cpu"))
        # How a model makes its masks is transformers' affair.
        asked.append(whole - 2 * asked_by(pruning.enter_all, model, ids, size))
    assert asked[0] == asked[1] > 0


@pytest.mark.parametrize("pattern", ["0.5", "2:4"])
def test_sparsegpt_asks_as_often_for_wide_layers(pattern):
    asked = []
    for width in (64, 512):
        moments = Moments.of(torch.randn(600, width), gram=True)
        layer = torch.randn(8, width), None, moments
        asked.append(asked_by(prune_layer, *layer, "sparsegpt", pattern, centred=False))
    assert asked[0] == asked[1] > 0


@pytest.mark.parametrize("name", ["llama", "opt", "opt_350m"])
@pytest.mark.parametrize("limit", [math.inf, 5000])
def test_attention_that_is_not_pruned_is_computed_once(monkeypatch, name, limit):
    model, computed = build(name), []
    stack = architectures.blocks(model)
    scores = type(architectures.attention(stack[0]))
    forward = scores.forward
    monkeypatch.setattr(
        scores, "forward", lambda self, *a, **k: computed.append(self) or forward(self, *a, **k)
    )

    def count(*cells, seeds=(0,)):
        room = Room("cpu", limit)
        ids = {seed: windows(4, seed=seed) for seed in seeds}
        computed.clear()
        traverse(model, cells, ids, windows(4, seed=2), batch_size=8, room=room)
        found = len(computed)
        assert room.left == limit
        check_equal(model, cells, ids, windows(4, seed=2), 8)
        return found

    assert len(stack) == 3
    # Three blocks: each watched and evaluated; where attention is pruned, two pushed on as well.
    query, *_, up, down = architectures.layer_types(model)
    assert count(Cell("wanda", "0.5", query)) == 3 + 2 + 3
    assert count(Cell("wanda", "0.5", down)) == 3 + 3
    assert count(Cell("wanda", "0.5", (query, down))) == 3 + 2 + 3
    # In the first block all share their windows, and those that leave attention alone its outputs.
    assert count(Cell("wanda", "0.5", up), Cell("std", "0.5", down)) == 2 * (3 + 3) - 2
    assert count(Cell("wanda", "0.5", up), Cell("std", "0.5", query)) == 3 + 3 + 8 - 1
    pair = Cell("wanda", "0.5", up), Cell("std", "0.5", down, seed=1)
    assert count(*pair, seeds=(0, 1)) == 2 * (3 + 3) - 1
    assert count(DENSE, Cell("magnitude", "0.5", up)) == 2 * 3 - 1
    assert count(DENSE, Cell("magnitude", "0.5")) == 2 * 3


def test_equal_treatments_are_one_unit():
    model = build("llama")

    def units(*cells):
        return [list(map(str, unit)) for unit in plan.units(model, cells)]

    query, output = "self_attn.q_proj", "self_attn.o_proj"
    assert units(Cell("wanda", "0.5", query), Cell("stade", "0.5", query)) == [
        [f"wanda 0.5 on {query}", f"stade 0.5 on {query}"]
    ]
    assert len(units(Cell("wanda", "0.5", output), Cell("stade", "0.5", output))) == 2
    assert len(units(Cell("wanda", "2:4"), Cell("wanda", parse_pattern("2:4", "layer")))) == 1
    assert len(units(Cell("wanda", "0.5"), Cell("wanda", parse_pattern("0.5", "layer")))) == 2
    assert len(units(Cell("magnitude", "0.5"), Cell("magnitude", "0.5", seed=1), DENSE)) == 2
    assert len(units(Cell("random", "0.5"), Cell("random", "0.5", seed=1))) == 2
    assert len(units(Cell("wanda", "0.5"), Cell("wanda", "0.5", seed=1))) == 2
    assert len(units(Cell("sparsegpt", "0.5"), Cell("sparsegpt_without_update", "0.5"))) == 2
    assert units(Cell("std", "0.5", seed=1), Cell("std", "0.5"), Cell("wanda", "0.5", seed=1)) == [
        ["std 0.5"],
        ["std 0.5"],
        ["wanda 0.5"],
    ]
    assert len(units(Cell("wanda", "0.5"), Cell("wanda", "50%"))) == 1


def test_equal_treatments_have_equal_results():
    """What `units` takes for equal is: every pair of methods on every layer type."""
    model = build("opt")
    for layer in architectures.layer_types(model):
        cells = [Cell(method, "0.5", layer) for method in METHODS]
        results = {
            cell: [
                value.sum().item()
                for value in plain(model, cell, CALIBRATION, EVALUATION, 8)[0].state_dict().values()
            ]
            for cell in cells
        }
        for first, *others in plan.units(model, cells):
            assert all(results[other] == results[first] for other in others)


def sizes_in_turn(model, planned, *rest):
    """How many units go in each group, one group after the other. rest: as for `plan.group`."""
    found = []
    while planned:
        found.append(len(plan.group(model, planned, *rest)))
        planned = planned[found[-1] :]
    return found


def test_groups_are_bounded_by_time():
    model, ids = build("llama"), windows(4)
    cells = [Cell("wanda", f"0.{number}") for number in range(1, 7)]
    rest = plan.units(model, cells), {0: ids}, ids, 1e12
    seconds = dict(zip(cells, (1, 1, 1, 5, 1, 2), strict=True))
    assert sizes_in_turn(model, *rest, seconds, 3) == [3, 1, 2]
    assert sizes_in_turn(model, *rest, seconds, math.inf) == [6]


def test_groups():
    model, ids = build("llama"), {0: windows(4), 1: windows(4)}
    evaluation = windows(8)
    one = plan.hidden_bytes(model, evaluation)  # twice what calibration takes
    assert one == 8 * 16 * 32 * 4
    cells = [Cell("wanda", f"0.{number}") for number in range(1, 9)]
    planned = plan.units(model, cells)

    def sizes(planned, memory):
        seconds = {unit[0]: 1.0 for unit in planned}
        return sizes_in_turn(model, planned, ids, evaluation, memory, seconds, math.inf)

    assert sizes(planned, math.inf) == [8]
    assert sizes(planned, 0) == [1] * 8
    # Two cells and what they share in the first block.
    assert sizes(planned, 3 * 1.5 * one) == [2] * 4
    assert sizes(planned, 3 * 1.5 * one - 1) == [1] * 8
    # And where they leave attention as it is, what it makes of that.
    down = [Cell("wanda", f"0.{number}", "mlp.down_proj") for number in range(1, 9)]
    planned = plan.units(model, down)
    assert sizes(planned, 4 * 1.5 * one) == [2] * 4
    assert sizes(planned, 4 * 1.5 * one - 1) == [1] * 8
    weights_only = plan.units(model, [Cell("magnitude", f"0.{n}") for n in range(1, 9)])
    assert sizes(weights_only, 3 * one) == [2] * 4
    seeds = plan.units(model, [Cell("wanda", "0.5", seed=seed) for seed in (0, 1)])
    assert sizes(seeds, 4.5 * one) == [1, 1] and sizes(seeds, 5 * one) == [2]
    many = plan.units(model, [Cell("wanda", str(n / 64)) for n in range(1, 40)])
    assert sizes(many, math.inf) == [16, 16, 7]


@pytest.mark.parametrize("version", [1, 2])
def test_a_jobs_limit_is_in_a_group_of_its_own_and_files_pages_are_free(
    tmp_path, monkeypatch, version
):
    kind = "memory" if version == 1 else ""
    _, *names, idle = plan.GROUPS[kind]

    def group(folder, *contents):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in zip((*names, "memory.stat"), contents, strict=True):
            (folder / name).write_text(f"{content}\n")

    group(tmp_path / "groups/slurm/job", 9000, 5000, f"anon 1000\n{idle} 4000")
    if version == 2:
        group(tmp_path / "groups", "max", 9000, f"{idle} 0")
        group(tmp_path / "groups/slurm", 10_000, 9000, f"{idle} 0")
    own = tmp_path / "own"
    own.write_text(f"12:cpu:/elsewhere\n4:{kind}:/slurm/job/step\n")
    monkeypatch.setattr(plan, "OWN_GROUPS", own)
    monkeypatch.setattr(plan, "GROUPS", {kind: (tmp_path / "groups", *names, idle)})
    assert plan.free_host_memory() == (8000 if version == 1 else 1000)
    monkeypatch.setattr(plan, "OWN_GROUPS", tmp_path / "none")
    assert plan.free_host_memory() > 2**20


def test_measured_memory():
    on_device, in_all = plan.limits(torch.device("cpu"), None, None)
    assert on_device == math.inf and 2**20 < in_all < 2**60
    assert plan.limits(torch.device("cpu"), 5, 7) == (5, 7)
    for size in (-1, True, math.nan):
        with pytest.raises(StadeError, match=rf"memory {size}: expected a number of bytes"):
            Setting(Windows("embedded", 4), Windows("embedded", 4), "", memory=size)


def test_a_cell_that_fails_stops_no_other():
    """Overflow in the second block: those that gather statistics fail there, the others go on."""
    model = build("llama")
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = 3e38
    model.model.layers[1].mlp.up_proj.weight.data[0, 1] = 3e38
    cells = [
        Cell("wanda", "0.5"),
        Cell("sparsegpt", "0.5"),
        Cell("wanda", "0.5", "self_attn.q_proj"),
        Cell("random", "1.0", "mlp.up_proj"),
    ]
    before = loading.fingerprint(model)
    found = traverse(model, cells, CALIBRATION, EVALUATION, batch_size=8, room=Room("cpu"))
    for cell, result in zip(cells[:3], found[:3], strict=True):
        assert isinstance(result, StadeError) and f"cell '{cell}'" in str(result)
    assert "layer 'model.layers.1.mlp.down_proj'" in str(found[0])
    expected = plain(model, cells[3], CALIBRATION, EVALUATION, 8)[2]
    assert found[3]["losses"] == pytest.approx(expected.tolist(), rel=1e-6)
    assert loading.fingerprint(model) == before


@needs_shared
def test_real_models(real):
    _, golden, model = real
    ids = {0: golden["calibration_ids"][:4]}
    cells = [DENSE, *(Cell(method, "2:4") for method in ("wanda", "stade", "sparsegpt"))]
    found = check_equal(model, cells, ids, golden["evaluation_ids"][:6], 4)
    assert len({result["perplexity"] for result in found}) == 4


@needs_shared
def test_golden_without_statistics(real):
    """Dense and magnitude, as exactly as the golden runs allow."""
    name, golden, model = real
    keys = ["dense/0", *(key for file, key in RESULTS if file == name and "magnitude" in key)]
    # The golden runs have every share by rows.
    parts = [key.split("/") for key in keys]
    cells = [Cell(method, parse_pattern(pattern)) for method, pattern in parts]
    found = traverse(model, cells, {}, golden["evaluation_ids"], batch_size=8, room=Room("cpu"))
    for key, result in zip(keys, found, strict=True):
        expected = golden[f"{key.removesuffix('/0')}/perplexity"].item()
        assert result["perplexity"] == pytest.approx(expected, rel=1e-6), key


@pytest.mark.slow
@needs_shared
def test_the_golden_runs_are_met(real):
    """All of them at once; measured: perplexities within 1.1e-7, as by `prune_model`."""
    name, golden, model = real
    keys = [key for file, key in RESULTS if file == name]
    parts = [key.split("/") for key in keys]
    # The golden runs have every share by rows.
    asked = [
        Cell(part[-2], parse_pattern(part[-1]), part[1] if part[2:] else "all") for part in parts
    ]
    ids = {0: golden["calibration_ids"]}, golden["evaluation_ids"]
    found = traverse(model, asked, *ids, batch_size=8, room=Room("cpu"))
    for key, cell, result in zip(keys, asked, found, strict=True):
        if cell.layers == "all":
            assert list(result["zeros"].values()) == golden[f"{key}/zeros"].tolist()
        expected = golden[f"{key}/perplexity"].item()
        assert result["perplexity"] == pytest.approx(expected, rel=1e-5), key
