"""The place where bad input is tried: a small model, token arrays and a text; and changes to them.

Every change is a function of the place's folder. `model/` is a LLaMA of two blocks that knows 64
words, `ids.npy` has 4 windows of 16 tokens, `text.txt` 60 documents.
"""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from workflow.bad_input.row import Change

WORDS, POSITIONS, WINDOWS, TOKENS = 64, 32, 4, 16


def build(folder: Path) -> None:
    """Fill the empty `folder` with what every row finds there."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from stade_nb.models import saving

    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS,
    )
    words = Tokenizer(WordLevel({f"w{number}": number for number in range(WORDS)}, unk_token="w0"))
    words.pre_tokenizer = Whitespace()
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
    saving.save(LlamaForCausalLM(config), tokenizer, folder / "model")
    draw = np.random.default_rng(0)
    np.save(folder / "ids.npy", draw.integers(0, WORDS, (WINDOWS, TOKENS)))
    texts = (" ".join(f"w{n}" for n in draw.integers(0, WORDS, 40)) for _ in range(60))
    (folder / "text.txt").write_text("\n\n".join(texts))


def together(*changes: Change) -> Change:
    """One after the other."""

    def change(place: Path) -> None:
        for each in changes:
            each(place)

    return change


def content(name: str, new: bytes | str) -> Change:
    """A file with this content, new or in place of the old one; its folder is made."""

    def change(place: Path) -> None:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(new.encode() if isinstance(new, str) else new)

    return change


def part(name: str, share: float) -> Change:
    """The beginning of a file, as a download that was interrupted leaves it."""

    def change(place: Path) -> None:
        whole = (place / name).read_bytes()
        (place / name).write_bytes(whole[: int(len(whole) * share)])

    return change


def gone(*names: str) -> Change:
    """Without these files of the model."""

    def change(place: Path) -> None:
        for name in names:
            (place / "model" / name).unlink()

    return change


def config(**entries: object) -> Change:
    """Other entries in the model's config.json."""

    def change(place: Path) -> None:
        path = place / "model" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | entries))

    return change


def folder(name: str) -> Change:
    """An empty folder."""
    return lambda place: (place / name).mkdir(parents=True)


def copied(old: str, new: str) -> Change:
    """A copy of a folder under another name."""
    return lambda place: shutil.copytree(place / old, place / new)


def moved(old: str, new: str) -> Change:
    """A file or folder under another name."""
    return lambda place: (place / old).rename(place / new)


def pipe(name: str) -> Change:
    """A named pipe: what reads or writes it waits for ever."""
    return lambda place: os.mkfifo(place / name)


def array(name: str, make: Callable[[], object], pickled: bool = False) -> Change:
    """A .npy file."""
    return lambda place: np.save(place / name, make(), allow_pickle=pickled)


def archive(name: str) -> Change:
    """A zip of a token array, as np.savez writes it, under any name."""

    def change(place: Path) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as made:
            made.write(place / "ids.npy", "ids.npy")
        (place / name).write_bytes(file.getvalue())

    return change


def weights(alter: Callable[[dict], dict]) -> Change:
    """Other tensors in the model's file of weights."""

    def change(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = place / "model" / "model.safetensors"
        save_file(alter(load_file(path)), path, metadata={"format": "pt"})

    return change


def header(new: bytes, length: int | None = None) -> Change:
    """A file of weights with another header; length: that it announces, if not its own."""

    def change(place: Path) -> None:
        size = len(new) if length is None else length
        path = place / "model" / "model.safetensors"
        path.write_bytes(size.to_bytes(8, "little") + new + bytes(64))

    return change


class _Evil:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> tuple:
        return Path.write_text, (Path("ran.txt"), "code of a pickle ran")


def pickle(name: str) -> Change:
    """A pickle that writes a file when it is read."""
    import pickle as made

    return content(name, made.dumps(_Evil(), protocol=2))  # torch warns of others


def record(alter: Callable[[dict], object], keyed: bool = False) -> Change:
    """A record in results/ whose content is altered; keyed: with the checksums that fit."""

    def change(place: Path) -> None:
        from stade_nb.engine import records
        from stade_nb.files import digest

        fields = {"method": "wanda", "pattern": "0.5", "numerics": 1}
        path = records.write(place / "results", fields, {"perplexity": 2.0, "losses": [0.5]})
        changed = alter(json.loads(path.read_text()))
        if keyed:
            path.unlink()
            changed["key"] = digest(changed["fields"])
            changed["digest"] = digest([changed["fields"], changed["result"]])
            path = path.with_name(f"{changed['key']}.json")
        path.write_text(changed if isinstance(changed, str) else json.dumps(changed))

    return change
