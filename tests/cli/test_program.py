"""The program as a whole: what it answers to bad input of every kind, and where it writes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import zero_shot_questions
from safetensors.torch import load_file

from stade_nb import paths
from stade_nb.cli.program import main
from stade_nb.corpus import documents
from workflow import ROOT

QUIET = ["--device", "cpu", "--quiet"]
MANY = "9" * 400


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to work in, and the log in it."""
    monkeypatch.setattr(paths, "log_folders", lambda: [tmp_path / "logs"])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def folder(workplace, place):
    return shutil.copytree(workplace / "model", place / "model")


@pytest.fixture
def arrays(workplace):
    return ["--evaluation", str(workplace / "evaluation.npy")]


def refused(capsys, *words):
    """What a refused command says: one line, exit status 2, nothing on stdout."""
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1 and said.err.startswith("stade_nb: ")
    assert "Traceback (" not in said.err
    return said.err


def configured(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def as_bin(folder):
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    return folder / "pytorch_model.bin"


def empty_index(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")


QUANTISED = ("compressed-tensors", "gptq", "awq")
UNREADABLE = {
    kind: (lambda f, kind=kind: configured(f, quantization_config={"quant_method": kind}), kind)
    for kind in QUANTISED
} | {
    "flash attention": (
        lambda f: configured(f, _attn_implementation="flash_attention_2"),
        "FlashAttention2",
    ),
    "vocabulary": (lambda f: configured(f, vocab_size=65), "64 x 32, announced 65 x 32"),
    "rope_scaling": (
        lambda f: configured(f, rope_parameters={"rope_type": "none such", "rope_theta": 1e4}),
        "none such",
    ),
    "layer_types": (
        lambda f: configured(f, model_type="qwen3", layer_types=["full_attention"]),
        "must be equal to the number of `layer_types`",
    ),
    "null": (lambda f: configured(f, hidden_size=None), "'hidden_size' expected int"),
    "tokenizer.json": (lambda f: (f / "tokenizer.json").write_text("{}"), "KeyError: "),
    "index.json": (empty_index, "weight_map"),
    "half a .bin": (lambda f: halved(as_bin(f)), "Full traceback: "),
    "half a .safetensors": (lambda f: halved(f / "model.safetensors"), "deserializing header"),
    "half a config.json": (lambda f: halved(f / "config.json"), "not a valid JSON file"),
    "own code": (
        lambda f: configured(f, model_type="own", auto_map={"AutoConfig": "own.Config"}),
        "code of its own",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
    "no blocks": (lambda f: configured(f, num_hidden_layers=0), "has no blocks"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_folder_that_cannot_be_read_is_one_line(capsys, place, folder, arrays, kind):
    damage, words = UNREADABLE[kind]
    damage(folder)
    said = refused(capsys, "evaluate", "--model", folder, *arrays, *QUIET)
    assert words in said and (str(folder) in said or kind == "no blocks")
    assert not said.endswith("...\n") and "trust_remote_code" not in said
    if "Full traceback: " in said:
        log = said.rstrip().rpartition("Full traceback: ")[2]
        assert "Traceback (most recent call last)" in Path(log).read_text()


@pytest.mark.parametrize(
    "words",
    [
        "evaluate",
        "prune --method magnitude --sparsity-ratio 0.5",
        "sweep --methods dense --patterns 0.5",
    ],
)
def test_a_model_without_blocks_is_refused_by_every_command(
    capsys, folder, arrays, workplace, words
):
    configured(folder, num_hidden_layers=0)
    more = ["--calibration", workplace / "calibration.npy"] if "sweep" in words else []
    assert "has no blocks" in refused(
        capsys, *words.split(), "--model", folder, *arrays, *more, *QUIET
    )


NUMBERS = [
    ("--batch-size", "1" + 30 * "0", "expected a whole number of at most 18 digits"),
    ("--nsamples", "1" + 30 * "0", "expected a whole number of at most 18 digits"),
    ("--nsamples", "1" + 15 * "0", "expected at most 1,000,000,000 tokens"),
    ("--sparsity-ratio", "1e-99999999999999999999", "expected a share"),
    ("--sparsity-ratio", "1e99999999999999999999", "expected a share"),
    ("--sparsity-ratio", MANY, "expected at most 40"),
    ("--sparsity-type", f"{MANY}:{MANY}", "expected at most 40"),
    ("--seed", MANY, "at most 18 digits"),
    ("--nsamples", "1_000", "'1_000': write it as 1000, or without commas"),
    ("--window-length", MANY, "at most 18 digits"),
    ("--layers", "all,q_proj", "expected 'all' alone, or layer types"),
    ("--model", "~nobodyx/y", "knows no home folder '~nobodyx'"),
    ("--evaluation-windows", "2", "--evaluation-windows 2 without --evaluation"),
    ("--tasks", "bolq", "--tasks bolq without --eval-zero-shot"),
    ("--tasks-dir", "somewhere", "--tasks-dir somewhere without --eval-zero-shot"),
    ("--limit", "3", "--limit 3 without --eval-zero-shot"),
    ("--bos", "windw", "'windw' is not one of 'text', 'window'"),
    ("--bos", "window", "--bos window with token arrays alone"),
]


@pytest.mark.parametrize(("name", "value", "words"), NUMBERS)
def test_what_is_out_of_bounds_or_of_no_effect_is_refused(
    capsys, workplace, place, name, value, words
):
    command = ["prune", "--model", workplace / "model", "--method", "wanda", *QUIET]
    command += ["--sparsity-ratio", "0.5", "--calibration", workplace / "calibration.npy"]
    said = refused(capsys, *command, name, value)
    assert words in said and len(said) < 600
    assert not list(place.iterdir())


@pytest.mark.parametrize("size", [MANY, f"{MANY}GiB", "1" + 30 * "0"])
def test_a_memory_of_400_digits_is_no_size(capsys, workplace, size):
    words = ["sweep", "--model", workplace / "model", "--methods", "dense", "--patterns", "0.5"]
    assert "no size such as 20GiB" in refused(capsys, *words, "--memory", size)


def test_arrays_alone_need_no_tokenizer(capsys, folder, arrays, workplace, tmp_path):
    for file in folder.glob("*token*"):
        file.unlink()
    pruning = ["prune", "--model", folder, "--method", "wanda", "--sparsity-ratio", "0.5", *QUIET]
    pruning += ["--calibration", workplace / "calibration.npy", *arrays]
    assert main([*map(str, pruning), "--save", str(tmp_path / "saved")]) == 0
    without = capsys.readouterr().out.splitlines()[-1]
    pruning[2] = workplace / "model"
    assert main([*map(str, pruning)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == without
    text = ["--evaluation", workplace / "text.txt", "--window-length", "8"]
    assert "has no tokenizer files" in refused(capsys, "evaluate", "--model", folder, *text, *QUIET)
    asked = ["--eval-zero-shot", "--tasks", "embedded_boolq"]
    assert "has no tokenizer files" in refused(
        capsys, "evaluate", "--model", folder, *arrays, *asked, *QUIET
    )


def test_questions_with_neither_bos_nor_eos_are_refused_before_the_work(
    capsys, workplace, arrays, tmp_path
):
    folder = zero_shot_questions.write(tmp_path / "tasks")
    asked = ["--eval-zero-shot", "--tasks", "boolq", "--tasks-dir", folder]
    words = ["prune", "--model", workplace / "model", "--method", "magnitude", *QUIET]
    words += ["--sparsity-ratio", "0.5", *arrays, *asked, "--save", tmp_path / "saved"]
    assert "has neither BOS nor EOS" in refused(capsys, *words)
    assert not (tmp_path / "saved").exists()


def test_strict_corpus_takes_the_recorded_text_alone(capsys, monkeypatch):
    words = ["--model", "llama-230k", "--evaluation", "embedded", *QUIET]
    words += ["--evaluation-windows", "2", "--window-length", "32", "--strict-corpus"]
    monkeypatch.setattr(documents, "difference", lambda name: None)
    assert main(["evaluate", *words]) == 0
    capsys.readouterr()
    monkeypatch.setattr(documents, "difference", lambda name: f"the embedded {name} text differs")
    said = refused(capsys, "evaluate", *words)
    assert "the embedded evaluation text differs" in said and "requirements.lock" in said


def test_questions_that_lm_eval_cannot_ask_are_one_line(capsys, folder, arrays, tmp_path):
    """A tokenizer that makes one token of a question, and of that and its answer one too."""
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token": "w2"}))
    tasks = zero_shot_questions.write(tmp_path / "tasks")
    asked = ["--eval-zero-shot", "--tasks", "boolq", "--tasks-dir", str(tasks)]
    assert main(["evaluate", "--model", str(folder), *arrays, *QUIET, *asked]) == 2
    said = capsys.readouterr()
    assert said.out.startswith("perplexity: ")
    assert said.err.startswith("stade_nb: cannot ask 'boolq': AssertionError (in ")
    assert said.err.count("\n") == 1 and "Full traceback: " in said.err


def with_words(folder, bos=False):
    """The folder's tokenizer goes word by word, and may put w1 before every text by itself."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    special = {"id": "w1", "ids": [1], "tokens": ["w1"]}
    if bos:
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "w1", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {"w1": special},
        }
    content["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    path.write_text(json.dumps(content))
    return folder


def test_where_bos_stands_is_hinted_at_and_recorded(capsys, folder, workplace, tmp_path):
    text = ["--evaluation", str(workplace / "text.txt"), "--window-length", "8", *QUIET]
    text += ["--out", str(tmp_path / "out.json")]

    def measured(model, *more):
        assert main(["evaluate", "--model", str(model), *text, *more]) == 0
        result = json.loads((tmp_path / "out.json").read_text())
        return result, capsys.readouterr().err

    # No BOS: the choice means nothing, and records are as they always were.
    plain, said = measured(with_words(folder))
    assert not said and "bos" not in plain["evaluation_corpus"]
    assert main(["evaluate", "--model", str(folder), *text, "--bos", "window"]) == 2
    assert "the model's tokenizer has no such token" in capsys.readouterr().err
    one, said = measured(with_words(folder, bos=True))
    assert said.count("\n") == 1 and "--bos window puts one before each" in said
    assert one["evaluation_corpus"]["bos"] == "text"
    each, said = measured(folder, "--bos", "window")
    assert not said and each["evaluation_corpus"]["bos"] == "window"
    assert one["evaluation"] != each["evaluation"]
    assert measured(folder, "--evaluation-windows", "1")[1] == ""
    swept = ["sweep", "--model", str(folder), "--methods", "dense", "--patterns", "0.5", *text]
    swept += ["--calibration", str(workplace / "calibration.npy")]
    for _ in range(2):  # computed, and found
        assert main([*swept, "--results-dir", str(tmp_path / "results")]) == 0
        assert "--bos window" in capsys.readouterr().err


WRITES = """
import json, os, sys
from pathlib import Path

written = set()

def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        writing = isinstance(args[1], str) and set(args[1]) & set("wax+")
        if writing or (args[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            written.add(os.path.abspath(os.fsdecode(args[0])))
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate"):
        written.add(os.path.abspath(os.fsdecode(args[1 if event != "os.mkdir" else 0])))

sys.addaudithook(watch)
from stade_nb.cli.program import main
assert main(sys.argv[2:]) == 0
Path(sys.argv[1]).write_text(json.dumps(sorted(written)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["prune", "sweep"])
def test_nothing_is_written_outside_the_folders_that_are_named(workplace, tmp_path, command):
    """Every file opened for writing, and every folder made, by the program and all that it uses."""
    words = ["--model", workplace / "model", *QUIET, "--evaluation", workplace / "evaluation.npy"]
    words += ["--calibration", workplace / "calibration.npy"]
    if command == "prune":
        tasks = zero_shot_questions.write(tmp_path / "tasks")
        bos = with_words(shutil.copytree(workplace / "model", tmp_path / "model"))
        settings = bos / "tokenizer_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token": "w2"}))
        words[1] = bos
        words += ["--method", "stade", "--sparsity-ratio", "0.5", "--save", tmp_path / "out"]
        words += ["--eval-zero-shot", "--tasks", "boolq", "--tasks-dir", tasks]
    else:
        words += [
            "--methods",
            "dense,stade",
            "--patterns",
            "0.5",
            "--results-dir",
            tmp_path / "out",
        ]
    named = {"STADE_NB_HOME": tmp_path / "home", "HF_HOME": tmp_path / "hf", "TMPDIR": tmp_path}
    named |= {"MPLCONFIGDIR": tmp_path / "matplotlib", "HOME": tmp_path / "user"}
    named["TORCHINDUCTOR_CACHE_DIR"] = tmp_path / "inductor"
    subprocess.run(
        [sys.executable, "-c", WRITES, str(tmp_path / "list.json"), command, *map(str, words)],
        check=True,
        cwd=tmp_path,
        env=os.environ
        | {name: str(path) for name, path in named.items()}
        | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    written = json.loads((tmp_path / "list.json").read_text())
    outside = [
        path for path in written if not path.startswith((str(tmp_path), "/dev/", "/proc/self/"))
    ]
    assert outside == []
    assert any(path.startswith(str(tmp_path / "out")) for path in written)


def test_a_uint64_id_beyond_all_bounds_is_said_as_it_is(capsys, workplace, place):
    np.save(place / "ids.npy", np.full((2, 8), 2**63 + 5, np.uint64))
    said = refused(capsys, "evaluate", "--model", workplace / "model", "--evaluation", "ids.npy")
    assert f"holds the id {2**63 + 5}" in said


def test_a_home_folder_that_nobody_has_is_named_with_its_variable():
    environment = os.environ | {"STADE_NB_HOME": "~nobodyx/y", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stade_nb", "--help"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 2 and not ran.stdout and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("stade_nb: STADE_NB_HOME: path '~nobodyx/y': this machine knows")


def test_a_warning_is_one_line_without_its_place_in_the_code(tmp_path):
    folder = tmp_path / "results"
    words = ["sweep", "--model", "llama-230k", "--methods", "dense", "--patterns", "0.5"]
    words += ["--nsamples", "2", "--evaluation-windows", "2", "--window-length", "16", "--quiet"]
    command = [sys.executable, "-m", "stade_nb", *words, "--results-dir", str(folder)]
    for _ in range(2):
        ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
        (record,) = folder.glob("*.json")
        record.write_text("{}")
    assert ran.stderr.splitlines() == [
        f"stade_nb: warning: record {record.name} is damaged (KeyError); computing it again"
    ]
