"""What each notebook takes: the names and the types of its parameters."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stade_book.pages import fields
from stade_book.pages.fields import Parameters, Several, between, text, whole


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


class Printed(Parameters):
    """Nothing: what the paper prints is counted."""


class Audit(Measured):
    patterns: Several[fields.PatternText]
    sparsities: Several[fields.Share]
    example: Annotated[str, text(fields.ONE_MODEL)]


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
    teraflops: Annotated[int | float, between(0.001, 1e6)]
    teraflops_float64: Annotated[int | float, between(0.001, 1e6)]
    share: Annotated[int | float, between(0.001, 1)]
    measured: Several[fields.ModelName]


class Speed(Parameters):
    """Layers of a published shape, timed, and the whole model."""

    model: Annotated[str, text("a model of data/shapes.json")]
    patterns: Several[fields.PatternText]
    whole_patterns: Several[fields.PatternText]
    tokens: Several[fields.Windows]
    repetitions: fields.Windows
    device: fields.Device

    @field_validator("whole_patterns")
    @classmethod
    def _among_the_patterns(cls, value: list[str], given: ValidationInfo) -> list[str]:
        """The whole model is in the format that was the fastest for its pattern's layers."""
        for pattern in value:
            if pattern not in (patterns := given.data.get("patterns", value)):
                raise ValueError(f"{pattern!r} is not among patterns = {', '.join(patterns)}")
        return value


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


class Beside(Methods):
    """Methods on embedded models, pruned here, and on real ones, from records computed earlier."""

    real_models: Several[fields.ModelName]


class Newer(Beside):
    """The same with methods beyond the paper."""

    methods: Several[fields.AnyMethod]


class LayerInputs(Calibrated):
    """What enters the layers of embedded models, and of real ones by records computed earlier."""

    real_models: Several[fields.ModelName]
    patterns: Several[fields.PatternText]
    seeds: fields.Seeds


class LayerLosses(Measured):
    """As `MaskOrCompensation`, with the losses of single layers."""

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


# Pages whose models are names in records: the models themselves need not be here.
OF_RECORDS = (RealModels, Studies)

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
    "audit": Printed,
    "audit_theory": Audit,
    "audit_code": Audit,
    "mask_or_compensation": MaskOrCompensation,
    "newer_methods": Newer,
    "usable": Beside,
    "layer_losses": LayerLosses,
    "centred_inputs": LayerInputs,
    "scorecard": Scorecard,
    "embedded_models": EmbeddedModels,
}
