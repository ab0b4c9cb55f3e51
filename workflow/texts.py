"""Cut the texts of the grid "texts in and out" from C4 documents, WikiText-2, stories and plays.

``python -m workflow.texts SOURCES FOLDER`` writes FOLDER/TEXT for every text of `workflow.grid`
that does not come with the project. SOURCES has c4_documents.txt (documents with <|endoftext|>
between them), wiki.test.raw (WikiText-2's raw test set), tinystories_excerpt.txt and
tinyshakespeare.txt. What calibrates and what is evaluated have no document in common.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from stade_nb.corpus.documents import SEPARATOR
from stade_nb.errors import StadeError
from stade_nb.models.loading import load
from workflow import Words, status_of

# Of 220 documents about the first two thirds calibrate; of WikiText the second half does, because
# evaluation windows are cut from the start of a text.
C4_CALIBRATION = 150
OTHERS = {"stories.txt": "tinystories_excerpt.txt", "shakespeare.txt": "tinyshakespeare.txt"}
RANDOM_WINDOWS, RANDOM_LENGTH, RANDOM_SEED = 64, 512, 0


def cut(sources: Path, folder: Path) -> None:
    """Write the texts. StadeError where one of the sources is missing or not UTF-8."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = _read(sources / "c4_documents.txt").split(SEPARATOR)
    if len(documents) <= C4_CALIBRATION:
        raise StadeError(
            f"c4_documents.txt has {len(documents)} documents: expected more than "
            f"{C4_CALIBRATION}, with {SEPARATOR} between them"
        )
    _write(folder / "c4_calibration.txt", SEPARATOR.join(documents[:C4_CALIBRATION]))
    _write(folder / "c4_evaluation.txt", SEPARATOR.join(documents[C4_CALIBRATION:]))
    lines = _read(sources / "wiki.test.raw").splitlines(keepends=True)
    _write(folder / "wiki_calibration.raw", "".join(lines[len(lines) // 2 :]))
    _write(folder / "wiki_evaluation.raw", "".join(lines[: len(lines) // 2]))
    for name, source in OTHERS.items():
        _read(sources / source)
        shutil.copyfile(sources / source, folder / name)


def random_tokens(model: str, path: Path) -> None:
    """Windows of ids drawn uniformly from a model's vocabulary, the same at every call."""
    loaded, _ = load(model)
    generator = np.random.default_rng(RANDOM_SEED)
    shape = (RANDOM_WINDOWS, RANDOM_LENGTH)
    np.save(path, generator.integers(loaded.config.vocab_size, size=shape))


def write(sources: Path, folder: Path, model: str) -> None:
    """All texts of the grid. StadeError where a source or the model is missing or damaged."""
    cut(sources, folder)
    random_tokens(model, folder / "random_tokens.npy")


def _read(path: Path) -> str:
    if not path.is_file():
        raise StadeError(f"no file {path.name!r} in {str(path.parent)!r}")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        said = f"text file {str(path)!r} is not UTF-8 ({error}): convert it to UTF-8"
        raise StadeError(said) from error


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def main(words: list[str] | None = None) -> int:
    """Cut all texts; returns the exit status."""
    parser = Words(prog="python -m workflow.texts", description=__doc__)
    parser.add_argument("sources", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="smollm2-135m", help="whose vocabulary random ids have")
    given = parser.parse_args(words)
    return status_of("texts", lambda: write(given.sources, given.folder, given.model))


if __name__ == "__main__":
    sys.exit(main())
