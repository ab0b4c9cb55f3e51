"""A run that is killed goes on with what it has kept, and comes to the same bits."""

import pytest
import torch
from tiny_models import CONFIGS, build, windows

from stade_nb.engine import kept, pruning
from stade_nb.engine.kept import KeptBlocks, KeptLosses
from stade_nb.evaluation.perplexity import window_losses
from stade_nb.models import architectures


class Killed(BaseException):
    """What no handler of errors catches."""


def killed_at(keep, steps):
    """`keep`, whose run ends after so many steps, as a kill ends it."""
    left, count = keep.left, []

    def stop(*what):
        left(*what)
        count.append(what)
        if len(count) == steps:
            raise Killed

    keep.left = stop
    return keep


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("method", ["stade", "std", "magnitude", "sparsegpt"])
def test_a_model_is_pruned_to_the_same_bits_after_a_kill_behind_each_block(name, method, tmp_path):
    whole, ids = build(name), windows(5)
    report = pruning.prune_model(whole, ids, method, "2:4", batch_size=2)
    for blocks in range(1, len(architectures.blocks(whole)) + 1):
        folder, how = tmp_path / str(blocks), {"batch_size": 2}
        with pytest.raises(Killed):
            keep = killed_at(KeptBlocks(folder, model := build(name), ids, 0), blocks)
            pruning.prune_model(model, ids, method, "2:4", keep=keep, **how)
        again = build(name)
        keep = KeptBlocks(folder, again, ids, 0)
        seen = []
        keep.left = lambda index, *_, seen=seen: seen.append(index)
        found = pruning.prune_model(again, ids, method, "2:4", keep=keep, **how)
        assert seen == list(range(blocks, len(architectures.blocks(whole))))
        assert found == report
        assert_equal(weights(again), weights(whole))


def test_nothing_is_kept_before_it_is_time(tmp_path):
    model, ids = build("llama"), windows(3)
    pruning.prune_model(model, ids, "stade", "2:4", keep=KeptBlocks(tmp_path, model, ids, 300))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["block-0000.safetensors", "hidden.safetensors"])
def test_what_is_damaged_begins_anew(tmp_path, file):
    ids, model = windows(3), build("llama")
    with pytest.raises(Killed):
        keep = killed_at(KeptBlocks(tmp_path, model, ids, 0), 1)
        pruning.prune_model(model, ids, "stade", "2:4", keep=keep)
    content = bytearray((tmp_path / file).read_bytes())
    content[-1] ^= 1
    (tmp_path / file).write_bytes(content)
    whole, again = build("llama"), build("llama")
    pruning.prune_model(whole, ids, "stade", "2:4")
    keep = KeptBlocks(tmp_path, again, ids, 300)
    with pytest.warns(UserWarning, match=r"damaged .*; beginning anew"):
        pruning.prune_model(again, ids, "stade", "2:4", keep=keep)
    assert_equal(weights(again), weights(whole))


def test_a_block_that_is_missing_begins_anew(tmp_path):
    ids, model = windows(3), build("llama")
    with pytest.raises(Killed):
        keep = killed_at(KeptBlocks(tmp_path, model, ids, 0), 2)
        pruning.prune_model(model, ids, "stade", "2:4", keep=keep)
    (tmp_path / "block-0000.safetensors").unlink()
    with pytest.warns(UserWarning, match="block-0000.safetensors is missing; beginning anew"):
        assert KeptBlocks(tmp_path, build("llama"), ids, 0).begun() == (0, {}, [])


def test_losses_of_windows_go_on(tmp_path):
    model, ids = build("llama"), windows(7)
    whole = window_losses(model, ids, 2)
    for steps in (1, 2, 3):
        with pytest.raises(Killed):
            keep = killed_at(KeptLosses(tmp_path, len(ids), 0), steps)
            window_losses(model, ids, 2, keep=keep)
        seen, keep = [], KeptLosses(tmp_path, len(ids), 0)
        keep.left = lambda losses, seen=seen: seen.append(len(losses))
        assert torch.equal(window_losses(model, ids, 2, keep=keep), whole)
        assert len(seen) == 4 - steps
        kept.clear(tmp_path)


def test_a_full_disk_is_said_once_and_the_run_goes_on(tmp_path, monkeypatch):
    def full(*_):
        raise kept.StadeError("no space left on device")

    monkeypatch.setattr(kept.unfinished, "write_state", full)
    whole, model, ids = build("llama"), build("llama"), windows(3)
    pruning.prune_model(whole, ids, "stade", "2:4")
    with pytest.warns(UserWarning, match="is not kept: no space left") as said:
        pruning.prune_model(model, ids, "stade", "2:4", keep=KeptBlocks(tmp_path, model, ids, 0))
    assert len(said) == 1
    assert_equal(weights(model), weights(whole))


def test_another_run_has_another_folder(monkeypatch):
    one = kept.folder_of({"method": "stade"}, 8)
    assert one == kept.folder_of({"method": "stade"}, 8)
    assert one != kept.folder_of({"method": "std"}, 8) != kept.folder_of({"method": "std"}, 4)
    monkeypatch.setattr(kept.unfinished, "code", lambda: "changed")
    assert one != kept.folder_of({"method": "stade"}, 8)
