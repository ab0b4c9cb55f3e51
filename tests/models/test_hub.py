"""Ids of the hub: the real clients against a hub on this machine, and then without any."""

import gzip
import json
import os
import random
import subprocess
import sys

import pandas as pd
import pytest
import torch
from local_hub import COMMIT, serving
from reference_draws import reference_draws
from tiny_models import build
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from stade_nb.cli.program import main
from stade_nb.engine.pruning import prune_model
from stade_nb.evaluation.perplexity import perplexity
from stade_nb.files import digest_of_ids
from stade_nb.models import loading, saving
from workflow import ROOT

MODEL = "someone/tiny-llama"
C4 = "datasets/allenai/c4"
WIKITEXT = "datasets/Salesforce/wikitext"


@pytest.fixture(scope="module")
def tokenizer():
    words = Tokenizer(WordLevel({f"w{number}": number for number in range(64)}, unk_token="w0"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words)


@pytest.fixture(scope="module")
def texts():
    """Documents, some too short for a window, and lines as WikiText's: blank ones are empty."""
    draw = random.Random(0)
    made = [
        " ".join(f"w{draw.randrange(64)}" for _ in range(draw.randint(1, 60))) for _ in range(120)
    ]
    return made[:80], ["", " = w5 = \n", "", *(f" {text} \n" for text in made[80:])]


@pytest.fixture(scope="module")
def hub(tmp_path_factory, tokenizer, texts):
    """Repositories laid out as the hub's, the files that nobody should ask for among them."""
    root, (documents, lines) = tmp_path_factory.mktemp("hub"), texts
    saving.save(build("llama"), tokenizer, root / "models" / MODEL)
    for part, chosen in (("00000", documents), ("00001", ["w1 w1"])):
        for name in ("en", "en.noblocklist"):
            path = root / C4 / name / f"c4-train.{part}-of-01024.json.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [{"text": text, "timestamp": "", "url": ""} for text in chosen]
            with gzip.open(path, "wt") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
    (root / C4 / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n"
        "    path: en/c4-train.*.json.gz\n---\n"
    )
    for folder in ("wikitext-2-raw-v1", "wikitext-2-v1"):
        (root / WIKITEXT / folder).mkdir(parents=True)
        for part in ("train", "test"):
            wanted = part == "test" and "raw" in folder
            table = pd.DataFrame({"text": lines if wanted else ["w1"]})
            table.to_parquet(root / WIKITEXT / folder / f"{part}-00000-of-00001.parquet")
    return root


@pytest.mark.slow
def test_a_command_line_of_the_paper(hub, tokenizer, texts, tmp_path):
    """Model, C4 and WikiText-2 by their ids; a second time with no hub, from the hub's cache."""
    command = [
        *(sys.executable, "-m", "stade_nb", "prune", "--model", MODEL, "--prune_method", "stadew"),
        *("--sparsity_ratio", "0.5", "--sparsity_type", "2:4", "--nsamples", "12"),
        *("--seqlen", "16", "--seed", "3", "--evaluation", "wikitext2", "--device", "cpu"),
    ]
    reports = []
    with serving(hub) as (address, sent):
        settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")}
        settings |= {"PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_TELEMETRY": "1"}
        for offline in ("0", "1"):
            out = tmp_path / offline
            subprocess.run(
                [*command, "--save", str(out)],
                env=os.environ | settings | {"HF_HUB_OFFLINE": offline},
                check=True,
            )
            reports.append(json.loads((out / "pruning.json").read_text()))
            asked, sent[:] = list(sent), []
            if offline == "1":
                assert not asked
            else:
                # Of C4 and WikiText-2 the very files of REFERENCE, section 4, and each once.
                data = [name for name in asked if name.startswith("datasets/")]
                assert sorted(data) == [
                    f"{WIKITEXT}/wikitext-2-raw-v1/test-00000-of-00001.parquet",
                    f"{C4}/en/c4-train.00000-of-01024.json.gz",
                ]
    assert reports[0] == reports[1]

    documents, lines = texts
    calibration = reference_draws(documents, tokenizer, 12, 16, 3)
    ids = tokenizer("\n\n".join(lines)).input_ids
    evaluation = torch.tensor(ids[: len(ids) // 16 * 16]).view(-1, 16)
    assert reports[0]["calibration"] == digest_of_ids(calibration)
    assert reports[0]["evaluation"] == digest_of_ids(evaluation)
    model = build("llama")
    prune_model(model, calibration, "stade", "2:4")
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "0")
    assert loading.fingerprint(saved) == loading.fingerprint(with_all_biases(model))
    measured = perplexity(model, evaluation)
    assert reports[0]["perplexity"] == measured


def test_a_quiet_command_shows_no_bar_of_a_text_either(hub, tmp_path, capsys):
    words = ["evaluate", "--model", "llama-230k", "--evaluation", str(hub / WIKITEXT)]
    words += ["--window-length", "16", "--evaluation-windows", "2"]
    said = []
    for quiet in ([], ["--quiet"]):  # a text that is in the cache shows no bar
        cache = tmp_path / f"cache-{len(said)}"
        assert main([*words, "--cache-dir", str(cache), *quiet]) == 0
        said.append(capsys.readouterr().err)
    assert "Generating test split" in said[0] and not said[1]


def with_all_biases(model):
    """The model with a zero bias wherever it has none, as its configuration announces them."""
    for part in model.modules():
        if isinstance(part, torch.nn.Linear) and part.bias is None and part is not model.lm_head:
            part.bias = torch.nn.Parameter(torch.zeros(part.out_features))
    return model


def test_a_model_in_the_hubs_cache(hub, tmp_path, monkeypatch):
    """The layout of a download: snapshots, and a reference to one of them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = tmp_path / f"models--{MODEL.replace('/', '--')}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(COMMIT)
    snapshot = cached / "snapshots" / COMMIT
    snapshot.parent.mkdir()
    snapshot.symlink_to(hub / "models" / MODEL)
    model, tokenizer = loading.load(MODEL, cache_dir=str(tmp_path))
    assert loading.fingerprint(model) == loading.fingerprint(build("llama"))
    assert tokenizer("w3 w5").input_ids == [3, 5]
