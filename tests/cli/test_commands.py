"""The command line: options and their errors, and what prune, evaluate and sweep do and keep."""

import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import zero_shot_questions
from plain import run_cells
from tiny_models import build, windows
from transformers import AutoModelForCausalLM, AutoTokenizer

from stade_nb import evaluation
from stade_nb.beyond.methods import BEYOND, FINISHES
from stade_nb.cli import commands, settings
from stade_nb.cli.program import COMMANDS, main, program
from stade_nb.corpus import documents
from stade_nb.engine import sweep
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.engine.pruning import prune_model
from stade_nb.errors import StadeError
from stade_nb.evaluation import harness, tasks
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.models import architectures, blockwise, loading, saving
from stade_nb.models.texts import SUFFIXES
from stade_nb.models.windows import evaluation_windows
from workflow import ROOT


@pytest.fixture
def prune(workplace):
    """The words of a command that prunes the small model, with others behind them."""
    return [
        *("prune", "--model", str(workplace / "model"), "--prune_method", "stade", "--quiet"),
        *("--calibration", str(workplace / "calibration.npy"), "--device", "cpu"),
    ]


def refused(capsys, *words):
    """What a refused command says, in one line."""
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1 and said.err.startswith("stade_nb: ")
    return said.err


def logits(model, ids):
    with blockwise.evaluating(model):
        return model(input_ids=ids).logits


def pruned(method="stade", pattern="0.5", layers="all"):
    model = build("llama")
    return model, prune_model(model, windows(6, seed=1), Cell(method, pattern, layers))


def parse(words):
    """The options of a command, as its work gets them."""
    command = program.commands[words[0]]
    return SimpleNamespace(**command.make_context(words[0], words[1:]).params)


def test_the_program_itself(tmp_path):
    def run(*words):
        command = [sys.executable, "-m", "stade_nb", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    shown = run("--help")
    assert shown.returncode == 0 and not shown.stderr
    said = " ".join(shown.stdout.split())
    assert all(f"{command.name} {command.help}" in said for command in COMMANDS)
    wrong = run("prun")
    assert wrong.returncode == 2 and not wrong.stdout
    assert wrong.stderr == (
        "stade_nb: no such command 'prun'. Did you mean 'prune'? See python -m stade_nb --help\n"
    )


def test_help_and_misspelt_options_wait_for_no_transformers(tmp_path):
    script = (
        "import sys; from stade_nb.cli.program import main; "
        "assert main(['sweep', '--help']) == 0 and main(['prune', '--modle', 'x']) == 2; "
        "assert not {'transformers', 'datasets', 'pandas', 'lm_eval'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=tmp_path)


@pytest.mark.parametrize("name", program.commands)
def test_help_has_every_option_under_a_heading(capsys, name):
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    for one in program.commands[name].params:
        assert f"  {', '.join(one.opts)}" in said
        assert " ".join(one.help.split()) in " ".join(said.split())
    assert said.startswith(f"Usage: python -m stade_nb {name} --")
    assert all(f"\n{title}:\n" in said for title, _ in program.commands[name].sections)


def test_the_book_runs_the_help_of_every_command():
    page = (ROOT / "book" / "command_line.md").read_text("utf-8")
    shown = re.findall(r"^```\{program-output\} python -m stade_nb (\w+) --help$", page, re.M)
    assert sorted(shown) == sorted(program.commands)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("greedy_with_bias", "one weight after the other, by the covariance, then bias correction"),
        ("rose", "sparsegpt, with the columns in another order where their losses differ much"),
        (
            "stade_by_measurement",
            "wanda where inputs measure as centred, std with bias correction elsewhere",
        ),
        ("wanda_linear", "wanda, kept weights refitted by least squares"),
        ("wanda_bias_v", "wanda with bias correction there, wanda elsewhere"),
        ("ria_with_bias", "ria with bias correction"),
        ("stade_swapped", "std with bias correction behind a norm, wanda elsewhere"),
    ],
)
def test_a_method_beyond_the_paper_is_described_by_what_it_does(method, words):
    chosen = BEYOND[method]
    assert commands.describe(chosen) == f"{chosen.title} ({method}): {words}"


def test_all_that_finishes_a_layer_has_words():
    finishes = {t.finish for m in BEYOND.values() for t in (m.centred, m.uncentred)} - {None}
    assert finishes == set(FINISHES)


def test_the_book_says_what_becomes_of_each_kind_of_text_file():
    page = (ROOT / "book" / "command_line.md").read_text("utf-8").replace("\\|", "|")
    named = "".join(re.findall(r"^\| .*`\.\w+`.*$", page, re.M))
    assert all(f"`{suffix}`" in named for suffix in SUFFIXES) and documents.SEPARATOR in named


def test_no_words_at_all_give_the_help(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: python -m stade_nb COMMAND [options]\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "prune --modle x",
            "no such option '--modle'. (Did you mean one of: '--method', '--model'",
        ),
        ("prune --spasity_ratio=1", "'--spasity-ratio'. (Did you mean one of: "),
        ("prune --spasity_ratio=1", "'--sparsity-ratio'"),
        ("prune --meta-llama/Llama-3.2-1B", "The name of a model goes behind --model"),
        ("prune --xyzzy", "no such option '--xyzzy'. See python -m stade_nb prune --help"),
        ("prune --model x", "'--prune-method' / '--method'. See python -m stade_nb prune --help"),
        ("prune --model", "option '--model' requires an argument. See python -m stade_nb"),
        ("prune --model x --method wanda --nsamples 0", "'--windows': 0 is not in the range x>=1"),
        ("prune --model x --method wanda --seed -1", "'--seed': -1 is not in the range x>=0"),
        ("sweep --model x --methods wanda,,std --patterns 0.5", "nothing between two commas"),
        ("sweep --model x --methods std --patterns 0.5 --seeds 0,a", "'a' is not a valid integer"),
        ("sweep --model x --methods std --patterns 0.5 --memory 2GB", "no size such as 20GiB"),
        ("evaluate --model x --sparsity_ratio 0.5", "no such option '--sparsity-ratio'"),
        ("evaluate --model x y", "unexpected extra argument (y)"),
        (
            "--model x --prune_method wanda",
            "A command comes first: prune, evaluate, sweep, diagnose; the",
        ),
    ],
)
def test_options_that_cannot_be_read(capsys, words, message):
    assert message in refused(capsys, *words.split())


def test_both_spellings_and_the_authors_command():
    words = (
        "prune --model m --prune_method stadew --sparsity_ratio 0.5 --sparsity_type 2:4 --save o"
    )
    options = parse(words.split())
    assert options == parse(words.replace("_", "-").split())
    assert options.prune_method == "stadew" and str(settings.pattern_of(options)) == "2:4"
    assert options.save == "o"
    assert parse(["evaluate", "--model", "m_m", "--cuda_device", "1"]).cuda_device == 1
    assert parse(["evaluate", "--model", "m_m", "--cuda_device", "1"]).model == "m_m"


def test_lists_and_sizes():
    words = ["sweep", "--model=m", "--methods=a_b, c", "--patterns=2:4", "--seed", "0,3"]
    options = parse([*words, "--memory", "1.5 GiB", "--device_memory", "1000"])
    assert options.methods == ["a_b", "c"] and options.patterns == ["2:4"]
    assert options.seeds == [0, 3] and options.layers == ["all"]
    assert options.memory == 3 * 2**29 and options.device_memory == 1000
    assert parse(words[:4]).seeds == [0] and parse(words[:4]).memory is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--prune_method wnda --sparsity_ratio 0.5", "unknown method 'wnda': did you mean 'wanda'"),
        ("--prune_method dense --sparsity_ratio 0", "unknown method 'dense'"),
        ("--prune_method stade_plus --sparsity_ratio 0.5", "no published code has it"),
        ("--prune_method stade", "--sparsity-ratio None: expected a share"),
        ("--sparsity_ratio 2:4", "an N:M pattern is a --sparsity-type"),
        ("--sparsity_ratio 50", "sparsity 50.0: expected a share from 0 to 1"),
        ("--sparsity_type 2:4 --sparsity_ratio 0.6", "--sparsity-type 2:4, of which 0.5 goes"),
        ("--sparsity_type unstructred", "did you mean 'unstructured'"),
        ("--sparsity_type 2:5", "layers.0.self_attn.q_proj': pattern 2:5 with 32 input features"),
        (
            "--prune_method std_equal_parameters --sparsity_type 2:4",
            "pattern 2:4 with one more weight",
        ),
        ("--sparsity_ratio 0.5 --layers fc1", "unknown layer type 'fc1'"),
        ("--sparsity_ratio 0.5 --scope column", "unknown scope 'column'"),
        ("--sparsity_ratio 0.5 --dtype float23", "did you mean 'float32'"),
        ("--sparsity_ratio 0.5 --cuda_device 0", "--device cpu and --cuda-device 0: expected one"),
        ("--sparsity_ratio 0.5 --nsamples 7", "holds 6 windows, 7 asked for"),
        ("--sparsity_ratio 0.5 --evaluation nothing.txt", "no file 'nothing.txt' in '"),
        ("--sparsity_ratio 0.5 --window-length 64", "has 32 positions"),
        ("--sparsity_ratio 0.5 --model nowhere", "no model 'nowhere'"),
    ],
)
def test_prune_refuses_before_the_work(capsys, prune, tmp_path, words, message):
    assert message in refused(capsys, *prune, *words.split(), "--save", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_prune_and_save(capsys, prune, workplace, tmp_path):
    out = tmp_path / "some" / "where"
    evaluation = workplace / "evaluation.npy"
    words = ["--sparsity_ratio", "50%", "--save", str(out), "--evaluation", str(evaluation)]
    assert main([*prune, *words]) == 0
    said = capsys.readouterr()
    assert not said.err
    expected, reports = pruned()
    model = AutoModelForCausalLM.from_pretrained(out)
    assert logits(model, windows(4)).equal(logits(expected, windows(4)))
    assert AutoTokenizer.from_pretrained(out)("w3").input_ids == [3]

    report = json.loads((out / commands.REPORT).read_text())
    assert report["method"] == "stade" and report["pattern"] == "0.5" and report["layers"] == "all"
    assert report["zeros"] == {name: one.zeros for name, one in reports.items()}
    assert report["sizes"] == {name: one.size for name, one in reports.items()}
    assert report["added_bias"] == {name: one.added_bias for name, one in reports.items()}
    total, zeros = sum(report["sizes"].values()), sum(report["zeros"].values())
    assert report["sparsity"] == zeros / total == 0.5
    assert report["sparsity_with_biases"] == (zeros - 3 * (32 + 32)) / total
    assert report["fingerprint"] == loading.fingerprint(build("llama"))
    assert report["calibration_corpus"]["windows"] == 6
    measured = perplexity(expected, windows(9, seed=2))
    assert report["perplexity"] == measured

    lines = said.out.splitlines()
    assert lines[0].startswith("STADE (stade): wanda behind a norm, std with bias correction els")
    assert lines[1].startswith("calibration: 6 windows of 16 tokens of ")
    rows = {line.split("  ")[0]: line.split() for line in lines[2:]}
    assert rows["self_attn.o_proj"][1:] == ["3,072", "1,536", "50.000%", "96", "46.875%"]
    assert rows["mlp.up_proj"][1:] == ["4,608", "2,304", "50.000%", "0", "50.000%"]
    assert rows["all of these"][-5:] == [f"{total:,}", f"{zeros:,}", "50.000%", "192", "49.167%"]
    assert lines[-1].startswith(f"perplexity: {measured:.4f} on 9 windows of 16 tokens of ")

    # What has been saved is the same model to evaluate, and is not written over.
    words = ["evaluate", "--model", str(out), "--evaluation", str(evaluation), "--quiet"]
    assert main([*words, "--out", str(tmp_path / "measured.json")]) == 0
    assert f"perplexity: {measured:.4f} " in capsys.readouterr().out
    assert json.loads((tmp_path / "measured.json").read_text())["perplexity"] == measured
    before = (out / "config.json").read_bytes()
    assert "is not empty" in refused(capsys, *prune, "--sparsity_ratio", "0.6", "--save", out)
    assert (out / "config.json").read_bytes() == before


def test_prune_with_biases_counted(capsys, prune, tmp_path):
    main([*prune, "--sparsity_ratio", "0.37", "--save", str(tmp_path / "plain")])
    words = ["--prune_method", "stade_equal_parameters", "--save", str(tmp_path / "paid")]
    main([*prune, "--sparsity_ratio", "0.37", *words])
    plain, paid = (
        json.loads((tmp_path / name / commands.REPORT).read_text()) for name in ("plain", "paid")
    )
    assert paid["sparsity_with_biases"] == plain["sparsity"]
    assert sum(paid["zeros"].values()) == sum(plain["zeros"].values()) + 192
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "paid")
    expected, _ = pruned("stade_equal_parameters", "0.37")
    assert logits(model, windows(4)).equal(logits(expected, windows(4)))


def test_model_and_report_in_two_folders(capsys, prune, tmp_path):
    words = ["--sparsity_type", "2:4", "--layers", "o_proj, down_proj", "--each-layer"]
    words += ["--save", str(tmp_path / "report"), "--save_model", str(tmp_path / "model")]
    assert main([*prune, *words]) == 0
    assert "model.layers.2.mlp.down_proj" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "report").iterdir()] == [commands.REPORT]
    report = json.loads((tmp_path / "report" / commands.REPORT).read_text())
    assert len(report["zeros"]) == 6 and report["pattern"] == "2:4"
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    expected, _ = pruned(pattern="2:4", layers=["self_attn.o_proj", "mlp.down_proj"])
    assert logits(model, windows(4)).equal(logits(expected, windows(4)))


def test_a_folder_in_the_other_one_and_a_home_folder_that_the_shell_left(
    capsys, prune, workplace, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(workplace)
    words = [*prune, "--sparsity_type", "2:4", "--save", "~/out", "--save_model", "~/out/model"]
    assert main(words) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model", commands.REPORT}
    assert (tmp_path / "out" / "model" / "config.json").exists()
    assert not (workplace / "~").exists()
    capsys.readouterr()
    assert "is not empty" in refused(capsys, *words)
    assert main([*words[:-4], "--save", "~no-such-user/out"]) == 2
    assert "no home folder" in capsys.readouterr().err


def test_a_method_that_reads_no_data_needs_no_calibration(capsys, workplace, tmp_path):
    words = f"prune --model {workplace / 'model'} --method magnitude --sparsity-ratio 0.5 --quiet"
    assert main([*words.split(), "--save", str(tmp_path)]) == 0
    assert "calibration" not in capsys.readouterr().out
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    expected, _ = pruned(method="magnitude")
    assert logits(model, windows(4)).equal(logits(expected, windows(4)))


def test_a_model_without_a_place_for_biases(capsys, prune, workplace, tmp_path):
    _, tokenizer = loading.load(str(workplace / "model"))
    saving.save(build("mistral"), tokenizer, tmp_path / "mistral")
    words = [*prune, "--sparsity_ratio", "0.5", "--model", str(tmp_path / "mistral")]
    said = refused(capsys, *words, "--save", tmp_path / "new")
    assert "MistralForCausalLM has no way to store the corrected biases of mlp.down_proj" in said
    assert "(wanda, stade_without_bias)" in said and not (tmp_path / "new").exists()
    assert main(words) == 0
    capsys.readouterr()
    words = [*words, "--prune_method", "wanda", "--save", str(tmp_path / "new")]
    assert main(words) == 0 and (tmp_path / "new" / "config.json").exists()


def test_a_pruned_model_that_is_not_to_be_saved_is_said_to_be_lost(
    capsys, prune, tmp_path, monkeypatch
):
    said = []
    work = commands.pruning.prune_model

    def listening(*words, **options):
        said.append(capsys.readouterr())
        return work(*words, **options)

    monkeypatch.setattr(commands.pruning, "prune_model", listening)
    monkeypatch.setattr(commands.gguf_export, "check_method", lambda *_: None)
    monkeypatch.setattr(commands.gguf_export, "write", lambda *_: "new.gguf")
    words = [*prune, "--prune_method", "wanda", "--sparsity_ratio", "0.5"]
    for kept in ("", "--save", "--save_model", "--save-gguf"):
        place = [kept, str(tmp_path / f"{kept}.gguf")] if kept else []
        assert main([*words, *place]) == 0
        said[-1] = said[-1].err, capsys.readouterr().err
    note = "nothing will be saved: --save DIR or --save-gguf FILE keeps the pruned model"
    assert said == [(f"stade_nb: {note}\n", ""), ("", ""), ("", ""), ("", "")]


def test_what_is_computed_is_kept(capsys, prune, workplace, tmp_path, monkeypatch):
    """A failing evaluation leaves the pruned model and its report on disk."""

    def fail(*_, **__):
        raise StadeError("the loss is not finite")

    monkeypatch.setattr(commands, "window_losses", fail)
    words = ["--sparsity_ratio", "0.5", "--save", str(tmp_path / "new")]
    words += ["--evaluation", str(workplace / "evaluation.npy")]
    assert main([*prune, *words]) == 2
    assert "the loss is not finite" in capsys.readouterr().err
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "new")
    assert logits(model, windows(4)).equal(logits(pruned()[0], windows(4)))
    assert "perplexity" not in json.loads((tmp_path / "new" / commands.REPORT).read_text())


def test_zero_shot_tasks(capsys, tmp_path):
    folder = zero_shot_questions.write(tmp_path / "tasks")
    words = ["--model", "llama-230k", "--quiet", "--device", "cpu", "--eval_zero_shot"]
    words += ["--tasks", "boolq,arc_easy", "--tasks_dir", str(folder)]
    pruning = ["--method", "magnitude", "--sparsity_ratio", "0.5", "--save", str(tmp_path / "new")]
    assert main(["prune", *words, *pruning]) == 0
    report = json.loads((tmp_path / "new" / commands.REPORT).read_text())["zero_shot"]
    model, tokenizer = loading.load("llama-230k")
    prune_model(model, None, "magnitude", "0.5")
    expected = harness.evaluate(model, tokenizer, tasks.load(["boolq", "arc_easy"], folder))
    assert list(report["tasks"]) == list(expected)
    for name, result in expected.items():
        assert report["tasks"][name]["correct"] == result["correct"]
        assert report["tasks"][name]["accuracy"] == result["accuracy"]
    mean, _ = harness.mean(expected.values())
    assert report["mean"] == mean and report["harness"] == harness.HARNESS
    assert f"mean      {100 * mean:5.2f} ± " in capsys.readouterr().out
    assert "unknown zero-shot task 'bolq'" in refused(
        capsys, "prune", *words, *pruning[:4], "--tasks", "bolq"
    )


def test_what_an_accuracy_is_to_be_above_is_called_what_it_is(capsys):
    one = {"accuracy": 1 / 3, "standard_error": 1 / 3, "count": 3, "guessing": 1.0}
    commands._say_answers(
        {"tasks": {"hellaswag": one}, "mean": 1 / 3, "standard_error": 1 / 3, "harness": "lm-eval"}
    )
    said = capsys.readouterr().out.splitlines()[0]
    assert said == (
        "hellaswag  33.33 ± 33.33 % of 3 questions "
        "(the better of blind choice and always the same answer: 100.00 %)"
    )


def test_zero_shot_tasks_without_the_harness(capsys, prune, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("lm_eval.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, tasks.__name__)
    monkeypatch.delattr(evaluation, "tasks")
    said = refused(capsys, *prune, "--sparsity_ratio", "0.5", "--eval_zero_shot")
    assert "--eval-zero-shot needs lm_eval, which is not installed" in said


def test_sweep(capsys, workplace, tmp_path, monkeypatch):
    words = [
        *("sweep", "--model", str(workplace / "model"), "--methods", "dense,wanda,stadew,random"),
        *("--patterns", "0.5,2:4", "--layers", "all,up_proj", "--seeds", "0,3", "--device", "cpu"),
        *(
            "--calibration",
            str(workplace / "calibration.npy"),
            "--results_dir",
            str(tmp_path / "r"),
        ),
        *("--evaluation", str(workplace / "evaluation.npy"), "--out", str(tmp_path / "cells.json")),
        "--quiet",
    ]
    assert main(words) == 0
    cells = [DENSE] + [
        Cell(method, pattern, layers, seed=seed)
        for method in ("wanda", "stade", "random")
        for pattern in ("0.5", "2:4")
        for layers in ("all", "mlp.up_proj")
        for seed in (0, 3)
    ]
    found = json.loads((tmp_path / "cells.json").read_text())
    expected = run_cells(
        str(workplace / "model"),
        cells,
        Setting(
            Windows(str(workplace / "calibration.npy"), 6, 16),
            Windows(str(workplace / "evaluation.npy"), 9, 16),
            tmp_path / "plain",
        ),
    )
    assert len(found) == len(expected) == 25
    for one, other in zip(found, expected, strict=True):
        assert one["perplexity"] == pytest.approx(other["perplexity"], rel=1e-5)
        for name in ("method", "pattern", "layers", "seed", "zeros", "sizes", "calibration"):
            assert one[name] == other[name]
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert not said.err and len(lines) == 26
    assert lines[1].split() == ["dense", "0", "all", "0", "0.000%", f"{found[0]['perplexity']:.4f}"]

    def fail(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(sweep, "traverse", fail)
    (tmp_path / "cells.json").unlink()
    assert main(words) == 0
    assert json.loads((tmp_path / "cells.json").read_text()) == found


def test_sweep_refuses_before_the_work(capsys, workplace, tmp_path):
    words = ["sweep", "--model", workplace / "model", "--methods", "wanda", "--patterns", "0.5"]
    assert "expected a file in a folder" in refused(capsys, *words, "--out", tmp_path / "no" / "c")
    words[4] = "stade_plus"
    assert "no published code has it" in refused(capsys, *words)


def test_an_out_that_cannot_be_a_file_is_refused_before_the_work(capsys, workplace, tmp_path):
    text = ["--evaluation", workplace / "evaluation.npy", "--device", "cpu"]
    words = ["evaluate", "--model", workplace / "model", *text, "--out"]
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path)
    assert "is a FIFO, and only ordinary files" in refused(capsys, *words, tmp_path / "fifo")
    assert "is a folder, and only ordinary files" in refused(capsys, *words, tmp_path / "link")
    swept = ["sweep", "--model", workplace / "model", *text, "--methods", "dense"]
    swept += ["--calibration", workplace / "calibration.npy", "--quiet"]
    swept += ["--patterns", "0.5", "--results-dir", tmp_path / "new", "--out"]
    assert "is the --results-dir" in refused(capsys, *swept, tmp_path / "new")
    swept[-2] = tmp_path / "fifo"
    said = refused(capsys, *swept[:-1])
    assert "folder" in said and "cannot be written (File exists)" in said
    assert sorted(os.listdir(tmp_path)) == ["fifo", "link"]


@pytest.mark.parametrize("name", ["evaluation.npy", "model/config.json", "model/new.json"])
def test_an_out_is_not_written_over_what_is_read(capsys, workplace, name):
    text = ["--evaluation", workplace / "evaluation.npy", "--device", "cpu"]
    path = workplace / name
    before = path.read_bytes() if path.exists() else None
    said = refused(capsys, "evaluate", "--model", workplace / "model", *text, "--out", path)
    assert "would be written over --" in said and str(path) in said
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_pruned_model_that_cannot_be_saved_leaves_its_folder_empty(
    capsys, prune, tmp_path, monkeypatch
):
    def no_space(*_, **__):
        raise OSError("No space left on device")

    words = [*prune, "--sparsity_ratio", "0.5", "--save", tmp_path / "new"]
    with monkeypatch.context() as patch:
        patch.setattr("transformers.PreTrainedModel.save_pretrained", no_space)
        assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert "No space left on device): nothing of it is left" in said and said.count("\n") == 1
    assert not list((tmp_path / "new").iterdir())
    (tmp_path / "new" / saving.HALF).mkdir()  # of a process that was killed
    assert main([str(word) for word in words]) == 0
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert {commands.REPORT, "config.json"} < names and saving.HALF not in names


def test_results_are_kept_before_they_are_printed(prune, workplace, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    text = ["--evaluation", str(workplace / "evaluation.npy")]
    evaluate = ["evaluate", *prune[1:3], *text, "--out", str(tmp_path / "out.json"), "--quiet"]
    words = ["--sparsity_ratio", "0.5", "--save", str(tmp_path / "new")]
    said = []
    monkeypatch.setattr(commands, "print", lambda *_: said.append(_), raising=False)
    assert main([*prune, *words]) == 0 and main(evaluate) == 0
    (tmp_path / "out.json").unlink()
    shutil.rmtree(tmp_path / "new")
    lines = iter(range(100))
    first = said[:2]  # what is to be done is said before

    def breaks(*_):
        return broken() if next(lines) >= len(first) else None

    monkeypatch.setattr(commands, "print", breaks, raising=False)
    assert main([*prune, *words]) == 2
    assert {commands.REPORT, "config.json"} < set(os.listdir(tmp_path / "new"))
    monkeypatch.setattr(commands, "print", broken, raising=False)
    assert main(evaluate) == 2
    assert json.loads((tmp_path / "out.json").read_text())["perplexity"] > 1


def test_output_never_fails_on_a_character():
    code = (
        "import sys\nfrom stade_nb.cli import program\nprogram.print_anything()\n"
        "print('65.00 \\u00b1 1.20 % of \\u03c3')"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert ran.stdout.decode("ascii").strip() == r"65.00 +- 1.20 % of \u03c3", ran.stderr


def test_remarks_that_nobody_can_read_any_more_do_not_end_the_program():
    """As on a full disk; what results are written to must not fail unseen."""
    code = (
        "import sys\nfrom tqdm import tqdm\nfrom stade_nb.cli import program\n"
        "program.go_on_unheard()\nprint('said', file=sys.stderr)\n"
        "print(sum(tqdm(range(5))))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=full
        )
    assert (ran.returncode, ran.stdout) == (0, b"10\n")
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert ran.stderr.startswith(b"said\n") and b"100%" in ran.stderr


def test_a_gguf_file_is_written_before_its_report_is_printed(prune, tmp_path, monkeypatch):
    def closed(text, **_):
        if "sparsity" in text:
            raise OSError(5, "Input/output error")

    written = []
    monkeypatch.setattr(commands, "print", closed, raising=False)
    monkeypatch.setattr(commands.gguf_export, "check_method", lambda *_: None)
    monkeypatch.setattr(commands.gguf_export, "write", lambda *_: written.append("new.gguf"))
    words = ["--prune_method", "wanda", "--sparsity_ratio", "0.5"]
    assert main([*prune, *words, "--save-gguf", str(tmp_path / "new.gguf")]) == 2
    assert written == ["new.gguf"]


def test_how_much_a_killed_sweep_may_lose(capsys):
    words = ["sweep", "--model", "m", "--methods", "dense", "--patterns", "0.5"]
    assert parse(words).keep_every == 300
    for given, seconds in {"90": 90, "90s": 90, "2m": 120, "0.5 h": 1800}.items():
        assert parse([*words, "--keep-every", given]).keep_every == seconds
    for given in ("0", "0m", "-5", "5 days", "1e3", "nan", "9" * 400):
        assert "is no duration such as 5m" in refused(capsys, *words, "--keep-every", given)
    for given in (0, -1, True, float("nan")):
        with pytest.raises(StadeError, match=r"keep_every .*: expected a number of seconds above"):
            Setting(None, None, None, keep_every=given)


def test_texts_by_default(workplace):
    words = ["sweep", "--methods", "wanda", "--patterns", "0.5", "--model"]
    here, hub = parse([*words, str(workplace / "model")]), parse([*words, "facebook/opt-125m"])
    assert settings.calibration_of(here) == Windows("embedded", 128)
    assert settings.evaluation_of(here) == Windows("embedded", None)
    assert settings.calibration_of(hub) == Windows("c4", 128)
    assert settings.evaluation_of(hub) == Windows("wikitext2", None)


def test_devices():
    words = ["evaluate", "--model", "m"]
    assert settings.device_of(parse(words)) == "auto"
    assert settings.device_of(parse([*words, "--cuda_device", "1"])) == "cuda:1"
    both = [*words, "--cuda_device", "1", "--device"]
    assert settings.device_of(parse([*both, "cuda:1"])) == "cuda:1"
    with pytest.raises(StadeError, match="expected one of the two"):
        settings.device_of(parse([*both, "cpu"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--method wanda", "--method wanda without --sparsity: expected a share such as 0.5"),
        ("--method stadew", "--method stade without --sparsity"),
        ("--method wanda --sparsity dense", "pattern 'dense': expected a share"),
        ("--method dense --sparsity 0.5", "--sparsity 0.5 with --method dense"),
        ("--method wnda", "did you mean 'wanda'"),
        (
            "--method wanda --sparsity 0.5 --expected-dense 5",
            "--expected-dense 5 without --expected: give both",
        ),
        ("--method dense --dense 5", "--dense 5 with --method dense: --perplexity and"),
        (
            "--method dense --expected 6 --expected-dense 5",
            "--expected-dense 5 with --method dense:",
        ),
        ("--model llama7b --method wanda --sparsity 0.5", "did you mean 'llama-7b'"),
    ],
)
def test_diagnose_says_what_is_missing(capsys, words, message):
    command = ["diagnose", "--model", "llama-7b", "--perplexity", "7.09"]
    assert message in refused(capsys, *command, *words.split())


def test_diagnose_knows_the_unpruned_model_and_ids_of_the_hub(capsys):
    words = ["diagnose", "--model", "meta-llama/Llama-2-7b-hf", "--perplexity"]
    assert main([*words, "5.12", "--method", "dense"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("meta-llama/Llama-2-7b-hf, dense, dense: 5.12 found, 5.47 expected")
    assert main([*words, "6.42", "--method", "wanda", "--sparsity", "50%"]) == 0
    assert "6.42 found, 6.92 expected" in capsys.readouterr().out


def test_out_of_memory_and_interruption(capsys, prune, monkeypatch):
    def stop(error):
        def raising(*_, **__):
            raise error

        monkeypatch.setattr(commands.pruning, "prune_model", raising)

    stop(torch.OutOfMemoryError("CUDA out of memory.\nTried"))
    assert main([*prune, "--sparsity_ratio", "0.5"]) == 2
    assert "CUDA out of memory. Tried); take a smaller --batch-size" in capsys.readouterr().err
    stop(KeyboardInterrupt())
    assert main([*prune, "--sparsity_ratio", "0.5"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "stade_nb: interrupted; the same command goes on with what is kept"
    )


def test_magnitude_is_one_number_by_the_public_rule_on_the_command_line_and_in_python(tmp_path):
    """The public rule by hand: of a matrix's weights, whatever their row, the smallest 70 % go."""
    by_hand, tokenizer = loading.load("llama-390k")
    for block in architectures.blocks(by_hand):
        for layer in architectures.linear_layers(block).values():
            size = layer.weight.abs().flatten()
            layer.weight.view(-1)[size.argsort(stable=True)[: int(0.7 * size.numel())]] = 0
    ids = evaluation_windows("embedded", tokenizer, 4, 64)
    expected = perplexity(by_hand, ids)

    common = ["--model", "llama-390k", "--device", "cpu", "--quiet", "--evaluation", "embedded"]
    common += ["--evaluation-windows", "4", "--window-length", "64"]
    pruning = ["prune", *common, "--method", "magnitude", "--sparsity-ratio", "0.7"]
    folders = [tmp_path / "own", tmp_path / "layer", tmp_path / "row"]
    for folder in folders:
        words = [] if folder.name == "own" else ["--scope", folder.name]
        assert main([*pruning, *words, "--save", str(folder)]) == 0
    own, layer, row = (json.loads((one / commands.REPORT).read_text()) for one in folders)
    assert own["perplexity"] == layer["perplexity"] == expected != row["perplexity"]
    assert [one["scope"] for one in (own, layer, row)] == ["layer", "layer", "row"]

    model, _ = loading.load("llama-390k")
    prune_model(model, None, "magnitude", "70%")
    assert loading.fingerprint(model) == loading.fingerprint(by_hand)
    swept = ["sweep", *common, "--methods", "magnitude", "--patterns", "0.7"]
    results = ["--results-dir", str(tmp_path / "results"), "--out", str(tmp_path / "out.json")]
    assert main([*swept, *results]) == 0
    assert json.loads((tmp_path / "out.json").read_text())[0]["perplexity"] == expected


TEXT_OPTIONS = [
    (command.name, one.opts[0]) for command in COMMANDS for one in command.params if not one.is_flag
]


@pytest.mark.parametrize(("command", "name"), TEXT_OPTIONS)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_an_error_before_the_work(
    capsys, tmp_path, monkeypatch, command, name, value
):
    monkeypatch.chdir(tmp_path)
    required = {
        "prune": ["--model", "llama-230k", "--method", "magnitude", "--sparsity-ratio", "0.5"],
        "evaluate": ["--model", "llama-230k"],
        "sweep": ["--model", "llama-230k", "--methods", "magnitude", "--patterns", "0.5"],
        "diagnose": ["--model", "llama-7b", "--method", "wanda", "--perplexity", "7.26"],
    }
    said = refused(capsys, command, *required[command], name, value)
    assert f"'{name}'" in said and not list(tmp_path.iterdir())


def test_empty_values_in_python_are_errors_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, tokenizer = loading.load("llama-230k")
    few = Windows("embedded", 2, 32)
    for ask in (
        lambda: Windows("", 2),
        lambda: Setting(few, few, ""),
        lambda: Setting(few, few, None, cache_dir=""),
        lambda: saving.save(model, tokenizer, ""),
        lambda: loading.load(""),
    ):
        with pytest.raises(StadeError, match="'': expected"):
            ask()
    assert not list(tmp_path.iterdir())


def test_a_model_with_zeros_says_how_many_it_was_loaded_with(capsys, workplace, tmp_path):
    model, tokenizer = loading.load(str(workplace / "model"))
    prune_model(model, None, "magnitude", "0.25")
    saving.save(model, tokenizer, tmp_path / "zeros")
    text = ["--evaluation", str(workplace / "evaluation.npy"), "--device", "cpu", "--quiet"]
    asked = ["--model", str(tmp_path / "zeros"), *text]
    weights = [
        layer.weight
        for block in architectures.blocks(model)
        for layer in architectures.linear_layers(block).values()
    ]
    zeros, size = sum(int((one == 0).sum()) for one in weights), sum(map(torch.numel, weights))
    assert zeros == size // 4

    assert main(["evaluate", *asked, "--out", str(tmp_path / "out.json")]) == 0
    assert f"as loaded: {zeros:,} of {size:,} weights" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["loaded"] == {
        "zeros": zeros,
        "size": size,
    }
    swept = ["sweep", *asked, "--methods", "dense,magnitude", "--patterns", "0.5"]
    folder = tmp_path / "results"
    for _ in range(2):
        assert main([*swept, "--results-dir", str(folder)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"as loaded: {zeros:,} of {size:,} weights")
        assert "25.000%" in lines[-2] and "50.000%" in lines[-1]
    assert main(["evaluate", "--model", str(workplace / "model"), *text]) == 0
    assert "as loaded" not in capsys.readouterr().out


def test_an_embedded_text_that_is_not_the_recorded_one_is_said_and_recorded(
    capsys, tmp_path, monkeypatch
):
    recorded = documents.recorded()
    recorded["evaluation"] |= {"sha256": "0" * 64, "packages": {"scipy": "1.0"}}
    monkeypatch.setattr(documents, "recorded", lambda: recorded)
    words = ["--model", "llama-230k", "--device", "cpu", "--quiet", "--window-length", "32"]
    words += ["--evaluation", "embedded", "--evaluation-windows", "2"]
    words += ["--out", str(tmp_path / "out.json")]
    sentence = "the embedded evaluation text differs from the recorded one"
    assert main(["evaluate", *words]) == 0
    assert capsys.readouterr().out.count(sentence) == 1
    measured = json.loads((tmp_path / "out.json").read_text())
    assert sentence in measured["evaluation_corpus"]["difference"]
    swept = ["sweep", *words, "--methods", "dense", "--patterns", "0.5", "--nsamples", "2"]
    assert main([*swept, "--results-dir", str(tmp_path / "results")]) == 0
    assert capsys.readouterr().out.count(sentence) == 1
    (cell,) = json.loads((tmp_path / "out.json").read_text())
    assert sentence in cell["evaluation_corpus"]["difference"]
    assert "difference" not in cell["calibration_corpus"]
