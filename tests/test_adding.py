"""What CONTRIBUTING.md says that it takes to add something: added here, and seen everywhere."""

import shutil
import subprocess
import sys
from typing import Annotated

import layer_frames
import pandas
import pytest
import tiny_models
from figures import legend
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from stade_book import claims, style
from stade_book.claims import paper, verdicts
from stade_book.claims.verdicts import Count, Verdict
from stade_book.pages import notebooks, parameters, plots, tables
from stade_book.pages.fields import whole
from stade_nb.engine.cell import DENSE, Cell, Setting, Windows
from stade_nb.engine.pruning import prune_model
from stade_nb.engine.sweep import sweep
from stade_nb.models import architectures, saving
from stade_nb.numerics.methods import METHODS
from stade_nb.numerics.metrics import METRICS
from workflow.profiles import NOTEBOOKS, defaults

# The two files of CONTRIBUTING.md, in as many lines, also run before `--help` in a new process.
ADD_A_METHOD = """
import dataclasses
from stade_nb.numerics.methods import METHODS, Treatment
from stade_nb.numerics.metrics import METRICS
METRICS["largest"] = dataclasses.replace(METRICS["magnitude"], score=lambda w, x, g: -w.abs())
treatment = Treatment(METRICS["largest"])
METHODS["largest"] = dataclasses.replace(
    METHODS["magnitude"], name="largest", title="Largest first", scope="row", centred=treatment,
    uncentred=treatment,
)
"""


@pytest.fixture
def largest(monkeypatch):
    """A method that nobody has given a colour: the largest weights go."""
    for rows in (METRICS, METHODS):
        for name, row in rows.items():  # whatever is added goes again
            monkeypatch.setitem(rows, name, row)
        monkeypatch.setitem(rows, "largest", None)
    exec(ADD_A_METHOD, {})
    return METHODS["largest"]


@pytest.fixture
def folder(tmp_path):
    """Saves a model with a tokenizer of words, and a text to show it."""
    words = Tokenizer(WordLevel({f"w{number}": number for number in range(64)}, unk_token="w0"))
    words.pre_tokenizer = Whitespace()
    text = "\n\n".join(" ".join(f"w{i * j % 64}" for j in range(1, 21)) for i in range(1, 12))
    (tmp_path / "text.txt").write_text(text)

    def save(model):
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
        saving.save(model, tokenizer, tmp_path / "model")
        return tmp_path

    return save


def test_a_new_method_prunes_by_its_metric(largest):
    model = tiny_models.build("llama")
    weight = model.model.layers[0].mlp.up_proj.weight
    before = weight.detach().abs().clone()
    prune_model(model, None, "largest", "0.5")
    gone = weight == 0
    assert (before.masked_fill(~gone, 9).amin(1) >= before.masked_fill(gone, 0).amax(1)).all()


def test_a_notebook_takes_a_new_method_runs_it_and_draws_it(largest, folder):
    place = folder(tiny_models.build("llama"))
    text = str(place / "text.txt")
    given = dict(
        models=str(place / "model"), methods="wanda, largest", patterns=["0.5", "2:4"],
        calibration=text, evaluation=text, windows=4, evaluation_windows=None, window_length=16,
        seeds=[0], batch_size=4, results_dir=str(place / "results"),
    )  # fmt: skip
    p = parameters.checked(
        defaults(NOTEBOOKS / "table3_perplexity.ipynb") | given, "table3_perplexity"
    )
    ran = tables.perplexity.run(p)
    table = tables.perplexity.layout(ran)
    both = ["Wanda", "Largest first"]
    assert list(table["method"]) == ["Dense", *both, *both]
    printed = tables.perplexity.printed(3, p.methods, p.patterns)
    figure = plots.tables.beside_wanda(ran, printed, {"0.5": "50 %", "2:4": "2:4"})
    assert legend(figure) == ["Largest first"]
    judged = claims.verdicts.judge(ran, [paper.Claim("mine", "largest", "wanda", ("0.5", "2:4"))])
    drawn = plots.verdicts.differences(judged, {"0.5": "50 %", "2:4": "2:4"}, "Wanda to it")
    assert len(drawn.axes[0].get_yticklabels()) == 2


def test_every_method_is_in_every_plot_of_methods(largest):
    names = list(METHODS)
    shares = pandas.DataFrame(
        [("one", name, pattern, 0.5, 0.01, 2.0) for name in names for pattern in ("0.5", "0.7")],
        columns=["model", "method", "pattern", "accuracy", "error", "relative"],
    )
    titles = {METHODS[name].title for name in names}
    headings = {"0.5": "50 %", "0.7": "70 %"}
    dense = shares.head(1).assign(method=paper.DENSE, pattern=paper.DENSE)
    with_dense = pandas.concat([dense, shares])
    wide = pandas.DataFrame({name: {("one", n): 2.0 for n in ("0.5", "2:4", "4:8")}
                             for name in names})  # fmt: skip
    beside = legend(plots.tables.beside_wanda(with_dense, shares, headings))
    assert set(beside) == titles - {METHODS["wanda"].title}
    accuracies = legend(plots.tables.accuracies(with_dense, 0.5, headings))
    assert set(accuracies) == titles | {"Dense", "guessing"}
    assert set(legend(plots.audit.sparsity_curves(shares, names))) == titles
    assert set(legend(plots.audit.growth(wide, ["one"], names))) == titles
    excess = pandas.DataFrame(
        [("0.5", refit, 0.0, name, 0.1) for refit in (True, False) for name in names],
        columns=["pattern", "refit", "correlation", "choice", "excess"],
    )
    lines = plots.sets.excess(excess).axes[0].get_lines()
    assert set(names) <= {line.get_label() for line in lines}


def test_no_two_methods_look_alike(largest):
    others = [f"other{number}" for number in range(11)]
    looks = style.methods([*METHODS, *others])
    assert set(looks) == {*METHODS, *others} and len(set(looks.values())) == len(looks)


def test_the_command_line_names_a_new_method():
    code = ADD_A_METHOD + (
        "import runpy, sys\n"
        "sys.argv = ['stade_nb', 'prune', '--help']\n"
        "runpy.run_module('stade_nb', run_name='__main__')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "largest" in ran.stdout, ran.stderr


class AgainConfig(LlamaConfig):
    model_type = "llama_again"


class AgainForCausalLM(LlamaForCausalLM):
    config_class = AgainConfig


def test_an_architecture_with_known_layers_prunes_and_sweeps(monkeypatch, folder):
    AutoConfig.register("llama_again", AgainConfig, exist_ok=True)
    AutoModelForCausalLM.register(AgainConfig, AgainForCausalLM, exist_ok=True)
    monkeypatch.setitem(tiny_models.CONFIGS, "again", AgainConfig(**tiny_models._GATED))
    model = tiny_models.build("again")
    with pytest.raises(ValueError, match="unknown architecture 'llama_again'"):
        prune_model(model, tiny_models.windows(2), "stade", "2:4")

    monkeypatch.setitem(architectures.SUPPORTED, "llama_again", architectures.GATED)
    place = folder(model)
    text = str(place / "text.txt")
    prune_model(model, tiny_models.windows(2), "stade", "2:4")
    assert (model.model.layers[0].mlp.up_proj.weight == 0).double().mean() == 0.5
    setting = Setting(Windows(text, 4, 16), Windows(text, None, 16), place / "results")
    _, one = sweep(str(place / "model"), [DENSE, Cell("stade", "2:4")], setting)
    assert set(one["sizes"]) == {
        f"model.layers.{block}.{layer}" for block in range(3) for layer in architectures.GATED
    }
    assert tables.layers.types_of(str(place / "model")) == tables.layers.types_of("llama-390k")


def test_a_new_layer_type_is_in_every_plot_of_layer_types(monkeypatch):
    new = "mixer.in_proj"
    monkeypatch.setitem(architectures.SUPPORTED, "mine", architectures.OPT | {new})
    monkeypatch.setattr(layer_frames, "LAYERS", [*layer_frames.LAYERS, new])
    ran = layer_frames.frame({})
    rows = claims.layers.compared(ran)
    names = {label for text in legend(plots.layers.by_layer(ran)) for label in text.split(", ")}
    assert names == set(layer_frames.LAYERS)
    ticks = [label.get_text() for label in plots.layers.heat_map(rows).axes[0].get_yticklabels()]
    assert ticks[-1].startswith(new) and len(ticks) == len(layer_frames.LAYERS)
    for figure in (plots.layers.lines(ran), plots.layers.ratios(rows)):
        panels = [axes.get_title() for axes in figure.axes if axes.get_title()]
        assert len(panels) == len(layer_frames.LAYERS) and panels[-1].startswith(new)
    assert new.rpartition(".")[2] in set(tables.layers.layout(ran, "one")["layer"])


class WithTemperature(notebooks.Bias):
    temperature: Annotated[int, whole(1, 9)]


def test_a_new_parameter_is_checked_and_shown(monkeypatch):
    monkeypatch.setitem(parameters.NOTEBOOKS, "bias", WithTemperature)
    given = defaults(NOTEBOOKS / "bias.ipynb") | {"temperature": 3}
    p = parameters.checked(given, "bias")
    assert p.temperature == 3 and "temperature" in parameters.shown(p).data
    with pytest.raises(ValueError, match=r"temperature = 10 .* a whole number from 1 to 9"):
        parameters.checked(given | {"temperature": 10}, "bias")
    with pytest.raises(ValueError, match="did you mean 'temperature'"):
        parameters.checked(given | {"temprature": 3}, "bias")
    with pytest.raises(ValueError, match="no value for temperature"):
        parameters.checked({k: v for k, v in given.items() if k != "temperature"}, "bias")


def test_methods_with_a_look_are_methods():
    assert set(style.METHOD_STYLE) <= set(METHODS)
    assert set(style.LAYER_STYLE) == set(architectures.ORDER)


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """A line more in the list of claims."""
    place = tmp_path / "paper"
    shutil.copytree(paper.FOLDER, place)
    with (place / "claims.csv").open("a", encoding="utf-8") as file:
        file.write('mine,"Sec. 9",bananas are pruned best,"P, E"\n')
    monkeypatch.setattr(paper, "FOLDER", place)
    paper._read.cache_clear()
    yield
    paper._read.cache_clear()


def test_a_new_claim_is_on_the_scorecard_by_each_of_its_rules(listed, tmp_path, monkeypatch):
    decides = claims.scorecard.decides
    monkeypatch.setattr(claims.scorecard, "RULES", dict(claims.scorecard.RULES))
    monkeypatch.setattr(claims.scorecard, "VERDICTS", tmp_path)

    @decides(verdicts.PRINTED, "", "mine")
    def by_print():
        return [Verdict("mine", verdicts.PRINTED, "so it is printed", Count(2, 1, 0))]

    @decides(verdicts.RUNS, "bananas", "mine")
    def by_runs(found):
        return Verdict("mine", verdicts.RUNS, "so it ran", Count(0, 0, found))

    with pytest.raises(ValueError, match="has a rule by print already: change by_print"):
        decides(verdicts.PRINTED, "", "mine")(by_runs)

    (last,) = (v for v in claims.scorecard.collected(tmp_path) if (v.id, v.by) == ("mine", "runs"))
    assert last.word == "not run here" and "notebooks/bananas.ipynb" in str(last.count)
    claims.scorecard.write("bananas", [by_runs(3)])
    found = claims.scorecard.collected(tmp_path)
    row = claims.scorecard.table(found).set_index("id").loc["mine"]
    assert row["claim"] == "bananas are pruned best"
    assert row["print"] == "supported: supported 2, open 1, contradicted 0 of 3"
    assert row["runs"] == "contradicted: supported 0, open 0, contradicted 3 of 3"
    (axes,) = plots.verdicts.scorecard(found).axes
    assert axes.get_yticklabels()[-1].get_text() == "bananas are pruned best"
