"""The records of studies that come with the project: what was measured of a model once."""

from pathlib import Path

from stade_nb import paths
from stade_nb.engine import records
from stade_nb.errors import StadeError

FOLDER = paths.DATA / "studies"


def of(study: str, model: str, command: str, folder: Path = FOLDER) -> dict:
    """A model's record of a study: its result, its "device", and `record`, its key.

    command: what measures it. StadeError, with the command, where there is none.
    """
    for path in sorted(folder.glob("*.json")):
        content = records.checked(path)
        fields, result = content["fields"], content["result"]
        if fields.get("study") == study and result["model"] == model:
            return result | {"record": path.stem, "device": fields.get("device", "cpu")}
    raise StadeError(
        f"no record of the study {study!r} of {model!r} in {folder.name}: {command} --model "
        f"{model} measures it"
    )


def there(study: str, models: list[str], folder: Path = FOLDER) -> list[str]:
    """Those of the models that have a record of a study."""
    found = [records.checked(path) for path in sorted(folder.glob("*.json"))]
    known = {one["result"]["model"] for one in found if one["fields"].get("study") == study}
    return [name for name in models if name in known]
