"""The records of studies that come with the project: what was measured of a model once."""

import math
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas
import torch
import transformers
from torch import Tensor, nn

from stade_book.claims import verdicts
from stade_nb import paths
from stade_nb.engine import records
from stade_nb.errors import StadeError
from stade_nb.files import digest_of_ids
from stade_nb.models import loading

FOLDER = paths.DATA / "studies"
# The texts of the paper's protocol by their files, C4 and WikiText-2's test set; windows of
# calibration and of evaluation, and the tokens of each.
TEXTS = ("c4_documents.txt", "wiki.test.raw")
WINDOWS, EVALUATED, LENGTH = 32, 64, 512
MADE = ("versions", "computed")  # what `made` says


def of(study: str, model: str, command: str, folder: Path = FOLDER) -> dict:
    """A model's record of a study: its result, its "device", and `record`, its key.

    command: what measures it. StadeError, with the command, where there is none, and where there
    are several (of other windows, or of another device): a page shows one.
    """
    found = [
        result | {"record": path.stem, "device": fields.get("device", "cpu")}
        for path, fields, result in _those_of(study, folder)
        if result["model"] == model
    ]
    if len(found) > 1:
        raise StadeError(
            f"{len(found)} records of the study {study!r} of {model!r} in {folder.name}: "
            f"{', '.join(one['record'][:12] for one in found)}; keep the one that pages are to show"
        )
    if found:
        return found[0]
    raise StadeError(
        f"no record of the study {study!r} of {model!r} in {folder.name}: {command} --model "
        f"{model} measures it"
    )


def _those_of(study: str, folder: Path) -> Iterator[tuple[Path, dict, dict]]:
    """A study's records: path, fields and result. StadeError for one that names no model."""
    for path in sorted(folder.glob("*.json")):
        content = records.checked(path)
        fields, result = content["fields"], content["result"]
        if fields.get("study") == study:
            if "model" not in result:
                raise StadeError(
                    f"record {path.name} in {folder.name} is one of the study {study!r} and names "
                    "no model: remove it, and measure the model again"
                )
            yield path, fields, result


def there(study: str, models: list[str], folder: Path = FOLDER) -> list[str]:
    """Those of the models that have a record of a study."""
    known = {result["model"] for _, _, result in _those_of(study, folder)}
    return [name for name in models if name in known]


def cells(
    study: str, models: Sequence[str], columns: str, command: str, folder: Path = FOLDER
) -> pandas.DataFrame:
    """The pruned models in the records of a study, a row each; no rows where there is no record.

    columns: those of the frame beside "model" and "losses", by spaces. command: see `of`.
    """
    rows = []
    for name in there(study, list(models), folder):
        found = of(study, name, command, folder)
        rows += [cell | {"model": name} for cell in found["cells"]]
    return pandas.DataFrame(rows, columns=["model", *columns.split(), "losses"])


def gains(
    cells: pandas.DataFrame, by: list[str], side: str, of: tuple[str, str], sort: bool = True
) -> pandas.DataFrame:
    """Whether a model's second side has a lower perplexity than its first, wherever both are there.

    cells: columns model, those of `by`, `side` (which of the two in `of` a row is) and losses. By
    `verdicts.compared`; all comparisons of a model share the 95 %. sort: the rows of a model by
    `by`. Returns columns model, `by`, `of` (perplexities), change, low, high, verdict.
    """
    rows = []
    for model, some in cells.groupby("model", sort=False):
        sides = some.pivot_table(
            index=by, columns=side, values="losses", aggfunc="first", sort=sort
        ).reindex(columns=list(of))
        for _, pair in (there := sides.dropna()).reset_index().iterrows():
            plain, ours = (pair[one] for one in of)
            gap, _, word = verdicts.compared({0: ours}, {0: plain}, len(there))
            levels = [math.exp(math.fsum(one) / len(one)) for one in (plain, ours)]
            rows.append((model, *pair[by], *levels, *map(math.expm1, gap), word))
    return pandas.DataFrame(rows, columns=["model", *by, *of, "change", "low", "high", "verdict"])


def fields(study: str, model: nn.Module, **windows: Tensor) -> dict:
    """What a record of a study is known by: the model's weights, and the windows by their use."""
    return {
        "study": study,
        "numerics": records.NUMERICS_VERSION,
        "fingerprint": loading.fingerprint(model),
        "device": model.device.type,
        **{use: digest_of_ids(ids) for use, ids in windows.items()},
    }


def made(device: torch.device) -> dict:
    """With what a study is measured now: the versions, and how it was computed, as records say."""
    gpu = device.type == "cuda"
    return {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "computed": {
            "date": datetime.now(UTC).date().isoformat(),
            "threads": torch.get_num_threads(),
            "processor": torch.cuda.get_device_name(device) if gpu else platform.machine(),
        },
    }
