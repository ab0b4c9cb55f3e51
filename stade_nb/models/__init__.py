"""Models and texts by name: what transformers and datasets look like from here.

The texts of the paper's experiments stand here as files of the hub, and its models by their names
there, for whoever asks what they are without loading one.
"""

from dataclasses import dataclass
from os.path import isdir

from stade_nb import paths


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

# The models of Tables 2-6, and the names that the hub has for them.
PAPERS_MODELS = {
    "llama-7b": ("huggyllama/llama-7b",),
    "llama-2-7b": ("meta-llama/Llama-2-7b-hf",),
    "llama-2-13b": ("meta-llama/Llama-2-13b-hf",),
    "llama-3-8b": ("meta-llama/Meta-Llama-3-8B",),
    "llama-3.1-8b": ("meta-llama/Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-8B"),
    "llama-3.2-1b": ("meta-llama/Llama-3.2-1B",),
    "llama-3.2-3b": ("meta-llama/Llama-3.2-3B",),
    "opt-125m": ("facebook/opt-125m",),
    "opt-350m": ("facebook/opt-350m",),
    "opt-1.3b": ("facebook/opt-1.3b",),
    "opt-2.7b": ("facebook/opt-2.7b",),
}


def papers_model(name: str) -> str | None:
    """Which of the paper's models `name` is: a hub id, or a local folder named as one; or None."""
    folder = paths.expanded(name)
    here = isdir(folder)  # False for a name that is too long, too
    found = folder.resolve().name if here else name
    for model, ids in PAPERS_MODELS.items():
        known = [model, *(i.rpartition("/")[2] for i in ids)] if here else ids
        if found.lower() in (each.lower() for each in known):
            return model
    return None
