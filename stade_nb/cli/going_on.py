"""A `prune` or `evaluate` that was killed: the same command again goes on with what was kept."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from torch import Tensor

from stade_nb.engine import kept
from stade_nb.engine.prepare import Prepared
from stade_nb.errors import StadeError
from stade_nb.files import try_folder, write_at_once

SAVING = "saving"  # a file with what was saved: by place the size and time of each of its files
REPORT = "pruning.json"
_WHOLE = {"config.json", REPORT}  # without one of them a folder holds nothing whole of anybody


class GoingOn:
    """What is kept of one run of a command, by everything that its result depends on.

    there: whether a run of the same command was interrupted, and this one goes on with it.
    """

    def __init__(self, prepared: Prepared, options: SimpleNamespace, command: str) -> None:
        (fields,) = prepared.keys.values()
        self.model, self.every = prepared.model, options.keep_every
        self.batch_size = options.batch_size
        # Of the places, too: only the folder that the killed run had found empty may be written.
        named = [getattr(options, name, None) for name in ("save", "save_model", "save_gguf")]
        self.places = [name and os.path.realpath(name) for name in named]
        asked = {"command": command, "places": self.places}
        self.folder: Path = kept.folder_of(fields | asked, options.batch_size)
        kept.clear_old()
        self.there = self.folder.is_dir() and any(self.folder.iterdir())

    def say(self) -> None:
        """Where a run goes on, say so; what is damaged is named when it is read."""
        if self.there:
            print(
                "stade_nb: this command was interrupted before: going on with what is whole of "
                f"{str(self.folder)!r}",
                file=sys.stderr,
            )

    def blocks(self, ids: Tensor | None) -> kept.KeptBlocks:
        """For `prune_model`."""
        return kept.KeptBlocks(self.folder, self.model, ids, self.every)

    def losses(self, ids: Tensor) -> kept.KeptLosses:
        """For `window_losses`."""
        return kept.KeptLosses(self.folder, len(ids), self.every)

    def ours(self, place: str | Path) -> bool:
        """Whether a run of the same command has left what is at `place`, and nobody wrote since."""
        try:
            known = json.loads((self.folder / SAVING).read_text())
        except (OSError, ValueError):
            return False
        path, found = Path(place), _files(place)
        half = path.is_dir() and not _WHOLE & found.keys()
        return half or known.get(os.path.realpath(path)) == found

    def saving(self) -> None:
        """The places are written, or about to be: the same command may write them again.

        Where this cannot be kept, it takes a new folder.
        """
        known = {place: _files(place) for place in self.places if place}
        with suppress(StadeError, OSError):
            if known:
                write_at_once(try_folder(self.folder) / SAVING, json.dumps(known))

    def done(self) -> None:
        """The run has come to its end: nothing of it is needed any more."""
        kept.clear(self.folder)


def _files(place: str | Path) -> dict[str, list[int]]:
    """Size and time of each file of a folder, or of the file that `place` is."""
    path = Path(place)
    files = [path] if path.is_file() else path.iterdir() if path.is_dir() else ()
    states = {file.name: file.stat() for file in files if file.is_file()}
    return {name: [state.st_size, state.st_mtime_ns] for name, state in states.items()}
