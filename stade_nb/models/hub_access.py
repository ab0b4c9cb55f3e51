"""The hub, asked first whether it answers: where it does not, its cache is all there is."""

import functools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import isdir
from pathlib import Path
from types import ModuleType

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from stade_nb import paths
from stade_nb.files import try_folder
from stade_nb.models.checkpoint import reason

# Its clients ask a hub that does not answer six times for each file, for minutes without a word.
SECONDS, ASKED_AGAIN = 10, 60


@contextmanager
def answering(where: str | Path, cache_dir: str | None = None) -> Iterator[None]:
    """What is read inside comes from the hub, or at once from its cache where it does not answer.

    where: a local folder, for which nobody is asked, or anything else. cache_dir: None is the
    user's own. That the hub does not answer is said on stderr where its cache had all that was
    needed, and else in the error. StadeError, before anybody is asked, where there is no cache and
    none can be made; one that is there may be there to be read only.
    """
    if isdir(paths.expanded(where)) or constants.HF_HUB_OFFLINE:
        yield
        return
    if not (cache := Path(cache_dir or constants.HF_HUB_CACHE)).is_dir():
        try_folder(cache)
    address = constants.ENDPOINT
    why = _silence(address, int(time.monotonic() // ASKED_AGAIN))
    if why is None:
        yield
        return
    said = f"{address} does not answer ({why})"
    try:
        with _offline():
            yield
    except OSError as error:  # what is neither there nor here
        raise OSError(f"{said}, and in its cache: {reason(error)}") from error
    print(f"stade_nb: {said}: what its cache has was read", file=sys.stderr)


@functools.lru_cache
def _silence(address: str, _minute: int) -> str | None:
    """Why nothing answers at `address`, or None where something does; asked once a minute."""
    try:
        get_session().head(address, timeout=SECONDS)
    except Exception as error:  # whatever the client in use raises: no route, proxy, time, TLS
        return reason(error)
    return None


@contextmanager
def _offline() -> Iterator[None]:
    """The clients' own switches, which they look at each time that they would ask the hub."""
    switches: list[ModuleType] = [constants]
    if (datasets := sys.modules.get("datasets")) is not None:
        switches.append(datasets.config)
    before = [module.HF_HUB_OFFLINE for module in switches]
    for module in switches:
        module.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for module, was in zip(switches, before, strict=True):
            module.HF_HUB_OFFLINE = was
