"""Models and texts by name: what transformers and datasets look like from here.

The texts of the paper's experiments stand here as files of the hub, for whoever asks what they are
without loading one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class HubFile:
    """One file of a dataset on the hub: where it is and what it is for."""

    repository: str
    file: str
    split: str


CALIBRATION = {"c4": HubFile("allenai/c4", "en/c4-train.00000-of-01024.json.gz", "train")}

EVALUATION = {
    "wikitext2": HubFile(
        "Salesforce/wikitext", "wikitext-2-raw-v1/test-00000-of-00001.parquet", "test"
    )
}
