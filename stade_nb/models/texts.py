"""Texts by name: embedded ones, files of the hub's C4 and WikiText-2, and local files."""

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stade_nb.corpus import documents as embedded
from stade_nb.errors import StadeError, absent, unknown
from stade_nb.models import CALIBRATION, EVALUATION, HubFile, hub_access
from stade_nb.models.checkpoint import reason

# Byte-order marks; the longer ones first, as UTF-32's begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SUFFIXES = (".txt", ".raw", ".npy")


def documents_of(source: str | Path, cache_dir: str | None = None) -> Sequence[str]:
    """The documents that calibration windows are drawn from.

    A .txt file's documents are separated by <|endoftext|>, or else by blank lines, or else they
    are its lines; a .raw file's (WikiText) are its lines that are not blank. StadeError where the
    text cannot be had or is empty.
    """
    if source == "embedded":
        documents = embedded.part("calibration")
    elif (kind := _kind(source, CALIBRATION)) != "file":
        documents = _hub(source, kind, CALIBRATION, cache_dir)
    elif Path(source).suffix == ".raw":
        documents = [line for line in _raw_lines(Path(source)) if line]
    else:
        documents = _text_documents(Path(source))
    if not len(documents):
        raise StadeError(f"calibration text {str(source)!r} holds no documents: expected some text")
    return documents


def text_of(source: str | Path, cache_dir: str | None = None) -> str:
    """The text that evaluation windows are cut from.

    Lines (of WikiText) or documents, joined by a blank line; a .txt file is taken as it is, but for
    its <|endoftext|>, if there are any, which become blank lines.
    """
    if source == "embedded":
        parts = embedded.part("evaluation")
    elif (kind := _kind(source, EVALUATION)) != "file":
        parts = _hub(source, kind, EVALUATION, cache_dir)
    elif Path(source).suffix == ".raw":
        parts = _raw_lines(Path(source))
    else:
        parts = _read(Path(source)).split(embedded.SEPARATOR)
    return "\n\n".join(parts)


def check_source(source: str | Path, use: str) -> None:
    """StadeError, before anything is read, for a text that nobody has, with the nearest name.

    use: "calibration" or "evaluation". Whether the hub has its texts is not asked.
    """
    if source != "embedded":
        _kind(source, {"calibration": CALIBRATION, "evaluation": EVALUATION}[use])


def _kind(source: str | Path, named: dict[str, HubFile]) -> str:
    """The name of a hub file, or "folder" or "file"."""
    if str(source) in named:
        return str(source)
    names = ", ".join(map(repr, ["embedded", *named]))
    expected = f"expected {names}, a file ({', '.join(SUFFIXES)}) or a folder"
    others = CALIBRATION.keys() | EVALUATION.keys()
    if str(source) in others:
        use = "evaluation" if named is CALIBRATION else "calibration"
        raise StadeError(f"source {str(source)!r} is for {use} here: {expected}")
    path = Path(source)
    if path.is_dir():
        return "folder"
    if not path.is_file():
        if path.exists() or path.suffix in SUFFIXES or "/" in str(source):
            raise absent(path, SUFFIXES, expected)
        options = ["embedded", *named, *(f"path of a {suffix} file" for suffix in SUFFIXES)]
        raise unknown("text source", str(source), [*options, "path of a folder"])
    if path.suffix not in SUFFIXES:
        raise StadeError(f"text file {str(source)!r}: expected one of {', '.join(SUFFIXES)}")
    return "file"


def _hub(source, kind, named, cache_dir) -> Sequence[str]:
    """The "text" column of a hub's file, from the hub or from a folder that has it as the hub.

    A file of the hub is found in the hub's cache without network once it has been downloaded;
    `load_dataset` with the repository's name would not find what it has stored itself.
    """
    # Only now: importing them takes seconds.
    from datasets import load_dataset
    from huggingface_hub import hf_hub_download

    (place,) = named.values()
    if kind == "folder":
        roots = [Path(source), Path(source) / place.repository]
        found = [root for root in roots if (root / place.file).is_file()]
        if not found:
            raise StadeError(
                f"folder {str(source)!r} has no {place.file}: expected the layout of the hub's "
                f"dataset {place.repository}, with or without that name above it"
            )
        where = str(found[0].resolve())
    else:
        where = place.repository
    files = {place.split: place.file}
    try:
        if kind != "folder":
            options = {"repo_type": "dataset", "cache_dir": cache_dir}
            with hub_access.answering(where, cache_dir):
                file = hf_hub_download(place.repository, place.file, **options)
            where = file.removesuffix(place.file)
        options = {"data_files": files, "split": place.split, "cache_dir": cache_dir}
        with _bars_as_of_models():
            return load_dataset(where, **options)["text"]
    except StadeError:
        raise
    except Exception as error:  # whatever datasets, pyarrow or the hub's client raises
        raise StadeError(
            f"cannot read {place.file} of {where}: {reason(error)}\n"
            f"Without network, download it elsewhere (hf download {place.repository} {place.file} "
            "--repo-type dataset --local-dir FOLDER) and give FOLDER, or cache_dir, instead; "
            "source 'embedded' needs no network"
        ) from error


@contextmanager
def _bars_as_of_models() -> Iterator[None]:
    """No progress bars of `datasets`, whose switch is its own, where models are to show none."""
    from datasets import utils

    from stade_nb.models.saving import bars_are_shown

    if bars_are_shown() or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


def _read(path: Path) -> str:
    r"""The text of a file, whatever editors wrote it: no byte-order marks, and "\n" as line ends.

    UTF-8, or UTF-16 or UTF-32 where a byte-order mark says so. StadeError for other bytes.
    """
    with path.open("rb") as content:
        start = content.read(4)
    encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")
    try:
        text = path.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise StadeError(
            f"text file {str(path)!r} is not {encoding.upper()} ({error}): convert it to UTF-8"
        ) from error
    if "\0" in text:
        raise StadeError(
            f"text file {str(path)!r} holds bytes of zero: expected UTF-8, and this is no text, or "
            "UTF-16 without its byte-order mark; convert it to UTF-8"
        )
    return text.lstrip("\ufeff")  # a second mark, of a program that put one before a marked text


def _text_documents(path: Path) -> list[str]:
    text = _read(path)
    if embedded.SEPARATOR in text:
        parts = text.split(embedded.SEPARATOR)
    else:
        parts = re.split(r"\n[ \t]*\n", text.strip())
    if len(parts) == 1:
        parts = text.split("\n")
    return [part.strip() for part in parts if part.strip()]


def _raw_lines(path: Path) -> list[str]:
    """WikiText as the hub has it: a line keeps its line end, a blank one is the empty string."""
    lines = _read(path).removesuffix("\n").split("\n")
    return [f"{line}\n" if line.strip() else "" for line in lines]
