"""Records that were computed earlier and come with the project: cells that take hours to compute.

They are what the engine wrote, in `data/results`, with a note of where and when. Nothing is read
from here unasked: a page that shows such a number says so.
"""

import functools
import tempfile
from collections import Counter
from pathlib import Path

from stade_nb import paths
from stade_nb.engine import records
from stade_nb.engine.cell import Cell, Setting, Windows
from stade_nb.engine.sweep import sweep
from stade_nb.errors import StadeError, unknown
from stade_nb.files import digest
from stade_nb.numerics.masks import parse_pattern

FOLDER = paths.DATA / "results"
# Another number of threads, another processor or another build of torch adds in another order.
TOLERANCE = 0.005
# Gemma's perplexities part further: the same code and number of threads, on two processors of one
# kind, gave 389.44 and 381.67 for Wanda at 50 % (-2.0 %). Another metric changes 10 % and more.
WIDER = {"gemma-3-270m": 0.03}
EMBEDDED = ("embedded", "embedded")
# What makes a cell, but for the device that computed it.
KEYS = (
    *("fingerprint", "evaluation", "calibration", "dtype", "numerics"),
    *("method", "pattern", "layers", "scope", "seed"),
)
# What is read of a record beyond it, by the name that tells losses from a task's answers.
_OF_BOTH = ("device", "calibration_corpus", "evaluation_corpus", "computed", "seconds", "versions")
_READ = {
    "losses": (*KEYS, *_OF_BOTH, "perplexity", "zeros", "sizes"),
    "task": (*(key for key in KEYS if key != "evaluation"), *_OF_BOTH, "correct", "guessing"),
}


def rows(model: str, folder: Path = FOLDER) -> list[dict]:
    """A model's cells, each with its fields, its result and `record`, its key.

    Of a cell that two devices have computed, the one of the device with more cells between the
    same texts: what is compared comes from one device wherever it can. StadeError, naming the
    file, where one is not what was written.
    """
    found = computed(model, folder)
    count = Counter(map(_device_and_texts, found))
    best: dict[str, dict] = {}
    for row in sorted(found, key=lambda row: (count[_device_and_texts(row)], row["device"])):
        best[_cell(row)] = row
    return [row for row in found if best[_cell(row)] is row]


def computed(model: str, folder: Path = FOLDER) -> list[dict]:
    """As `rows`, of every device that computed one: some cells are there twice."""
    return [row for row in _rows(model, folder) if "losses" in row and "biases" not in row]


def on_both(model: str, folder: Path = FOLDER) -> list[tuple[dict, dict]]:
    """The cells that a CPU and a GPU have computed from the same windows, (CPU's, GPU's)."""
    found: dict[str, dict[str, dict]] = {}
    for row in computed(model, folder):
        found.setdefault(_cell(row), {})[row["device"]] = row
    return [(by["cpu"], by["cuda"]) for by in found.values() if {"cpu", "cuda"} <= by.keys()]


def seconds(row: dict) -> float | None:
    """What a cell of `rows` took; None where a part of it was done for another one.

    As where a pruned model is evaluated on a second text, or equal cells are computed together.
    """
    spent = row["seconds"]
    needed = ["evaluate", *(["prune"] if cell_of(row).needs_calibration else [])]
    return sum(spent.values()) if all(spent[part] for part in needed) else None


def _cell(row: dict) -> str:
    return digest({name: row[name] for name in KEYS})


def _device_and_texts(row: dict) -> tuple[str, ...]:
    return row["device"], row["dtype"], str(row["calibration"]), row["evaluation"]


def answers(model: str, folder: Path = FOLDER) -> list[dict]:
    """What a model's cells answered to zero-shot tasks, a row for each task, as `rows` has them."""
    return [row for row in _rows(model, folder) if "task" in row]


def models(folder: Path = FOLDER) -> list[str]:
    """The models that have records, by name."""
    return sorted({content["result"]["model"] for content in _contents(folder).values()})


def _rows(model: str, folder: Path) -> list[dict]:
    return [
        content["fields"] | content["result"] | {"record": key}
        for key, content in _contents(folder).items()
        if content["result"]["model"] == model
    ]


def _contents(folder: Path) -> dict[str, dict]:
    return {
        path.stem: _once(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.json"))
    }


@functools.cache
def _once(path: Path, _changed: int) -> dict:
    """A record's content, read and checked once a process, and again where the file has changed.

    StadeError, naming the file, where it is none of a model's or lacks what pages read of it.
    """
    content = records.checked(path)
    if not isinstance(content["result"].get("model"), str):
        raise StadeError(f"record {path.name} names no model: take it out of {path.parent.name}")
    there = content["fields"].keys() | content["result"].keys()
    lacking = [name for kind in _READ.keys() & there for name in _READ[kind] if name not in there]
    if lacking:
        raise StadeError(
            f"record {path.name} has no {lacking[0]}, as every one has that workflow.ship took "
            f"over: take it out of {path.parent.name} and ship it again"
        )
    return content


def ship(path: Path, computed: dict) -> Path:
    """Take a record over into `FOLDER`, compact, with a note of how it was `computed`.

    computed: date, threads, processor. The key stays: it is of what determines the result.
    StadeError for a damaged record, and for another result under a key that is here already.
    """
    content = records.checked(path)
    result = content["result"] | {"computed": computed}
    target = FOLDER / path.name
    if target.exists():
        known = records.checked(target)["result"]
        if any(known.get(name) != result.get(name) for name in ("losses", "correct")):
            here, there = map(_summary, (result, known))
            raise StadeError(
                f"record {path.name} is in {FOLDER.name} with another result: {there} there, "
                f"{here} here; a change of results needs another NUMERICS_VERSION"
            )
        return target
    return records.write(FOLDER, content["fields"], result, indent=None)


def _summary(result: dict) -> str:
    name = "perplexity" if "perplexity" in result else "accuracy"
    return f"{name} {result.get(name)}"


def cell_of(row: dict) -> Cell:
    """The cell of a row of `rows`."""
    layers = row["layers"] if isinstance(row["layers"], str) else tuple(row["layers"])
    if row["method"] == "dense":
        return Cell("dense", "0")
    return Cell(row["method"], parse_pattern(row["pattern"], row["scope"]), layers, row["seed"])


def sources(row: dict) -> tuple[str, str]:
    """The texts of a row of `rows` by name: of calibration and of evaluation."""
    return row["calibration_corpus"]["source"], row["evaluation_corpus"]["source"]


def are_here(texts: tuple[str, str], folder: Path | None) -> bool:
    """Whether both texts are at hand: part of the project, or files of these names in `folder`."""
    return texts == EMBEDDED or (
        folder is not None and all((folder / name).is_file() for name in texts)
    )


def again(row: dict, texts: Path | None = None) -> float:
    """A record's cell computed by the code as it is now; returns ours / recorded - 1.

    row: of `rows`. texts: the folder of its texts, unless they are part of the project. Nothing
    that was computed before is read: what is kept on the way goes into a folder that is new, and
    gone afterwards. StadeError where the model or its windows are not those of the record.
    """
    asked = [
        Windows(
            _place(text["source"], texts), text["windows"], text["length"], text.get("bos", "text")
        )
        for text in (row["calibration_corpus"], row["evaluation_corpus"])
    ]
    with tempfile.TemporaryDirectory(prefix="stade-nb-again-") as empty:
        setting = Setting(*asked, empty, row["device"], row["dtype"])
        (ours,) = sweep(row["model"], [cell_of(row)], setting)
    for name in ("fingerprint", "calibration", "evaluation"):
        if ours[name] != row[name]:
            raise StadeError(
                f"record {row['record']}: another {name} than that of the record; compare only "
                "what was computed from the same model and windows"
            )
    return ours["perplexity"] / row["perplexity"] - 1


def _place(source: str, folder: Path | None) -> str:
    return source if source == "embedded" or folder is None else str(folder / source)


def check(row: dict, texts: Path | None = None) -> float:
    """As `again`; StadeError, naming the record, where the two differ by more than `TOLERANCE`.

    More is allowed to the models in `WIDER`.
    """
    difference, allowed = again(row, texts), WIDER.get(row["model"], TOLERANCE)
    if abs(difference) > allowed:
        raise StadeError(
            f"record {row['record']} ({row['model']}, {cell_of(row)}) is stale: its perplexity "
            f"{row['perplexity']:.4f} differs by {difference:+.2%} from what this code computes, "
            f"more than {allowed:.1%}: compute it again, or mend the code"
        )
    return difference


def one(
    model: str, commit: str, texts: tuple[str, str] = EMBEDDED, folder: Path = FOLDER
) -> dict | None:
    """The record that a build computes again: of the cells from the first text to the second.

    Where they have windows of several sizes, of those that take the least time. commit: any text;
    it draws the cell, so that in time every one has its turn. A GPU's are for a GPU to compute
    again. None where there are no such cells; StadeError for a model that has no records at all.
    """
    if model not in models(folder):
        raise unknown("model with records", model, models(folder))
    fit = [row for row in computed(model, folder) if sources(row) == texts]
    fit = [row for row in fit if row["device"] == "cpu"]
    least = min((_tokens(row) for row in fit), default=0)
    fit = [row for row in fit if _tokens(row) == least]
    return fit[int(digest(commit)[:8], 16) % len(fit)] if fit else None


def _tokens(row: dict) -> int:
    """Of the calibration windows and of the evaluation windows asked for, together."""
    corpora = (row["calibration_corpus"], row["evaluation_corpus"])
    return sum((corpus["windows"] or 0) * (corpus["length"] or 0) for corpus in corpora)
