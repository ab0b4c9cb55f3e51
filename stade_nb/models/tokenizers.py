"""A model's tokenizer, or what stands in its place where there is none and none is needed."""

from pathlib import Path

from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from stade_nb.errors import StadeError
from stade_nb.models.checkpoint import check_own_code, reason

# Of every tokenizer's files one has such a name.
_FILES = ("*token*", "vocab*", "merges*", "spiece*", "*.model", "*.tiktoken")
NEEDED = (
    "token ids in a .npy array need none; for texts and questions, copy the tokenizer's files of "
    "the model that it was made from into its folder"
)


class Missing:
    """In a tokenizer's place: whoever asks it for tokens gets a StadeError that says why.

    Saved beside a model it leaves nothing. It has no special tokens.
    """

    bos_token_id = eos_token_id = None

    def __init__(self, why: str) -> None:
        self.why = why

    def __call__(self, *_, **__) -> None:
        raise StadeError(self.why)

    def __len__(self) -> int:
        """It has no entries."""
        return 0

    def save_pretrained(self, folder: str | Path) -> None:
        """A model without a tokenizer is saved without one."""


def read(name: str, where: str, options: dict, needed: bool) -> object:
    """The tokenizer at `where`, a folder or a hub id; `Missing` where there are no files of one.

    options: of `from_pretrained`. needed: False leaves out one that transformers cannot read, too,
    such as one that is no tokenizer.json and takes a package that is not installed. What it raises
    is left to the caller, see `checkpoint.reading`.
    """
    folder = Path(where)
    if folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in _FILES):
        return Missing(f"model {name!r} has no tokenizer files: {NEEDED}")
    try:
        settings = get_tokenizer_config(where, cache_dir=options["cache_dir"])
        check_own_code(name, settings, ("AutoTokenizer",), "tokenizer_config.json")
        found = AutoTokenizer.from_pretrained(where, **options)
        found("a", verbose=False)  # what its settings break shows only when it reads something
    except Exception as error:
        # A folder whose tokenizer.json is damaged is damaged, whatever is asked of it.
        if needed or (folder / "tokenizer.json").is_file():
            raise
        why = reason(error)
        return Missing(f"the tokenizer of model {name!r} cannot be read ({why}): {NEEDED}")
    # Without files that it knows transformers makes one up, which finds no tokens in any text.
    if not set(found.get_vocab()) - set(found.all_special_tokens):
        return Missing(f"the tokenizer of model {name!r} has no tokens: {NEEDED}")
    return found
