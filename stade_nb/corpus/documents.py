"""The embedded corpus: English prose of the pinned packages' own documentation.

No network is needed: the text is read from the sources that the lock installs. It is split by
package, so that calibration and evaluation differ in domain as C4 and WikiText-2 do, and nothing
that is evaluated was trained on. Given the lock (and, for the training part, Python's version)
the text is the same everywhere; its SHA-256 is recorded in ``data/corpus.json``.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from stade_nb import paths
from stade_nb.corpus.prose import prose_of_file, template_key
from stade_nb.errors import StadeError, unknown
from stade_nb.files import try_folder, write_at_once

CACHE = paths.CORPUS
RECORDED = paths.DATA / "corpus.json"
SEPARATOR = "<|endoftext|>"
VALIDATION_SHARE = 40  # one file in 40 of the training packages is held out
ROOM = 50_000_000  # bytes of all parts, at most

_TRAINING = (
    "stdlib torch transformers sympy numpy matplotlib networkx nltk datasets accelerate "
    "huggingface_hub lm_eval sphinx docutils hypothesis sqlalchemy pyarrow IPython "
    "_pytest jedi aiohttp prompt_toolkit pygments tornado traitlets rich mpmath nbclient "
    "nbformat papermill jinja2 fsspec click regex tqdm pydantic babel PIL fontTools "
    "evaluate myst_parser jupyter_client ipykernel requests urllib3 attr joblib anyio"
)
# Named one by one: "everything installed" would differ from machine to machine. Evaluation and
# calibration leave out the standard library, whose text depends on Python's version.
PACKAGES: dict[str, tuple[str, ...]] = {
    "evaluation": ("scipy",),
    "calibration": ("pandas", "sklearn"),
    "training": tuple(_TRAINING.split()),
}
# A paragraph that stands in two parts stays in the first of these only.
_ORDER = ("evaluation", "calibration", "training")
PARTS = ("train", "validation", "calibration", "evaluation")
_FROM = {"train": "training", "validation": "training"}


def _folder(package: str) -> Path:
    if package == "stdlib":
        return Path(sysconfig.get_paths()["stdlib"])
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StadeError(
            f"the embedded corpus needs the package {package!r}, which is not installed: "
            "install requirements.lock, or copy a built corpus folder and name it in STADE_CORPUS"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _sources(package: str) -> list[Path]:
    folder = _folder(package)
    skipped = {"site-packages", "test", "lib2to3", "__pycache__"} if package == "stdlib" else set()
    return sorted(
        path
        for path in folder.rglob("*.py")
        if not skipped.intersection(path.relative_to(folder).parts)
    )


def _documents(group: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """(name, text) of each source file with prose; a paragraph seen before is left out."""
    from transformers.utils import logging  # whose switch all bars of reading follow

    silent = not logging.is_progress_bar_enabled()
    for package in PACKAGES[group]:
        folder, sources = _folder(package), _sources(package)
        for path in tqdm(sources, desc=f"prose of {package}", leave=False, disable=silent):
            kept = []
            for paragraph in prose_of_file(path):
                key = template_key(paragraph)
                if key not in seen:
                    seen.add(key)
                    kept.append(paragraph)
            if kept:
                yield f"{package}/{path.relative_to(folder).as_posix()}", "\n".join(kept)


def _held_out(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % VALIDATION_SHARE == 0


def _versions(group: str) -> dict[str, str]:
    """Versions of what a part is made from: they say why a text differs from the recorded one."""
    distributions = importlib.metadata.packages_distributions()
    return {
        package: platform.python_version()
        if package == "stdlib"
        else importlib.metadata.version(distributions[package][0])
        for package in PACKAGES[group]
    }


def _build(group: str) -> dict[str, list[str]]:
    seen: set[str] = set()
    for earlier in _ORDER[: _ORDER.index(group)]:
        for document in part(earlier):
            seen.update(template_key(paragraph) for paragraph in document.splitlines())
    documents = list(_documents(group, seen))
    if group != "training":
        return {group: [text for _, text in documents]}
    return {
        "train": [text for name, text in documents if not _held_out(name)],
        "validation": [text for name, text in documents if _held_out(name)],
    }


def sha256(documents: list[str]) -> str:
    """SHA-256 of a part, over its documents joined by the separator, in UTF-8."""
    return hashlib.sha256(SEPARATOR.join(documents).encode()).hexdigest()


def part(name: str) -> list[str]:
    """Documents of one part: ``train``, ``validation``, ``calibration`` or ``evaluation``.

    Each document is the prose of one source file, a paragraph a line. Built on first use
    (10 to 90 seconds) and cached as ``<cache>/<part>.txt``, which can be copied to a machine
    that has other packages.

    Raises StadeError for an unknown part, a missing package, or a cached text that is not UTF-8.
    """
    if name not in PARTS:
        raise unknown("part of the embedded corpus", name, PARTS)
    path = CACHE / f"{name}.txt"
    if not path.exists():
        group = _FROM.get(name, name)
        try_folder(CACHE, ROOM, "the embedded corpus")
        for built, documents in _build(group).items():
            write_at_once(CACHE / f"{built}.txt", SEPARATOR.join(documents))
    try:
        return path.read_text(encoding="utf-8").split(SEPARATOR)
    except UnicodeDecodeError as error:
        raise StadeError(
            f"text file {str(path)!r} of the embedded corpus is not UTF-8 ({error}): remove it, "
            "and it is built again"
        ) from error


def describe(name: str) -> dict:
    """Size, SHA-256 and package versions of a part; compare with ``recorded``."""
    documents = part(name)
    return {
        "documents": len(documents),
        "characters": sum(map(len, documents)),
        "sha256": sha256(documents),
        "packages": _versions(_FROM.get(name, name)),
    }


def recorded() -> dict[str, dict]:
    """What ``data/corpus.json`` says of each part: the texts the embedded models are made with."""
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def difference(name: str) -> str | None:
    """None where a part equals the recorded one, else a sentence that says how it differs."""
    here, there = describe(name), recorded()[name]
    if here["sha256"] == there["sha256"]:
        return None
    changed = [
        f"{package} {there['packages'].get(package, 'absent')} -> {version}"
        for package, version in here["packages"].items()
        if there["packages"].get(package) != version
    ]
    return (
        f"the embedded {name} text differs from the recorded one ({here['sha256'][:12]} instead of "
        f"{there['sha256'][:12]}; {', '.join(changed) or 'same package versions'}): numbers will "
        "differ slightly from the shipped ones"
    )


def check_recorded(name: str) -> None:
    """StadeError where a part is not the recorded one, for whom close numbers are not enough."""
    if different := difference(name):
        raise StadeError(
            f"{different}; install requirements.lock, copy a built corpus folder and name it in "
            "STADE_CORPUS, or leave --strict-corpus out"
        )


def record() -> None:
    """Write ``data/corpus.json`` anew (a maintainer's step, before training)."""
    text = json.dumps({name: describe(name) for name in PARTS}, indent=1, sort_keys=True)
    paths.maintained(RECORDED).write_text(text + "\n", encoding="utf-8")
