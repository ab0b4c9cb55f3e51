"""Parameters of the notebooks: what each one takes, checked before anything is computed.

Papermill runs a notebook with its defaults when a parameter's name is misspelt, and hands over
any type. `checked` looks at the notebook's own variables instead: it must be called before any
other plain value is assigned, so every plain value that exists is a parameter, declared or not.
"""

import datetime
import re
from typing import Annotated, Literal

import pandas
from IPython.display import HTML
from pydantic import Field, ValidationError

from stade_nb.errors import StadeError, unknown
from stade_nb.pages import fields
from stade_nb.pages.fields import Parameters, Several, between, text, whole
from stade_nb.pages.html import table, written


class RandomLayers(Parameters):
    """Random linear layers, on which the theory is computed."""

    inputs: fields.Inputs
    outputs: fields.Outputs
    std_range: fields.StdRange
    seed: fields.Seed
    device: fields.Device


class Problem(RandomLayers):
    mean_range: fields.MeanRange
    samples: fields.Samples


class Wanda(RandomLayers):
    layers: fields.Layers
    repetitions: Annotated[int, whole(100, 10**8)]


class Bias(RandomLayers):
    layers: fields.Layers
    mean_range: fields.MeanRange
    samples: fields.Samples


class ManyWeights(Bias):
    inputs: Annotated[int, whole(2, 64)]
    correlations: Several[fields.Correlation]
    patterns: Several[fields.PatternText]


class Calibrated(Parameters):
    """Models and the text that is shown to them before they are pruned."""

    models: Several[fields.ModelName]
    calibration: Annotated[str, text("'embedded', 'c4', or the path of a text or token file")]
    windows: fields.Windows
    window_length: Annotated[
        fields.AtLeastTwo | None, Field(description="for the model's own, at most 2048")
    ]
    device: fields.Device
    dtype: fields.Dtype
    batch_size: fields.Batch


class Stade(RandomLayers, Calibrated):
    inputs: Annotated[int, whole(4, 4096)]
    outputs: Annotated[int, whole(1, 4096)]
    tokens: Annotated[int, whole(10, 10**8)]
    mean_range: fields.MeanRange
    correlation: fields.Correlation
    patterns: Several[fields.PatternText]


class Measured(Calibrated):
    """Pruned models that are evaluated: what every table of the paper takes."""

    evaluation: Annotated[str, text("'embedded', 'wikitext2', or the path of a text or token file")]
    evaluation_windows: Annotated[
        fields.AtLeastTwo | None, Field(description="for all that the text has")
    ]
    seeds: fields.Seeds
    results_dir: Annotated[str, text("a folder, made if it does not exist")]


class LayerTypes(Measured):
    """One layer type pruned at a time: Table 2 and Fig. 1."""

    sparsities: Several[fields.Share]


class Methods(Measured):
    """A cell for each method and pattern."""

    methods: Several[fields.MethodName]
    patterns: Several[fields.PatternText]


class Perplexities(Methods):
    """Tables 3, 5 and 6."""

    magnitude_scope: Literal["layer", "row"]


class ZeroShot(Methods):
    """Table 4."""

    tasks: Several[Annotated[str, text("'embedded', 'official' or a task, such as 'arc_easy'")]]
    tasks_dir: Annotated[
        Annotated[str, text("a folder with <task>/<split>.jsonl")] | None,
        Field(description="for the hub"),
    ]
    limit: Annotated[fields.AtLeastTwo | None, Field(description="for all questions")]
    requests_at_once: Annotated[
        Literal["auto"] | fields.Batch,
        Field(description="a whole number from 1 to 4,096, or 'auto'"),
    ]


class Audit(Measured):
    patterns: Several[fields.PatternText]
    sparsities: Several[fields.Share]
    example: Annotated[str, text("an embedded model, a local folder or a hub id")]


class Anywhere(Parameters):
    """Pruned models that other programs load."""

    models: Several[fields.ModelName]
    methods: Several[fields.MethodName]
    pattern: fields.PatternText
    windows: fields.Windows
    seed: fields.Seed


class Scale(Parameters):
    """The paper's protocol, and the hardware that would run it."""

    windows: fields.Windows
    window_length: fields.AtLeastTwo
    seeds: fields.Seeds
    tokens_per_request: fields.AtLeastTwo
    batch_size: fields.Batch
    teraflops: Annotated[int | float, between(0.001, 1e6)]
    teraflops_float64: Annotated[int | float, between(0.001, 1e6)]
    share: Annotated[int | float, between(0.001, 1)]
    measured: Several[fields.ModelName]


class Speed(Parameters):
    """Layers of a published shape, timed."""

    model: Annotated[str, text("a model of data/shapes.json")]
    patterns: Several[fields.PatternText]
    tokens: Several[fields.Windows]
    repetitions: fields.Windows
    device: fields.Device


class Scorecard(Parameters):
    verdicts_dir: Annotated[str, text("a folder of the pages' verdicts")]


class RealModels(Parameters):
    """Records computed earlier, and some of them computed again."""

    models: Several[fields.ModelName]
    recompute: Literal["where the model is", "never"]
    texts_dir: Annotated[
        Annotated[str, text("a folder with the texts that the records name")] | None,
        Field(description="for the one that STADE_NB_TEXTS names, if it is set"),
    ]


class SizeLadder(Measured):
    """Models computed in this run, and others whose records were computed earlier."""

    recorded: Several[Annotated[str, text("the name of a model with records in data/results")]]


class Studies(Parameters):
    """Records of studies, computed earlier."""

    models: Several[fields.ModelName]


class MaskOrCompensation(Measured):
    """Embedded models pruned here, and real ones from records computed earlier."""

    real_models: Several[fields.ModelName]
    patterns: Several[fields.PatternText]


class EmbeddedModels(Parameters):
    models: Several[fields.ModelName]
    sample_tokens: Annotated[int, whole(1, 500)]
    prompt: Annotated[str, text("the beginning of a sentence")]
    train: Annotated[
        Several[Annotated[str, text("the name of a recipe")]] | None,
        Field(description="to train nothing"),
    ]
    device: fields.Device


NOTEBOOKS: dict[str, type[Parameters]] = {
    "problem": Problem,
    "wanda": Wanda,
    "bias": Bias,
    "stade": Stade,
    "many_weights": ManyWeights,
    "figure1_layers": LayerTypes,
    "table2_layer_types": LayerTypes,
    "table3_perplexity": Perplexities,
    "table4_zero_shot": ZeroShot,
    "table5_without_bias": Perplexities,
    "table6_weight_update": Perplexities,
    "real_models": RealModels,
    "calibration_texts": Studies,
    "size_ladder": SizeLadder,
    "load_anywhere": Anywhere,
    "running_at_scale": Scale,
    "sparse_speed": Speed,
    "audit": Audit,
    "mask_or_compensation": MaskOrCompensation,
    "scorecard": Scorecard,
    "embedded_models": EmbeddedModels,
}
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def _given(variables: dict) -> dict:
    """The plain values among a notebook's variables, without IPython's own."""
    # YAML knows dates and bytes.
    plain = bool | int | float | str | bytes | list | tuple | dict | set | datetime.date | None
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and name not in _IPYTHON and isinstance(value, plain)
    }


def checked(variables: dict, notebook: str) -> Parameters:
    """The parameters of `notebook` found in `variables` (its `globals()`), checked and resolved.

    Raises StadeError for a name that the notebook does not take (with the nearest that it does),
    for one that its parameters cell lacks, and for a value of the wrong type or out of range.
    """
    if notebook not in NOTEBOOKS:
        raise unknown("notebook", notebook, NOTEBOOKS)
    kind, given = NOTEBOOKS[notebook], _given(variables)
    for name in given:
        if name not in kind.model_fields:
            raise unknown(f"parameter of {notebook}.ipynb", name, kind.model_fields)
    if missing := [name for name in kind.model_fields if name not in given]:
        raise StadeError(
            f"{notebook}.ipynb has no value for {', '.join(missing)}: "
            "its cell tagged `parameters` must give each a default"
        )
    try:
        found = kind(**given)
    except ValidationError as error:
        raise _refused(error.errors()[0], kind, given, notebook) from None
    found._order = tuple(given)
    return found


def _refused(error: dict, kind: type[Parameters], given: dict, notebook: str) -> StadeError:
    """What pydantic found wrong with one value, in the words of this project."""
    name = error["loc"][0]
    schema = kind.model_json_schema()["properties"][name]
    hint = str(error["ctx"]["error"]) if error["type"] == "value_error" else ""
    if error["type"] == "literal_error" and "enum" in schema:
        hint = str(unknown("value", error["input"], schema["enum"]))
    return StadeError(
        f"parameter {name} = {_short(given[name])} of {notebook}.ipynb: "
        f"expected {fields.expected(schema)}"
        + (f" ({hint})" if hint else "")
        + _in_yaml(name, given[name], schema, notebook)
    )


def _short(value: object, most: int = 200) -> str:
    """A value as Python writes it, cut where it is long."""
    return said if len(said := repr(value)) <= most else f"{said[:most]}..."


def _in_yaml(name: str, value: object, schema: dict, notebook: str) -> str:
    """For the text that papermill's -p makes of a list: how a list is given."""
    of_many = {"items", "prefixItems"} & schema.keys()
    if not isinstance(value, str) or not of_many or len(value) > 200:
        return ""
    items = [item.strip(" '\"") for item in value.strip().strip("[]()").split(",")]
    numbers = all(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", item) for item in items)
    pair = "prefixItems" in schema
    if (pair and (len(items) != 2 or not numbers)) or not (numbers or value.lstrip()[:1] == "["):
        return ""
    meant = ", ".join(items if numbers else map(repr, items))
    return (
        "; -p gives papermill a text, and a list comes by -y: papermill "
        f'notebooks/{notebook}.ipynb mine.ipynb -y "{name}: [{meant}]", or -f FILE with that line '
        "in the file"
    )


def shown(parameters: Parameters) -> HTML:
    """The resolved parameters as a small table for the page, in the order of the notebook's."""
    rows = [(name, _joined(getattr(parameters, name))) for name in parameters._order]
    frame = pandas.DataFrame(rows, columns=["parameter", "value"])
    return table(frame, caption="Parameters of this page, as it was run.")


def _joined(value: object) -> str:
    return ", ".join(map(written, value)) if isinstance(value, list | tuple) else written(value)
