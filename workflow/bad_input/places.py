"""Output places, records, notebooks' parameters, make, and the functions in Python."""

from workflow.bad_input import stage
from workflow.bad_input.data import PRUNED
from workflow.bad_input.names import MEASURED
from workflow.bad_input.row import Row

HALF = f"{PRUNED} wanda --sparsity-ratio 0.5"
SWEPT = (
    "sweep --model model --methods dense --patterns 0.5 --calibration ids.npy --evaluation ids.npy"
)
OUTPUTS = (
    Row("a folder with something in it", f"{HALF} --save model", "is not empty"),
    Row("a file in the place of a folder", f"{HALF} --save text.txt", "'text.txt' is a file"),
    Row("a folder below a file", f"{HALF} --save text.txt/new", "text.txt"),
    Row("an empty name for the model", f"{HALF} --save ''", "'--save'"),
    Row("a folder in the place of a file", f"{MEASURED} --out model", "--out 'model'"),
    Row("a folder that is not there", f"{MEASURED} --out nowhere/out.json", "a folder that exists"),
    Row("an empty name for the numbers", f"{MEASURED} --out ''", "'--out'"),
    Row(
        "a named pipe, which is no ordinary file",
        f"{MEASURED} --out pipe",
        "pipe",
        change=stage.pipe("pipe"),
    ),
    Row("records where a file is", f"{SWEPT} --results-dir text.txt", "text.txt"),
    Row("records below a file", f"{SWEPT} --results-dir text.txt/results", "text.txt"),
    Row(
        "numbers in the place of the records' folder",
        f"{SWEPT} --results-dir results --out results",
        "results",
    ),
    Row(
        "a terminal that cannot show a name",
        "evaluate --model model --evaluation tokëns.npy",
        "perplexity: ",
        0,
        stage.moved("ids.npy", "tokëns.npy"),
        output="ascii",
    ),
    Row(
        "a model that has no place for biases",
        f"{PRUNED} stade --sparsity-ratio 0.5 --save new",
        "has no way to store the corrected biases",
        change=stage.config(model_type="mistral", architectures=["MistralForCausalLM"]),
    ),
)
SHIPPED = "workflow.ship results --threads 1"
RECORDS = (
    Row("a record cut off", SHIPPED, "is damaged", change=stage.record(lambda all_: '{"key": "')),
    Row(
        "a record nested deep",
        SHIPPED,
        "is damaged",
        change=stage.record(lambda all_: "[" * 100_000),
    ),
    Row("a record that is a list", SHIPPED, "is damaged", change=stage.record(lambda all_: [1])),
    Row(
        "a number changed by hand",
        SHIPPED,
        "content and checksum differ",
        change=stage.record(lambda all_: all_ | {"result": {"perplexity": 1.0}}),
    ),
    Row(
        "checksums that fit a result of another kind",
        SHIPPED,
        "damaged",
        change=stage.record(lambda all_: all_ | {"result": [1]}, keyed=True),
    ),
    Row("a folder without records", "workflow.ship model/none --threads 1", "holds no records"),
    Row("records of no threads", "workflow.ship model --threads 0", "expected 1 or more"),
    Row(
        "a record that is a named pipe",
        SHIPPED,
        "damaged",
        change=stage.together(stage.folder("results"), stage.pipe(f"results/{64 * '0'}.json")),
    ),
)


def _notebook(what: str, name: str, words: str, says: str) -> Row:
    return Row(what, f"papermill notebooks/{name}.ipynb mine.ipynb {words}", says, 1)


PARAMETERS = (
    _notebook(
        "numbers with commas",
        "many_weights",
        "-p correlations 0.1,0.5",
        '-y "correlations: [0.1, 0.5]"',
    ),
    _notebook(
        "two numbers with a comma", "many_weights", "-p mean_range -1,1", '-y "mean_range: [-1, 1]"'
    ),
    _notebook(
        "a list in the place of a text",
        "table3_perplexity",
        "-p patterns '[0.5, 2:4]'",
        "-y \"patterns: ['0.5', '2:4']\"",
    ),
    _notebook("a name misspelt", "bias", "-p sample 20000", "did you mean 'samples'"),
    _notebook("a number out of range", "bias", "-p inputs 1", "a whole number from 2 to 512"),
    _notebook("a number that is a word", "bias", "-p inputs many", "a whole number"),
    _notebook("a pair the wrong way round", "bias", "-y 'mean_range: [2, -2]'", "[low, high]"),
    _notebook(
        "a pattern without quotes",
        "table3_perplexity",
        "-y 'patterns: [2:4]'",
        "YAML reads an unquoted 2:4 as 124",
    ),
    _notebook("a method misspelt", "table3_perplexity", "-p methods wnda", "did you mean 'wanda'"),
    _notebook("an empty list", "table3_perplexity", "-y 'methods: []'", "the list is empty"),
    _notebook("the same seed twice", "table3_perplexity", "-y 'seeds: [0, 0]'", "named twice"),
    _notebook("a number format misspelt", "table3_perplexity", "-p dtype float31", "'float32'"),
    _notebook("a share of nothing", "table2_layer_types", "-p sparsities 0", "above 0"),
    _notebook("not a number", "bias", "-y 'std_range: [.nan, 1]'", "two numbers"),
    Row(
        "a calibration text misspelt",
        "workflow.grid --calibrations C4,sotries --results-dir results",
        "did you mean 'stories'",
    ),
    Row(
        "a model misspelt",
        "workflow.one table3_perplexity --model llama-23k",
        "did you mean 'llama-230k'",
    ),
    Row(
        "a number that is a word, in a file",
        "workflow.one table3_perplexity --parameters mine.yaml",
        "expected a whole number",
        change=stage.content("mine.yaml", "windows: many\n"),
    ),
    Row(
        "a pattern that does not fit the model",
        "workflow.one table3_perplexity --model llama-230k --parameters mine.yaml",
        "no multiple of 7",
        change=stage.content("mine.yaml", 'patterns: ["2:7"]\n'),
    ),
    Row(
        "a model that was not trained here",
        "workflow.one embedded_models --model smollm2-135m",
        "for a model of your own: audit_code",
    ),
)
MAKE = (
    Row("no notebooks side by side", "make book JOBS=0", "a whole number from 1"),
    Row("a number that is a word", "make book JOBS=abc", "JOBS='abc'"),
    Row("an empty number", "make book JOBS=", "JOBS=''"),
    Row("an empty profile", "make book PROFILE=", "expected one of embedded paper smoke"),
    Row("a profile misspelt", "make book PROFILE=smok", "PROFILE='smok'"),
    Row("an empty environment", "make book VENV=", "VENV=''"),
    Row("a file in its place", "make book VENV=README.md", "is no Python environment"),
    Row("a folder with other things", "make distclean VENV=tests", "is no Python environment"),
    Row("terms that are not quite accepted", "make packaged GEMMA=yes", "expected GEMMA=1"),
    Row("no Python", "make book PYTHON=", "PYTHON=''"),
    Row("a variable misspelt", "make book PROFLE=smoke", "unknown variable PROFLE"),
    Row("an executor misspelt", "make cluster EXECUTOR=kubernets", "kubernetes local slurm"),
    Row("a target misspelt", "make bok", "No rule to make target 'bok'"),
)
PYTHON = (
    Row("a seed that is a word", "snb.Cell('wanda', '0.5', seed='x')", "seed"),
    Row("no windows at a time", "snb.window_losses(model, ids, batch_size=0)", "batch_size"),
    Row("ids of a model's words", "snb.perplexity(model, ids.float())", "integer"),
    Row("no windows", "snb.perplexity(model, ids[:0])", "token windows of shape (0, 16)"),
    Row("ids for one window", "snb.perplexity(model, ids[0])", "(windows, tokens)"),
    Row("a pattern misspelt", "snb.parse_pattern('2of4')", "pattern '2of4'"),
    Row("scores without outputs", "snb.select(torch.ones(3), '0.5')", "expected (out, in)"),
    Row("scores that are not numbers", "snb.select(torch.full((2, 4), torch.nan), '2:4')", "NaN"),
    Row("inputs that are whole numbers", "snb.Moments.of(torch.ones(3, 2).long())", "float dtype"),
    Row(
        "a number of windows that is text",
        "snb.Setting(None, None, None, batch_size='8')",
        "batch_size",
    ),
    Row(
        "a model in a wrapper",
        "snb.perplexity(torch.nn.DataParallel(model), ids)",
        "type DataParallel",
    ),
    Row("both that load returns", "snb.perplexity(snb.load('model'), ids)", "type tuple"),
    Row(
        "a model without numbers",
        "snb.prune_model(model.to('meta'), None, 'magnitude', '0.5')",
        "holds no numbers",
    ),
    Row(
        "weights that are whole numbers",
        "snb.prune_layer(torch.ones(2, 4).int(), None, None, 'magnitude', '2:4', centred=True)",
        "weight of torch.int32",
    ),
    Row(
        "a method in a list",
        "snb.Cell(['wanda'], '0.5')",
        "unknown method",
    ),
    Row("no layers named", "snb.Cell('wanda', '0.5', None)", "layers None"),
    Row(
        "windows in words",
        "snb.Setting('embedded', None, 'results')",
        "calibration of the type str",
    ),
    Row(
        "a sweep that keeps nothing",
        "snb.sweep('model', [], snb.Setting(None, snb.Windows('ids.npy', None), None))",
        "results_dir None",
    ),
    Row(
        "a cell in words",
        "snb.sweep('model', ['wanda'], snb.Setting(None, snb.Windows('ids.npy', 4), 'results'))",
        "expected a Cell",
    ),
    Row("a model in place of its name", "snb.load(model)", "type LlamaForCausalLM"),
    Row(
        "a seed that draws by the time of day",
        "snb.calibration_windows('ids.npy', None, 2, 16, seed=None)",
        "seed None",
    ),
    Row("a text without a tokenizer", "snb.evaluation_windows('text.txt', None)", "tokenizer"),
    Row("a model without its tokenizer", "snb.save(model, None, 'new')", "type NoneType"),
    Row("a folder with an empty name", "snb.save(model, None, '')", "the name of a folder"),
)
