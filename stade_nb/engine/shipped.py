"""Records that were computed earlier and come with the project: cells that take hours to compute.

They are what the engine wrote, in `data/results`, with a note of where and when. Nothing is read
from here unasked: a page that shows such a number says so.
"""

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


def rows(model: str, folder: Path = FOLDER) -> list[dict]:
    """All records of a model, each with its fields, its result and `record`, its key.

    StadeError, naming the file, where one is not what was written.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        content = records.checked(path)
        if content["result"]["model"] == model:
            found.append(content["fields"] | content["result"] | {"record": path.stem})
    return found


def models(folder: Path = FOLDER) -> list[str]:
    """The models that have records, by name."""
    return sorted({records.checked(path)["result"]["model"] for path in folder.glob("*.json")})


def ship(path: Path, computed: dict, folder: Path = FOLDER) -> Path:
    """Take a record over into `folder`, compact, with a note of how it was `computed`.

    computed: date, threads, processor. The key stays: it is of what determines the result.
    StadeError for a damaged record, and for another result under a key that is here already.
    """
    content = records.checked(path)
    result = content["result"] | {"computed": computed}
    target = folder / path.name
    if target.exists():
        known = records.checked(target)["result"]
        if known["losses"] != result["losses"]:
            raise StadeError(
                f"record {path.name} is in {folder.name} with another result: perplexity "
                f"{known['perplexity']} there, {result['perplexity']} here; a change of results "
                "needs another NUMERICS_VERSION"
            )
        return target
    return records.write(folder, content["fields"], result, indent=None)


def cell_of(row: dict) -> Cell:
    """The cell of a row of `rows`."""
    layers = row["layers"] if isinstance(row["layers"], str) else tuple(row["layers"])
    if row["method"] == "dense":
        return Cell("dense", "0")
    return Cell(row["method"], parse_pattern(row["pattern"], row["scope"]), layers, row["seed"])


def again(row: dict, results_dir: Path, batch_size: int = 8) -> float:
    """A record's cell computed by the code as it is now; returns ours / recorded - 1.

    row: of `rows`, whose texts are at hand. results_dir: an empty folder, or an earlier try's.
    StadeError where the model or its windows are not those of the record, and where `results_dir`
    is the record's own folder: nothing is compared.
    """
    if Path(results_dir).resolve() == FOLDER.resolve():
        raise StadeError(
            f"results_dir {str(results_dir)!r} has the record itself, so that it would be read and "
            "not computed again: name another folder, such as build/results-again"
        )
    texts = [row[f"{use}_corpus"] for use in ("calibration", "evaluation")]
    asked = [Windows(text["source"], text["windows"], text["length"]) for text in texts]
    setting = Setting(*asked, results_dir, row["device"], row["dtype"], batch_size)
    (ours,) = sweep(row["model"], [cell_of(row)], setting)
    for name in ("fingerprint", "calibration", "evaluation"):
        if ours[name] != row[name]:
            raise StadeError(
                f"record {row['record']}: another {name} than that of the record; compare only "
                "what was computed from the same model and windows"
            )
    return ours["perplexity"] / row["perplexity"] - 1


def check(row: dict, results_dir: Path) -> float:
    """As `again`; StadeError, naming the record, where the two differ by more than `TOLERANCE`."""
    difference = again(row, results_dir)
    if abs(difference) > TOLERANCE:
        raise StadeError(
            f"record {row['record']} ({row['model']}, {cell_of(row)}) is stale: its perplexity "
            f"{row['perplexity']:.4f} differs by {difference:+.2%} from what this code computes, "
            f"more than {TOLERANCE:.1%}: compute it again, or mend the code"
        )
    return difference


def one(model: str, source: str, commit: str, folder: Path = FOLDER) -> dict:
    """The record that a build computes again: of cells calibrated and evaluated on `source`.

    commit: any text; it draws the cell, so that in time every one has its turn. StadeError
    where there are no such cells.
    """
    fit = [
        row
        for row in rows(model, folder)
        if {row["calibration_corpus"]["source"], row["evaluation_corpus"]["source"]} == {source}
    ]
    if not fit:
        raise unknown("model with records of that text", model, models(folder))
    return fit[int(digest(commit)[:8], 16) % len(fit)]
