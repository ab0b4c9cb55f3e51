"""The hub, asked first whether it answers: where it does not, its cache is all there is."""

import functools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from stade_nb import paths
from stade_nb.models.checkpoint import reason

# Its clients ask a hub that does not answer six times for each file, for minutes without a word.
SECONDS, ASKED_AGAIN = 10, 60


@contextmanager
def answering(where: str | Path) -> Iterator[None]:
    """What is read inside comes from the hub, or at once from its cache where it does not answer.

    where: a local folder, for which nobody is asked, or anything else. A hub that does not answer
    is said on stderr; what its cache does not have is then the usual error.
    """
    if paths.expanded(where).is_dir() or constants.HF_HUB_OFFLINE:
        yield
        return
    silent = _is_silent(constants.ENDPOINT, int(time.monotonic() // ASKED_AGAIN))
    with _offline() if silent else nullcontext():
        yield


@functools.lru_cache
def _is_silent(address: str, _minute: int) -> bool:
    """Whether nothing answers at `address`; asked once a minute, and said each time."""
    try:
        get_session().head(address, timeout=SECONDS)
    except Exception as error:  # whatever the client in use raises: no route, proxy, time, TLS
        print(
            f"stade_nb: {address} does not answer ({reason(error)}): only what its cache has can "
            "be read",
            file=sys.stderr,
        )
        return True
    return False


@contextmanager
def _offline() -> Iterator[None]:
    """The clients' own switches, which they look at each time that they would ask the hub."""
    switches: list[ModuleType] = [constants]
    if (datasets := sys.modules.get("datasets")) is not None:
        switches.append(datasets.config)
    for module in switches:
        module.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for module in switches:
            module.HF_HUB_OFFLINE = False
