"""A profile as jobs for a cluster: which there are, what each needs, and one of them run.

``python -m workflow.jobs plan smoke`` writes ``build/cluster/smoke/plan.json``, from which
``workflow/Snakefile`` makes its rules; ``python -m workflow.jobs run smoke NAME`` runs one job and,
when it has ended well, writes ``done/NAME.json`` beside the plan with where and how long;
``report`` puts these together as ``report.csv``.

A notebook of many cells has a job for each model and seed in front of it: the notebook itself, run
with that model and seed alone, so that its cells' records are the same. They are in a folder that
all jobs share, and the notebook's own job finds them there.
"""

import argparse
import csv
import json
import os
import platform
import re
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from stade_nb.errors import StadeError, unknown
from stade_nb.files import write_at_once
from stade_nb.models import loading
from workflow import ROOT, Words, profiles, status_of
from workflow.execute import BUILD, execute
from workflow.resources import needed

FOLDER = BUILD / "cluster"
# Notebooks that share cells, as in the Makefile: the first one computes, the later ones find.
AFTER = {
    "figure1_layers": ["table2_layer_types"],
    "table5_without_bias": ["table3_perplexity"],
    "table6_weight_update": ["table5_without_bias"],
    "size_ladder": ["table6_weight_update"],
}
# Of a job that is done.
NOTED = ("job", "host", "scheduler", "started", "seconds")
PLAN_AGAIN = "`python -m workflow.jobs plan {}` writes it"
LAST = "scorecard"  # reads the verdicts of all others
# Whose jobs are told apart by model and seed.
MANY_CELLS = (
    *("figure1_layers", "table2_layer_types", "table3_perplexity", "table5_without_bias"),
    "table6_weight_update",
)


def folder_of(profile: str, root: Path = ROOT) -> Path:
    """Where a profile's plan is, what is done of it, and the report."""
    return root / FOLDER / profile


def plan(profile: str, only: list[str] | None = None, root: Path = ROOT) -> dict[str, dict]:
    """The jobs of a profile by name: notebook, part (model and seed, or None), after, resources.

    only: these notebooks, without the others that they could find records of. StadeError for an
    unknown profile or notebook, and for a value that a notebook would refuse.
    """
    folder = root / profiles.NOTEBOOKS.name
    runs = profiles.load(profile, folder)
    for name in only or []:
        if name not in runs:
            raise unknown("notebook", name, runs)
    chosen = [name for name in runs if not only or name in only]
    jobs = {}
    for name in chosen:
        values = profiles.resolved(folder / f"{name}.ipynb", runs[name])
        before = [other for other in AFTER.get(name, []) if other in chosen]
        parts = []
        for model, seed in _parts(name, values):
            part = {"models": [model], "seeds": [seed]}
            words = re.sub(r"[^\w.-]+", "-", f"{name}--{model}--{seed}")
            jobs[words] = _job(name, part, before, values | part)
            parts.append(words)
        jobs[name] = _job(name, None, parts or before, values, computed=bool(parts))
    if LAST in jobs:
        jobs[LAST]["after"] = [name for name in chosen if name != LAST]
    return jobs


def _parts(name: str, values: dict) -> list[tuple[str, int]]:
    """The models and seeds of a notebook, where more than one job is worth while."""
    if name not in MANY_CELLS:
        return []
    pairs = [(model, seed) for model in loading.named(values["models"]) for seed in values["seeds"]]
    return pairs if len(pairs) > 1 else []


def _job(
    name: str, part: dict | None, after: list[str], values: dict, computed: bool = False
) -> dict:
    resources = needed(values, computed)
    return {"notebook": name, "part": part, "after": after, "resources": resources}


def _read(path: Path) -> object:
    """What is in a file of JSON; None where there is none, and where it cannot be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _whole(found: object, names: Collection[str], path: Path, remedy: str) -> dict:
    """`found`, of the file `path`; StadeError, with the remedy, where it lacks one of `names`."""
    if not isinstance(found, dict) or not found.keys() >= set(names):
        raise StadeError(f"{str(path)!r} is missing or damaged: {remedy}")
    return found


def run(profile: str, name: str, root: Path = ROOT) -> Path:
    """Run the job called `name` of a profile's plan; returns the note that it is done.

    StadeError where there is no such job, and where the plan cannot be read.
    """
    folder = folder_of(profile, root)
    path, remedy = folder / "plan.json", PLAN_AGAIN.format(profile)
    known = _whole(_read(path), (), path, remedy)
    if name not in known:
        raise unknown("job", name, known)
    job = _whole(known[name], ("notebook", "part"), path, remedy)
    notebook = root / profiles.NOTEBOOKS.name / f"{job['notebook']}.ipynb"
    started, clock = datetime.now(UTC), time.perf_counter()
    execute(notebook, profile, root=root, part=job["part"], name=name)
    note = {
        "job": name,
        "host": platform.node(),
        "scheduler": os.environ.get("SLURM_JOB_ID") or os.environ.get("HOSTNAME", ""),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
    }
    done = folder / "done" / f"{name}.json"
    done.parent.mkdir(parents=True, exist_ok=True)
    write_at_once(done, json.dumps(note) + "\n")
    return done


def report(profile: str, root: Path = ROOT) -> list[dict]:
    """What ran where and for how long, in order of their starts; also as report.csv.

    StadeError where nothing is planned, and for a note that cannot be read.
    """
    folder = folder_of(profile, root)
    if not folder.is_dir():
        raise StadeError(f"no folder {str(folder)!r}: {PLAN_AGAIN.format(profile)}")
    remedy = "remove it, and the job is run again"
    paths = (folder / "done").glob("*.json")
    notes = [_whole(_read(path), NOTED, path, remedy) for path in paths]
    notes.sort(key=lambda note: note["started"])
    with (folder / "report.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, NOTED, extrasaction="ignore")
        table.writeheader()
        table.writerows(notes)
    return notes


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Words(prog="python -m workflow.jobs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("plan", "run", "report"):
        commands.add_parser(name).add_argument("profile")
    commands.choices["plan"].add_argument("--only", nargs="*", help="notebooks, by name")
    commands.choices["run"].add_argument("name")
    asked = parser.parse_args(words)
    return status_of("jobs", lambda: _do(asked))


def _do(asked: argparse.Namespace) -> None:
    """Do one of the three things that the command line names."""
    folder = folder_of(asked.profile)
    if asked.command == "plan":
        jobs = plan(asked.profile, asked.only)
        folder.mkdir(parents=True, exist_ok=True)
        write_at_once(folder / "plan.json", json.dumps(jobs, indent=1) + "\n")
        print(f"{len(jobs)} jobs: {(folder / 'plan.json').relative_to(ROOT).as_posix()}")
    elif asked.command == "run":
        print(run(asked.profile, asked.name).relative_to(ROOT).as_posix())
    else:
        for note in report(asked.profile):
            print(f"{note['job']}: {note['host']} {note['scheduler']}, {note['seconds']} s")


if __name__ == "__main__":
    sys.exit(main())
