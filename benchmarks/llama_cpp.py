"""What llama.cpp makes of a GGUF file: log-probabilities of the next token after every token.

It runs in an environment of its own, which needs one package, xllamacpp (llama.cpp's server as a
wheel), and nothing of this project. ``python benchmarks/llama_cpp.py FILE`` reads ``ids``, a list
of numbers, and the size of the ``vocabulary`` as JSON, and prints one JSON object: ``version`` and
``rows``, (tokens, vocabulary), or ``refused``, llama.cpp's own words.
"""

import importlib.metadata
import json
import sys


def server(file: str, tokens: int) -> object:
    """llama.cpp with the model in `file`, on one thread, with keys and values in float32."""
    import xllamacpp

    asked = xllamacpp.CommonParams()
    asked.model.path = file
    asked.n_ctx = max(256, 2 * tokens)
    asked.n_parallel = 1
    asked.cpuparams.n_threads = 1
    asked.warmup = False
    asked.cache_type_k = asked.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    asked.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return xllamacpp.Server(asked)


def rows(file: str, ids: list[int], vocabulary: int) -> list[list[float]]:
    """The log-probability of each entry of the vocabulary after ids[:1], ids[:2], ..., ids."""
    running, found = server(file, len(ids)), []
    for count in range(1, len(ids) + 1):
        question = {"prompt": ids[:count], "max_tokens": 1, "logprobs": vocabulary}
        answer = running.handle_completions(question | {"temperature": 0, "cache_prompt": False})
        (token,) = answer["choices"][0]["logprobs"]["content"]
        by_id = {entry["id"]: entry["logprob"] for entry in token["top_logprobs"]}
        found.append([by_id[number] for number in range(vocabulary)])
    return found


def main() -> None:
    """Read the ids and the size of the vocabulary, print the answer."""
    asked = json.load(sys.stdin)
    answer = {"version": f"xllamacpp {importlib.metadata.version('xllamacpp')}"}
    try:
        answer["rows"] = rows(sys.argv[1], asked["ids"], asked["vocabulary"])
    except RuntimeError as error:
        answer["refused"] = " ".join(str(error).split())
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main()
