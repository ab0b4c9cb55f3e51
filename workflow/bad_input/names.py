"""Words that are no command, names that are no model, and checkpoints that are damaged."""

import torch

from workflow.bad_input import stage
from workflow.bad_input.row import Row

MEASURED = "evaluate --model model --evaluation ids.npy"
_CODE = "from pathlib import Path\nPath('ran.txt').write_text('code of a checkpoint ran')\n"
_OWN = stage.config(
    model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
)

WORDS = (
    Row("a command misspelt", "prun --model model", "did you mean 'prune'"),
    Row("no command", "--model model", "a command comes first: prune, evaluate, sweep"),
    Row("an option misspelt", "prune --modle model", "no such option '--modle'"),
    Row("an option of another command", "evaluate --model model --sparsity_ratio 0.5", "no such"),
    Row("an option without its value", "evaluate --evaluation ids.npy --model", "requires an"),
    Row("an option that is needed", "prune --model model", "'--prune-method'"),
    Row("a word too many", f"{MEASURED} now", "unexpected extra argument (now)"),
    Row("a model where an option is expected", "prune --meta-llama/Llama-3.2-1B", "behind --model"),
    Row("tasks without the option that asks them", f"{MEASURED} --tasks boolq", "--eval"),
)
NAMES = (
    Row("a model that is nowhere", "evaluate --model nowhere", "no model 'nowhere'"),
    Row("an embedded model misspelt", "evaluate --model llama-39k", "did you mean 'llama-390k'"),
    Row(
        "a model of the paper misspelt",
        "diagnose --model llama7b --method wanda --sparsity 0.5 --perplexity 7.09",
        "did you mean 'llama-7b'",
    ),
    Row("an empty name", "evaluate --model ''", "'--model'"),
    Row(
        "a path, which is never an embedded model",
        "evaluate --model ./llama-390k",
        "no model './llama-390k'",
    ),
    Row(
        "a name that is an embedded model and a folder",
        "evaluate --model llama-390k",
        "say './llama-390k' for the folder",
        change=stage.moved("model", "llama-390k"),
    ),
    Row(
        "an empty folder", "evaluate --model empty", "no config.json", change=stage.folder("empty")
    ),
    Row("a file that is no model", "evaluate --model text.txt", "no model 'text.txt'"),
    Row("the home of nobody", "evaluate --model '~nobodyx/y'", "~nobodyx/y"),
    Row("a path of the hub that is none", "evaluate --model a/b/c", "no model 'a/b/c'"),
    Row("a model of the hub, and no network", "evaluate --model nobody/nothing", "nobody/nothing"),
    Row(
        "a .gguf file that is none",
        "evaluate --model broken.gguf",
        "broken.gguf",
        change=stage.content("broken.gguf", b"GGUF" + bytes(60)),
    ),
    Row("a device that nobody has", f"{MEASURED} --device tpu", "unknown device 'tpu'"),
    Row("a device without its number", f"{MEASURED} --device cuda:", "unknown device 'cuda:'"),
    Row("a device that is not here", f"{MEASURED} --device cuda:99", "this machine has"),
    Row("a number format misspelt", f"{MEASURED} --dtype float23", "did you mean 'float32'"),
)


def _damaged(what: str, change: object, says: str = "'model'", text: str = "ids.npy") -> Row:
    return Row(what, f"evaluate --model model --evaluation {text}", says, change=change)


CHECKPOINTS = (
    _damaged(
        "fewer blocks announced than are stored",
        stage.config(num_hidden_layers=1),
        "no place for",
    ),
    _damaged("more blocks announced", stage.config(num_hidden_layers=3), "lacks"),
    _damaged("a billion blocks announced", stage.config(num_hidden_layers=10**9), "announces 1000"),
    _damaged("no blocks at all", stage.config(num_hidden_layers=0), "no blocks"),
    _damaged("another vocabulary announced", stage.config(vocab_size=50), "another size"),
    _damaged("a billion tokens announced", stage.config(vocab_size=10**9), "announced 1000000000"),
    _damaged("an unknown activation", stage.config(hidden_act="gelux")),
    _damaged("an unknown way to scale positions", stage.config(rope_scaling={"rope_type": "far"})),
    _damaged("a width that is null", stage.config(hidden_size=None)),
    _damaged("a width that is a word", stage.config(hidden_size="wide")),
    _damaged("heads that do not fit the width", stage.config(num_attention_heads=5)),
    _damaged("too few kinds of layers", stage.config(layer_types=["full_attention"])),
    _damaged(
        "an attention that is not installed", stage.config(_attn_implementation="flash_attention_2")
    ),
    _damaged("an unknown architecture", stage.config(model_type="llamax")),
    _damaged("no architecture named", stage.config(model_type=None)),
    _damaged("an adapter beside it", stage.content("model/adapter_config.json", "{}"), "adapter"),
    _damaged(
        "weights quantised by GPTQ",
        stage.config(quantization_config={"quant_method": "gptq", "bits": 4}),
        "quantised (gptq)",
    ),
    _damaged(
        "weights quantised by AWQ",
        stage.config(quantization_config={"quant_method": "awq", "bits": 4}),
        "quantised (awq)",
    ),
    _damaged(
        "weights of compressed-tensors",
        stage.config(quantization_config={"quant_method": "compressed-tensors"}),
        "compressed-tensors",
    ),
    _damaged("a config.json cut off", stage.part("model/config.json", 0.5)),
    _damaged("an empty config.json", stage.content("model/config.json", "")),
    _damaged("a config.json that is a list", stage.content("model/config.json", "[]")),
    _damaged("a config.json nested deep", stage.content("model/config.json", "[" * 100_000)),
    _damaged(
        "a model that brings its own code",
        stage.together(_OWN, stage.content("model/own.py", _CODE)),
    ),
    _damaged(
        "an empty tokenizer.json", stage.content("model/tokenizer.json", "{}"), text="text.txt"
    ),
    _damaged(
        "no tokenizer", stage.gone("tokenizer.json", "tokenizer_config.json"), text="text.txt"
    ),
    _damaged("no weights", stage.gone("model.safetensors")),
    _damaged("weights cut off", stage.part("model/model.safetensors", 0.6)),
    _damaged("an empty file of weights", stage.content("model/model.safetensors", "")),
    _damaged("weights with a header that is no JSON", stage.header(b"{" * 40)),
    _damaged("weights with a header of 2^60 bytes", stage.header(b"{}", 2**60)),
    _damaged(
        "an empty index of weights",
        stage.together(
            stage.gone("model.safetensors"),
            stage.content("model/model.safetensors.index.json", "{}"),
        ),
    ),
    _damaged(
        "an index of weights that are not there",
        stage.together(
            stage.gone("model.safetensors"),
            stage.content(
                "model/model.safetensors.index.json",
                '{"metadata": {}, "weight_map": {"lm_head.weight": "other.safetensors"}}',
            ),
        ),
    ),
    _damaged(
        "half a .bin",
        stage.together(
            stage.gone("model.safetensors"),
            stage.content("model/pytorch_model.bin", b"PK\x03\x04" + bytes(100)),
        ),
    ),
    _damaged(
        "a .bin that is a program",
        stage.together(stage.gone("model.safetensors"), stage.pickle("model/pytorch_model.bin")),
    ),
    _damaged(
        "weights that are not numbers",
        stage.weights(lambda stored: {name: one * torch.nan for name, one in stored.items()}),
        "not finite",
    ),
    _damaged(
        "one weight missing",
        stage.weights(
            lambda stored: {name: one for name, one in stored.items() if "up_proj" not in name}
        ),
        "lacks 2 weights",
    ),
    _damaged(
        "one weight too many",
        stage.weights(lambda stored: stored | {"model.extra.weight": torch.ones(2)}),
        "model.extra.weight",
    ),
)
