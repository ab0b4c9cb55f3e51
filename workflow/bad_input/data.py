"""Texts, token arrays, numbers, and patterns and methods that cannot be."""

import numpy as np

from workflow.bad_input import stage
from workflow.bad_input.names import MEASURED
from workflow.bad_input.row import Row

PRUNED = "prune --model model --calibration ids.npy --method"


def _text(what: str, name: str, says: str, change: object = None) -> Row:
    return Row(what, f"evaluate --model model --evaluation {name}", says, change=change)


TEXTS = (
    _text("a file that is not there", "nothing.txt", "no file 'nothing.txt' in '.'"),
    _text("a file misspelt", "txet.txt", "did you mean 'text.txt'"),
    _text("a file in a folder that is not there", "texts/one.txt", "which is no folder"),
    _text("a name that no file can have", f"{300 * 'n'}.txt", "give a shorter one"),
    _text("a source misspelt", "wikitxt2", "did you mean 'wikitext2'"),
    _text("an empty name", "''", "'--evaluation'"),
    _text("a text for the other use", "c4", "is for calibration here"),
    _text(
        "a suffix that says nothing",
        "text.md",
        "one of .txt, .raw, .npy",
        stage.moved("text.txt", "text.md"),
    ),
    _text("an empty text", "empty.txt", "is empty", stage.content("empty.txt", "")),
    _text(
        "a text shorter than a window",
        "short.txt",
        "0 windows of 32 tokens are possible",
        stage.content("short.txt", "w1 w2 w3"),
    ),
    _text(
        "Latin-1",
        "latin.txt",
        "convert it to UTF-8",
        stage.content("latin.txt", "caf\xe9 ".encode("latin-1") * 40),
    ),
    _text(
        "UTF-16 without its mark",
        "wide.txt",
        "bytes of zero",
        stage.content("wide.txt", ("w1 w2 " * 40).encode("utf-16-le")),
    ),
    _text(
        "a folder without the hub's file",
        "folder",
        "expected the layout of the hub's dataset",
        stage.folder("folder"),
    ),
    _text("a named pipe", "pipe.txt", "pipe.txt", stage.pipe("pipe.txt")),
    Row(
        "a calibration text without documents",
        "prune --model model --method wanda --sparsity-ratio 0.5 --calibration blank.txt",
        "holds no documents",
        change=stage.content("blank.txt", "\n \n\n"),
    ),
    Row(
        "a calibration text shorter than a window",
        "prune --model model --method wanda --sparsity-ratio 0.5 --calibration short.txt",
        "more than 32 tokens",
        change=stage.content("short.txt", "w1 w2 w3"),
    ),
)


def _array(what: str, says: str, change: object, more: str = "") -> Row:
    return Row(what, f"evaluate --model model --evaluation bad.npy{more}", says, change=change)


ARRAYS = (
    Row("a file misspelt", "evaluate --model model --evaluation id.npy", "did you mean 'ids.npy'"),
    _array("no array at all", "bad.npy", stage.content("bad.npy", b"these are no numbers")),
    _array("an empty file", "bad.npy", stage.content("bad.npy", b"")),
    _array(
        "an array cut off",
        "bad.npy",
        stage.together(stage.moved("ids.npy", "bad.npy"), stage.part("bad.npy", 0.5)),
    ),
    _array("a zip named .npy", "bad.npy", stage.archive("bad.npy")),
    _array(
        "objects, which would be unpickled",
        "bad.npy",
        stage.array("bad.npy", lambda: np.array([[{}, None]]), pickled=True),
    ),
    _array(
        "numbers with a fraction",
        "integer token ids",
        stage.array("bad.npy", lambda: np.ones((4, 16))),
    ),
    _array(
        "one row of ids without windows",
        "(windows, tokens)",
        stage.array("bad.npy", lambda: np.arange(16)),
    ),
    _array(
        "no windows", "at least 1 window", stage.array("bad.npy", lambda: np.zeros((0, 16), int))
    ),
    _array(
        "windows of one token",
        "at least 2 tokens",
        stage.array("bad.npy", lambda: np.zeros((4, 1), int)),
    ),
    _array(
        "ids that the model does not know",
        "expected 0 to 63",
        stage.array("bad.npy", lambda: np.full((4, 16), 64)),
    ),
    _array(
        "negative ids", "expected 0 to 63", stage.array("bad.npy", lambda: np.full((4, 16), -1))
    ),
    _array(
        "ids too large for 64 bits",
        "expected",
        stage.array("bad.npy", lambda: np.full((4, 16), 2**64 - 1, np.uint64)),
    ),
    _array(
        "fewer windows than are asked for",
        "4 windows, 5 asked for",
        stage.moved("ids.npy", "bad.npy"),
        " --evaluation-windows 5",
    ),
    _array(
        "windows of another length",
        "(windows, 8)",
        stage.moved("ids.npy", "bad.npy"),
        " --window-length 8",
    ),
)
HUGE = "1" + 30 * "0"
NUMBERS = (
    Row("no windows", f"{MEASURED} --evaluation-windows 0", "0 is not in the range"),
    Row("a number that is a word", f"{MEASURED} --evaluation-windows many", "'many'"),
    Row("a number with an exponent", f"{MEASURED} --evaluation-windows 1e3", "'1e3'"),
    Row("no windows at a time", f"{MEASURED} --batch-size 0", "0 is not in the range"),
    Row("10^30 windows at a time", f"{MEASURED} --batch-size {HUGE}", "'--batch-size'"),
    Row(
        "10^30 calibration windows",
        f"prune --model model --method wanda --sparsity-ratio 0.5 --calibration text.txt "
        f"--nsamples {HUGE}",
        "'--windows'",
    ),
    Row("windows of one token", f"{MEASURED} --window-length 1", "at least 2 tokens"),
    Row(
        "windows longer than the model's positions",
        "evaluate --model model --evaluation text.txt --window-length 33",
        "has 32 positions",
    ),
    Row("a negative seed", f"{PRUNED} wanda --sparsity-ratio 0.5 --seed -1", "not in the range"),
    Row(
        "a seed that is a word",
        "sweep --model model --methods std --patterns 0.5 --seeds 0,a",
        "'a' is not a valid integer",
    ),
    Row(
        "a size that is none",
        "sweep --model model --methods std --patterns 0.5 --memory 2GB",
        "no size such as 20GiB",
    ),
    Row(
        "a size of 400 digits",
        "sweep --model model --methods std --patterns 0.5 --calibration ids.npy --evaluation "
        f"ids.npy --results-dir results --memory {400 * '9'}",
        "--memory",
    ),
    Row("a CUDA device below zero", f"{MEASURED} --cuda-device -1", "not in the range"),
    Row("no questions", f"{MEASURED} --eval-zero-shot --limit 0", "not in the range"),
)
METHODS = (
    Row("a method misspelt", f"{PRUNED} wnda --sparsity-ratio 0.5", "did you mean 'wanda'"),
    Row(
        "a method that nobody published",
        f"{PRUNED} stade_plus --sparsity-ratio 0.5",
        "no published code has it",
    ),
    Row("no pruning at all", f"{PRUNED} dense --sparsity-ratio 0", "unknown method 'dense'"),
    Row("no share", f"{PRUNED} wanda", "expected a share"),
    Row("a share above 1", f"{PRUNED} wanda --sparsity-ratio 1.5", "from 0 to 1"),
    Row("a share below 0", f"{PRUNED} wanda --sparsity-ratio -0.1", "from 0 to 1"),
    Row("a share that is no number", f"{PRUNED} wanda --sparsity-ratio nan", "pattern 'nan'"),
    Row(
        "a share with an exponent of 20 digits",
        f"{PRUNED} wanda --sparsity-ratio 1e-99999999999999999999",
        "1e-99999999999999999999",
    ),
    Row(
        "a pattern in the place of a share",
        f"{PRUNED} wanda --sparsity-ratio 2:4",
        "an N:M pattern is a --sparsity-type",
    ),
    Row("a type misspelt", f"{PRUNED} wanda --sparsity-type unstructred", "'unstructured'"),
    Row(
        "a pattern and another share",
        f"{PRUNED} wanda --sparsity-type 2:4 --sparsity-ratio 0.6",
        "leave the ratio out",
    ),
    Row("more than there is", f"{PRUNED} wanda --sparsity-type 5:4", "N at most M"),
    Row("groups that do not fill a row", f"{PRUNED} wanda --sparsity-type 2:5", "divides 32"),
    Row("groups of 10^30", f"{PRUNED} wanda --sparsity-type 1:{HUGE}", "input features"),
    Row(
        "equal parameters in groups",
        f"{PRUNED} std_equal_parameters --sparsity-type 2:4",
        "one more weight",
    ),
    Row(
        "an unknown layer",
        f"{PRUNED} wanda --sparsity-ratio 0.5 --layers fc1",
        "unknown layer type 'fc1'",
    ),
    Row(
        "all and a layer", f"{PRUNED} wanda --sparsity-ratio 0.5 --layers all,q_proj", "'all' alone"
    ),
    Row(
        "an unknown scope",
        f"{PRUNED} wanda --sparsity-ratio 0.5 --scope column",
        "unknown scope 'column'",
    ),
    Row(
        "a whole layer's weights where rows are gone through",
        "sweep --model model --methods greedy --patterns 0.5 --scope layer",
        "take scope 'row'",
    ),
    Row(
        "a pruned model's number without its pattern",
        "diagnose --model llama-7b --method wanda --perplexity 7.09",
        "without --sparsity",
    ),
    Row(
        "a pattern of the unpruned model",
        "diagnose --model llama-7b --method dense --sparsity 0.5 --perplexity 5.68",
        "leave --sparsity out",
    ),
    Row(
        "the unpruned model's number twice",
        "diagnose --model llama-7b --method dense --perplexity 7 --dense 5",
        "leave it out",
    ),
    Row(
        "an expected number without the one that it belongs to",
        "diagnose --model llama-7b --method wanda --sparsity 0.5 --perplexity 7 --expected-dense 5",
        "without --expected",
    ),
    Row(
        "nothing between two commas",
        "sweep --model model --methods wanda,,std --patterns 0.5",
        "nothing between two commas",
    ),
)
