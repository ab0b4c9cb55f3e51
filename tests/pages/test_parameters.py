"""What a notebook takes, and what it says to everything else."""

import io
import json
from pathlib import Path

import pandas
import pytest
import yaml

from stade_book.pages import parameters
from stade_nb.errors import StadeError
from workflow import profiles
from workflow.profiles import NOTEBOOKS, defaults

BIAS, TABLE = (defaults(NOTEBOOKS / f"{name}.ipynb") for name in ("bias", "table3_perplexity"))


def test_resolves_and_shows_every_parameter():
    given = {"mean_range": [-2, 2], "std_range": [0.1, 2], "samples": 10_000, "device": "cpu"}
    p = parameters.checked(BIAS | given, "bias")
    assert (p.mean_range, p.samples, p.device) == ((-2, 2), 10_000, "cpu")
    html = io.StringIO(parameters.shown(p).data)
    shown = pandas.read_html(html, thousands=None)[0].set_index("parameter")["value"]
    assert list(shown.index) == list(BIAS)
    assert list(shown[list(given)]) == ["−2, 2", "0.1, 2", "10,000", "cpu"]


def test_shows_them_in_the_order_of_the_notebook():
    turned = dict(reversed(TABLE.items()))
    html = parameters.shown(parameters.checked(turned, "table3_perplexity")).data
    assert list(pandas.read_html(io.StringIO(html))[0]["parameter"]) == list(turned)


def test_what_was_checked_does_not_change():
    p = parameters.checked(BIAS, "bias")
    with pytest.raises(ValueError, match="frozen"):
        p.seed = 1


def test_ignores_what_is_no_plain_value():
    namespace = {
        **BIAS,
        "_": 3,
        "_i1": "inputs = 1",
        "In": [""],
        "Out": {},
        "json": json,
        "checked": parameters.checked,
        "Path": Path,
    }
    assert parameters.checked(namespace, "bias").seed == BIAS["seed"]


def test_names_the_parameter_that_was_probably_meant():
    with pytest.raises(
        StadeError,
        match=r"unknown parameter of bias\.ipynb 'sample': did you "
        r"mean 'samples'\? known: inputs, .*device",
    ):
        parameters.checked({**BIAS, "sample": 5}, "bias")
    with pytest.raises(StadeError, match="did you mean 'models'"):
        parameters.checked({**TABLE, "model": "facebook/opt-125m"}, "table3_perplexity")
    with pytest.raises(StadeError, match="unknown notebook 'biass': did you mean 'bias'"):
        parameters.checked(BIAS, "biass")


def test_says_which_default_is_missing():
    with pytest.raises(StadeError, match="no value for inputs, seed"):
        parameters.checked({k: v for k, v in BIAS.items() if k not in ("inputs", "seed")}, "bias")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("inputs", 1, "inputs = 1 .*whole number from 2 to 512"),
        ("inputs", "32", "inputs = '32' .*whole number"),
        ("inputs", 32.0, "whole number"),
        ("inputs", True, "whole number"),
        ("mean_range", [2, -2], r"two numbers \[low, high\]"),
        ("mean_range", 2, r"two numbers \[low, high\]"),
        ("std_range", [0, 1], "from 0.001 to 100"),
        ("std_range", [float("nan"), 1], "two numbers"),
        ("device", "", "'auto'"),
        ("device", None, "'auto'"),
    ],
)
def test_refuses_wrong_types_and_ranges(name, value, message):
    with pytest.raises(StadeError, match=message):
        parameters.checked({**BIAS, name: value}, "bias")


@pytest.mark.parametrize(
    ("name", "given", "resolved"),
    [
        ("models", "facebook/opt-125m", ["facebook/opt-125m"]),
        ("models", "one, two words/model", ["one", "two words/model"]),
        ("methods", "wanda,stade", ["wanda", "stade"]),
        ("window_length", None, None),
        ("patterns", 0.5, ["0.5"]),
        ("seeds", 7, [7]),
        ("seeds", "3, 1", [3, 1]),
        ("patterns", ["50%", "2:4"], ["0.5", "2:4"]),
    ],
)
def test_a_list_may_be_one_value_or_a_string_with_commas(name, given, resolved):
    p = parameters.checked({**TABLE, name: given}, "table3_perplexity")
    assert getattr(p, name) == resolved


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("methods", ["wnda"], "did you mean 'wanda'"),
        ("methods", [["wanda"]], r"unknown value \['wanda'\]"),
        ("methods", [], "the list is empty"),
        ("patterns", ["0.5", "50%"], "named twice"),
        ("patterns", yaml.safe_load("[2:4]"), "YAML reads an unquoted 2:4 as 124"),
        ("patterns", ["5:4"], "N at most M"),
        ("dtype", "float31", "one of float32, float16, bfloat16 .*did you mean 'float32'"),
        ("windows", 0, "whole number from 1"),
        ("seeds", [0, 0], "named twice"),
        ("seeds", [-1], "a list of: a whole number from 0 to"),
        ("seeds", "0,x", "a list of: a whole number from 0 to"),
        ("evaluation_windows", 1, "whole number from 2 .*, or None for all that the text has"),
    ],
)
def test_refuses_bad_lists_and_choices(name, value, message):
    with pytest.raises(StadeError, match=message):
        parameters.checked({**TABLE, name: value}, "table3_perplexity")


def test_methods_beyond_the_paper_are_known_to_the_page_on_them_alone():
    newer, usable = (defaults(NOTEBOOKS / f"{name}.ipynb") for name in ("newer_methods", "usable"))
    given = {"methods": "ria, stade"}
    assert parameters.checked(newer | given, "newer_methods").methods == ["ria", "stade"]
    with pytest.raises(StadeError, match="did you mean 'ria'"):
        parameters.checked(newer | {"methods": "riaa"}, "newer_methods")
    with pytest.raises(StadeError, match="unknown value 'ria'"):
        parameters.checked(usable | given, "usable")


@pytest.mark.parametrize("given", [0.9, ["90%"], "0.9", "0.5, 0.9"])
def test_sparsities_are_shares(given):
    layers = defaults(NOTEBOOKS / "table2_layer_types.ipynb") | {"sparsities": given}
    assert parameters.checked(layers, "table2_layer_types").sparsities[-1] == "0.9"
    for wrong in ([0], [50], "0.5, x", [0.5, "50%"], ["2:4"]):
        with pytest.raises(StadeError, match=r"parameter sparsities = .*: expected a list of"):
            parameters.checked({**layers, "sparsities": wrong}, "table2_layer_types")


@pytest.mark.parametrize(
    ("notebook", "name", "value", "meant"),
    [
        ("many_weights", "correlations", "0.1,0.5", "[0.1, 0.5]"),
        ("many_weights", "mean_range", "-1,1", "[-1, 1]"),
        ("many_weights", "correlations", "[0, .9]", "[0, .9]"),
        ("table3_perplexity", "patterns", "[0.5, 2:4]", "['0.5', '2:4']"),
        ("table3_perplexity", "models", "['a/b', c]", "['a/b', 'c']"),
        ("table3_perplexity", "seeds", "[0, 1]", "[0, 1]"),
    ],
)
def test_a_list_that_papermill_took_for_text_is_answered_with_the_command(
    notebook, name, value, meant
):
    given = defaults(NOTEBOOKS / f"{notebook}.ipynb")
    with pytest.raises(StadeError) as refused:
        parameters.checked(given | {name: value}, notebook)
    said = str(refused.value)
    assert said.startswith(f"parameter {name} = {value!r} of {notebook}.ipynb: expected ")
    words = f'papermill notebooks/{notebook}.ipynb mine.ipynb -y "{name}: {meant}", or -f FILE'
    assert words in said and "\n" not in said
    # What the command hands over is what is taken.
    right = yaml.safe_load(f"{name}: {meant}")
    assert getattr(parameters.checked(given | right, notebook), name) is not None


@pytest.mark.parametrize("value", ["x", "", "1", "1,2,3", "low,high"])
def test_what_is_no_list_either_gets_no_command(value):
    given = defaults(NOTEBOOKS / "many_weights.ipynb")
    with pytest.raises(StadeError, match="parameter mean_range = ") as refused:
        parameters.checked(given | {"mean_range": value}, "many_weights")
    assert "papermill" not in str(refused.value)


def test_pages_that_share_cells_have_the_same_settings():
    figure, table = (
        defaults(NOTEBOOKS / f"{name}.ipynb") for name in ("figure1_layers", "table2_layer_types")
    )
    assert set(figure.pop("models")) <= set(table.pop("models"))
    assert figure == table


def test_a_page_with_nothing_to_choose_shows_nothing():
    assert parameters.shown(parameters.checked({}, "audit")).data == ""


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_declares_its_schema_and_valid_defaults(path):
    declared = defaults(path)
    assert set(declared) == set(parameters.NOTEBOOKS[path.stem].model_fields)
    parameters.checked(declared, path.stem)


def test_the_whole_model_takes_patterns_of_its_page():
    given = defaults(NOTEBOOKS / "sparse_speed.ipynb")
    given |= {"patterns": ["0.5"], "whole_patterns": ["2:4"]}
    with pytest.raises(StadeError, match=r"whole_patterns.*'2:4' is not among patterns = 0\.5"):
        parameters.checked(given, "sparse_speed")


@pytest.mark.parametrize("profile", sorted(p.stem for p in profiles.PROFILES.glob("*.yaml")))
def test_every_profile_gives_valid_parameters(profile):
    for notebook, run in profiles.load(profile).items():
        given = defaults(NOTEBOOKS / f"{notebook}.ipynb") | run["parameters"]
        parameters.checked(given, notebook)
